//! The driver of one client's link: the only place that waits on it. What is said and decided
//! there is [`machine`]'s affair.

pub(super) mod machine;
mod outbox;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::limits::MAX_CHUNK;
use rustix::fd::OwnedFd;
use tokio::time::Instant;

use self::machine::Link;
use super::descriptor::Descriptor;
use super::session::Session;
use crate::audit::Login;

/// Time for what is left to say after the conversation is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// A client's two descriptors, and what was read from them before they came to us.
pub(super) struct Passed {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) received: Bytes,
    pub(super) login: Login,
}

/// Serves one client until it leaves, its link dies, or it is no longer wanted.
pub(super) async fn serve(session: Rc<Session>, passed: Passed) {
    let origin = Instant::now();
    let mut link = Link::new(
        session.clone(),
        passed.login,
        Duration::ZERO,
        &passed.received,
    );
    if let Err(error) = talk(&session, &mut link, origin, passed.input, &passed.output).await {
        // A lost link changes nothing but the attachment.
        super::complain(&format!("a link ended: {error}"));
    }
    let mut outbox = link.end();
    session.changed();
    session.ring_life();
    if let Ok(output) = Descriptor::new(passed.output) {
        let farewell = async {
            while !outbox.is_empty() {
                let Ok(count) = output.write(&outbox.slices()).await else {
                    return;
                };
                outbox.written(count);
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

async fn talk(
    session: &Rc<Session>,
    link: &mut Link,
    origin: Instant,
    input: OwnedFd,
    output: &OwnedFd,
) -> std::io::Result<()> {
    let input = Descriptor::new(input)?;
    let output = Descriptor::new(output.try_clone()?)?;
    let mut scratch = Vec::with_capacity(MAX_CHUNK);
    let mut changes = session.subscribe();
    let mut gone = false;
    loop {
        link.fill();
        if link.is_over() || gone {
            return Ok(());
        }
        let deadline = origin + link.poll_timeout();
        tokio::select! {
            read = input.read(&mut scratch) => {
                if read? == 0 {
                    return Ok(());
                }
                link.handle_input(origin.elapsed(), &scratch);
            }
            written = write_some(&output, link), if !link.outbox().is_empty() => {
                link.written(origin.elapsed(), written?);
            }
            () = session.removed() => gone = true,
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = tokio::time::sleep_until(deadline) => {
                link.handle_timeout(origin.elapsed(), input.waiting() > 0)
                    .map_err(|silent| std::io::Error::new(std::io::ErrorKind::TimedOut, silent))?;
            }
        }
    }
}

async fn write_some(output: &Descriptor, link: &Link) -> std::io::Result<usize> {
    output.write(&link.outbox().slices()).await
}
