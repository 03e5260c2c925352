//! One channel and the program behind it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// Starts the program with a pipe on each descriptor, as sshd does. It is not killed when dropped:
/// a program survives its connection, or not, by its own doing.
pub(super) fn spawn(mut command: Command) -> std::io::Result<Child> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Carries bytes both ways until the program has ended, or the channel.
pub(super) async fn carry(channel: Channel<Msg>, mut child: Child) {
    let (incoming, outgoing) = channel.split();
    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = async {
        let (out, err) = tokio::join!(
            send(&outgoing, None, stdout),
            // SSH's extended data type for stderr.
            send(&outgoing, Some(1), stderr),
        );
        out.and(err)
    };
    // A lost connection shows as the end of the incoming half only: a writer that waits for its
    // window to open would wait for ever, and the program's stdout would stay open with it.
    let went = tokio::select! {
        went = output => went,
        () = receive(incoming, stdin) => return reap(child).await,
    };
    if went.is_ok()
        && let Ok(status) = child.wait().await
    {
        let _ = outgoing.exit_status(code(status)).await;
        let _ = outgoing.eof().await;
    }
    let _ = outgoing.close().await;
}

async fn send(
    outgoing: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
    pipe: Option<impl AsyncRead + Unpin>,
) -> Result<(), russh::Error> {
    match (pipe, extended) {
        (None, _) => Ok(()),
        (Some(pipe), None) => outgoing.data(pipe).await,
        (Some(pipe), Some(code)) => outgoing.extended_data(code, pipe).await,
    }
}

/// Ends with the channel, not with its EOF: output may still come.
async fn receive(mut incoming: ChannelReadHalf, stdin: Option<ChildStdin>) {
    // Without a limit, on purpose: russh stalls the whole connection for one channel that is not
    // read, and a program that waits for its stdout to be read would then wait for ever. Outlast's
    // own credit bounds what its client sends ahead.
    let (queue, queued) = mpsc::unbounded_channel();
    tokio::spawn(feed(stdin, queued));
    let mut queue = Some(queue);
    while let Some(message) = incoming.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(queue) = &queue {
                    // A program that has closed its stdin loses what comes after, as everywhere.
                    let _ = queue.send(data);
                }
            }
            ChannelMsg::Eof => queue = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Writes what is queued; the pipe closes with the queue.
async fn feed<B: AsRef<[u8]>>(stdin: Option<ChildStdin>, mut queued: mpsc::UnboundedReceiver<B>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = queued.recv().await {
        if stdin.write_all(bytes.as_ref()).await.is_err() {
            return;
        }
    }
}

/// The connection is gone and the program has been told by EOF; its end is waited for so that no
/// zombie stays.
async fn reap(mut child: Child) {
    let _ = child.wait().await;
}

/// As a shell puts it; the demo's programs do not die of signals.
fn code(status: ExitStatus) -> u32 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u32::try_from(code).ok())
        .unwrap_or(255)
}
