//! Moving bytes between an invocation's pipes and the session.

use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::InvocationId;
use outlast_protocol::limits::MAX_CHUNK;
use outlast_protocol::record::Stream;
use rustix::fd::OwnedFd;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::course::NextInput;
use super::descriptor::Descriptor;
use super::progress::Wait;
use super::session::Session;

/// A task that records what comes out of one pipe, until the last writer is gone.
pub(super) struct Drain {
    settle: Option<oneshot::Sender<oneshot::Sender<()>>>,
}

impl Drain {
    pub(super) fn start(
        session: &Rc<Session>,
        invocation: InvocationId,
        stream: Stream,
        fd: OwnedFd,
    ) -> std::io::Result<Self> {
        let pipe = Descriptor::new(fd)?;
        let (settle, settling) = oneshot::channel();
        let session = session.clone();
        tokio::task::spawn_local(drain(session, invocation, stream, pipe, settling));
        Ok(Self {
            settle: Some(settle),
        })
    }

    /// Waits until everything written before now is recorded. The command is over then; what
    /// its background children write later still follows.
    pub(super) async fn settle(&mut self) {
        let Some(settle) = self.settle.take() else {
            return;
        };
        let (done, settled) = oneshot::channel();
        if settle.send(done).is_ok() {
            let _ = settled.await;
        }
    }
}

async fn drain(
    session: Rc<Session>,
    invocation: InvocationId,
    stream: Stream,
    pipe: Descriptor,
    mut settling: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let mut scratch = Vec::with_capacity(MAX_CHUNK);
    let mut settled = false;
    loop {
        unblocked(&session, invocation).await;
        let read = tokio::select! {
            read = pipe.read(&mut scratch) => read,
            done = &mut settling, if !settled => {
                settled = true;
                if let Ok(done) = done {
                    let ended = catch_up(&session, invocation, stream, &pipe, &mut scratch).await;
                    let _ = done.send(());
                    if ended {
                        return;
                    }
                }
                continue;
            }
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(_) => keep(&session, invocation, stream, &scratch),
        }
    }
}

/// Records what is in the pipe now, and no more: a background child may write for ever. Returns
/// whether the pipe is at its end.
async fn catch_up(
    session: &Session,
    invocation: InvocationId,
    stream: Stream,
    pipe: &Descriptor,
    scratch: &mut Vec<u8>,
) -> bool {
    let mut left = pipe.waiting();
    while left > 0 {
        unblocked(session, invocation).await;
        match pipe.try_read(scratch) {
            Ok(Some(0)) | Err(_) => return true,
            Ok(None) => return false,
            Ok(Some(count)) => {
                left = left.saturating_sub(count as u64);
                keep(session, invocation, stream, scratch);
            }
        }
    }
    false
}

fn keep(session: &Session, invocation: InvocationId, stream: Stream, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    session.output(invocation, stream, bytes);
}

/// Waits while the invocation's output must wait for a reader.
async fn unblocked(session: &Session, invocation: InvocationId) {
    let mut changes = session.subscribe();
    loop {
        let wait = session.core().wait(invocation);
        let changed = match wait {
            Wait::No => return,
            Wait::ForReader => changes.changed().await,
            Wait::AtMost(left) => match tokio::time::timeout(left, changes.changed()).await {
                Ok(changed) => changed,
                // It stands still now.
                Err(_) => continue,
            },
        };
        if changed.is_err() {
            return;
        }
    }
}

/// A task that feeds a command's standard input.
pub(super) struct Feed {
    task: JoinHandle<()>,
}

impl Feed {
    pub(super) fn start(
        session: &Rc<Session>,
        invocation: InvocationId,
        fd: OwnedFd,
    ) -> std::io::Result<Self> {
        let pipe = Descriptor::new(fd)?;
        let task = tokio::task::spawn_local(feed(session.clone(), invocation, pipe));
        Ok(Self { task })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn feed(session: Rc<Session>, invocation: InvocationId, pipe: Descriptor) {
    loop {
        let bytes = match session.next_input(invocation) {
            NextInput::Bytes(bytes) => bytes,
            NextInput::End => return,
            NextInput::Later => {
                tokio::select! {
                    () = session.input() => continue,
                    () = pipe.reader_gone() => return session.input_closed(invocation),
                }
            }
        };
        match pipe.write(&[std::io::IoSlice::new(&bytes)]).await {
            Ok(count) => session.input_taken(invocation, count),
            // The command closed its standard input or is over.
            Err(_) => return session.input_closed(invocation),
        }
    }
}
