//! Serves the channel behind a link: always takes what comes, sends what is there, closes politely.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::link::{InboundEnd, RemoteExit, Shared};

const MAX_STDERR: usize = 64 * 1024;
/// The exit status comes right after the end of the output; a reader that sees the end should find
/// the status there. A command that only closed its output has none to wait for.
const EXIT_STATUS_GRACE: Duration = Duration::from_millis(500);
/// How long the remote side may take to close after our end of stream. Closing first leaks the
/// channel in russh 0.65 (about 3 KB for the life of the connection), so it is the last resort.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

const STDERR: u32 = 1;

pub(super) async fn serve(
    shared: Arc<Shared>,
    read_half: ChannelReadHalf,
    write_half: Arc<ChannelWriteHalf<Msg>>,
    replies: mpsc::UnboundedSender<bool>,
    abandoned: oneshot::Receiver<()>,
) {
    let end = tokio::select! {
        end = receive(&shared, read_half, replies) => end,
        () = send(&shared, &write_half) => InboundEnd::Lost,
        () = overdue(abandoned) => {
            // An error means that the connection is gone, and the channel with it.
            let _ = write_half.close().await;
            InboundEnd::Closed
        }
    };
    let mut state = shared.state();
    state.inbound_end.get_or_insert(end);
    state.outbound.clear();
    state.is_sending = false;
    state.wake_reader();
    state.wake_writer();
}

async fn overdue(abandoned: oneshot::Receiver<()>) {
    // Resolves with an error when the link is dropped, which is the message.
    let _ = abandoned.await;
    sleep(CLOSE_GRACE).await;
}

async fn receive(
    shared: &Shared,
    mut read_half: ChannelReadHalf,
    replies: mpsc::UnboundedSender<bool>,
) -> InboundEnd {
    let mut end = InboundEnd::Lost;
    let mut end_due: Option<Instant> = None;
    loop {
        let message = match end_due {
            None => read_half.wait().await,
            Some(due) => match timeout_at(due, read_half.wait()).await {
                Ok(message) => message,
                Err(_) => {
                    end_due = None;
                    let mut state = shared.state();
                    state.inbound_end = Some(InboundEnd::Closed);
                    state.wake_reader();
                    continue;
                }
            },
        };
        match message {
            Some(ChannelMsg::Data { data }) => push(shared, data),
            Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => keep_stderr(shared, &data),
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                shared.state().diagnostics.exit = Some(RemoteExit::Status(exit_status));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                let name = format!("{signal_name:?}");
                shared.state().diagnostics.exit = Some(RemoteExit::Signal(name));
            }
            // Whoever waits for the reply may have given up.
            Some(ChannelMsg::Success) => drop(replies.send(true)),
            Some(ChannelMsg::Failure) => drop(replies.send(false)),
            Some(ChannelMsg::Eof) => {
                end = InboundEnd::Closed;
                end_due = Some(Instant::now() + EXIT_STATUS_GRACE);
            }
            Some(ChannelMsg::Close) => return InboundEnd::Closed,
            Some(_) => {}
            None => return end,
        }
    }
}

fn push(shared: &Shared, data: Bytes) {
    let mut state = shared.state();
    if !state.abandoned && !data.is_empty() {
        state.inbound.push_back(data);
        state.wake_reader();
    }
}

fn keep_stderr(shared: &Shared, data: &[u8]) {
    let diagnostics = &mut shared.state().diagnostics;
    let room = MAX_STDERR.saturating_sub(diagnostics.stderr.len());
    diagnostics.stderr.extend(data.iter().take(room));
    diagnostics.stderr_truncated |= data.len() > room;
}

/// Ends only when the connection is gone.
async fn send(shared: &Shared, write_half: &ChannelWriteHalf<Msg>) {
    loop {
        let (bytes, is_last) = {
            let mut state = shared.state();
            let bytes = state.outbound.split().freeze();
            state.is_sending = !bytes.is_empty();
            if state.is_sending {
                // There is room again.
                state.wake_writer();
            }
            (bytes, state.shutdown && !state.eof_sent)
        };
        if !bytes.is_empty() {
            // Waits for the window and for the connection's queue: this is the back-pressure.
            if write_half.data_bytes(bytes).await.is_err() {
                return;
            }
            let mut state = shared.state();
            state.is_sending = false;
            state.wake_writer();
        } else if is_last {
            if write_half.eof().await.is_err() {
                return;
            }
            let mut state = shared.state();
            state.eof_sent = true;
            state.wake_writer();
        } else {
            shared.outbound.notified().await;
        }
    }
}
