//! What relays do: greet, read one request, pass the channel on.

use outlast_protocol::frame::FrameDecoder;
use outlast_protocol::hello::MAGIC;
use outlast_protocol::limits::{HANDSHAKE_TIME, MAX_FRAME_BEFORE_ATTACH};
use outlast_protocol::link::connection::hello;
use outlast_protocol::link::refusal::{RefusalCode, Refused};
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::ToHost;

use super::host::end_link;
use crate::channel::Remote;
use crate::violation::Violation;
use crate::world::World;

/// Bytes a relay reads at once.
const RELAY_READ: usize = 4096;

fn unfit(error: impl std::fmt::Display) -> Violation {
    Violation(format!("a message does not fit: {error}"))
}

impl World {
    pub(super) fn relay(&mut self, id: u32) -> Result<(), Violation> {
        let now = self.now;
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        match &mut channel.remote {
            Remote::Starting => {
                let mut bytes = MAGIC.to_vec();
                let greeting = ToClient::Hello(hello("outlast-subsystem/0", "u", "db1"));
                bytes.extend(greeting.head(0).map_err(unfit)?);
                channel.down.write(&bytes);
                channel.remote = Remote::Relay(Vec::new());
                channel.patience = now.saturating_add(HANDSHAKE_TIME);
            }
            Remote::Relay(received) => {
                let bytes = channel.up.read(RELAY_READ);
                let count = bytes.len() as u64;
                if bytes.is_empty() {
                    channel.leave();
                    return Ok(());
                }
                received.extend_from_slice(&bytes);
                if request(received)?.is_some() {
                    channel.remote = Remote::Passing(std::mem::take(received));
                }
                self.passed(0, count, id);
            }
            Remote::Passing(received) => {
                let received = std::mem::take(received);
                self.pass_on(id, &received)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn pass_on(&mut self, id: u32, received: &[u8]) -> Result<(), Violation> {
        if let Some(ToHost::Create(create)) = request(received)?
            && self.computer.opened == 0
        {
            self.computer.open(&create)?;
        }
        let refusal = match &self.computer.process {
            Some(_) => None,
            None if self.computer.is_broken() => Some(RefusalCode::BROKEN),
            None => Some(RefusalCode::UNKNOWN_SESSION),
        };
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        if let Some(code) = refusal {
            let refused = Refused {
                request: 0x04,
                about: None,
                code,
                message: String::new(),
                hint: String::new(),
            };
            let bytes = ToClient::Refused(refused).head(0).map_err(unfit)?;
            channel.down.write(&bytes);
            channel.leave();
        } else if let Some(process) = &self.computer.process {
            let before = process.host.active();
            let mut link = process.host.take_over(received);
            link.fill();
            let over = link.is_over();
            channel.remote = Remote::Host(Box::new(link));
            if over {
                end_link(channel);
            }
            let user = channel.mux;
            self.fenced(Some(before), user)?;
        }
        Ok(())
    }

    pub(super) fn farewell(&mut self, id: u32) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        if let Remote::Farewell(left) = &mut channel.remote {
            let count = channel.down.room().min(left.len());
            let bytes: Vec<u8> = left.drain(..count).collect();
            channel.down.write(&bytes);
            if left.is_empty() || channel.down.broken {
                channel.leave();
            }
        }
    }
}

/// The request in what a relay has read, once it is whole.
fn request(received: &[u8]) -> Result<Option<ToHost>, Violation> {
    let mut decoder = FrameDecoder::new(MAX_FRAME_BEFORE_ATTACH);
    decoder.push(received);
    let mut next = || decoder.next_frame().map_err(unfit);
    let (Some(_), Some(request)) = (next()?, next()?) else {
        return Ok(None);
    };
    let (message, _) = ToHost::decode(&request).map_err(unfit)?;
    Ok(Some(message))
}
