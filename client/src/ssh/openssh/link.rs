//! One link: an `ssh` that hands its streams to a master, and one socket at their other end.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};

/// What is kept of a standard error.
const MAX_STDERR: u64 = 64 * 1024;
/// How long the other end may take to close after our end of stream.
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// Whoever sees the end of the stream should find there how it came.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// What an ssh that will not serve may take to end: it has nothing to wait for.
const ENDING: Duration = Duration::from_secs(2);
/// What ssh exits with for reasons of its own.
const OWN_REASONS: i32 = 255;

/// How an ssh ended, and what it had said by then.
#[derive(Clone, Debug)]
struct Ended {
    status: Option<ExitStatus>,
    stderr: String,
}

type Ending = watch::Receiver<Option<Ended>>;

/// Outlives its link: what the other end said on its standard error, and how it ended.
#[derive(Clone)]
pub struct MasterWords {
    ending: Ending,
}

impl MasterWords {
    /// The status that the command ended with, if it is known.
    pub fn status(&self) -> Option<u32> {
        let ended = self.ending.borrow().clone()?;
        u32::try_from(ended.status?.code()?).ok()
    }

    /// In words; empty if there is nothing to tell yet.
    pub fn text(&self) -> String {
        use std::os::unix::process::ExitStatusExt;
        let Some(ended) = self.ending.borrow().clone() else {
            return String::new();
        };
        let mut text = ended.stderr.trim().to_owned();
        let how = match ended.status.map(|status| (status.code(), status.signal())) {
            Some((Some(code), _)) => format!("it ended with status {code}"),
            Some((None, Some(signal))) => format!("its ssh was killed by signal {signal}"),
            _ => return text,
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text + &how
    }
}

/// A channel as a stream. Its drop sends the end of the stream and lets the other side close.
pub struct MasterLink {
    stream: UnixStream,
    /// Read already.
    first: Vec<u8>,
    ending: Ending,
    /// The command is run, in place of the subsystem.
    in_place: bool,
    /// Behind the end of the stream: what waits for the end of its ssh.
    last: Last,
    /// Its drop tells the task that nobody reads any more.
    _alive: oneshot::Sender<()>,
}

enum Last {
    NotYet,
    Soon(Pin<Box<dyn Future<Output = ()> + Send>>),
    Known,
}

impl Last {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Soon(waiting) = self {
            std::task::ready!(waiting.as_mut().poll(cx));
            *self = Self::Known;
        }
        Poll::Ready(())
    }
}

/// What became of an ssh that was to open a link.
pub(super) enum Opened {
    /// The other end speaks, or has ended for reasons of its own.
    Link(MasterLink),
    /// The other end has said nothing yet.
    Silent(MasterLink),
    /// The server does not know what was asked for.
    Refused,
    /// The server grants no further channel.
    ChannelRefused(String),
    /// The master is gone.
    Lost(String),
}

impl MasterLink {
    /// Starts it, and waits for the first byte.
    pub(super) async fn open(mut call: Command, patience: Duration) -> io::Result<Opened> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let input = theirs.try_clone()?;
        call.stdin(Stdio::from(OwnedFd::from(input)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped());
        let child = call.spawn()?;
        // Our copies of the other end would hide its end.
        drop(call);
        let (tell, ending) = watch::channel(None);
        let (alive, abandoned) = oneshot::channel();
        tokio::spawn(attend(child, tell, abandoned));
        let mut link = Self {
            stream: UnixStream::from_std(ours)?,
            first: Vec::new(),
            ending,
            in_place: false,
            last: Last::NotYet,
            _alive: alive,
        };
        match tokio::time::timeout(patience, link.hear()).await {
            Ok(heard) => heard?,
            Err(_) => return Ok(Opened::Silent(link)),
        }
        if !link.first.is_empty() {
            return Ok(Opened::Link(link));
        }
        let mut ending = link.ending.clone();
        let ended = ending.wait_for(Option::is_some);
        let ended = match tokio::time::timeout(ENDING, ended).await {
            Ok(Ok(ended)) => ended.clone(),
            _ => None,
        };
        Ok(match ended {
            Some(ended) if ended.status.and_then(|it| it.code()) == Some(OWN_REASONS) => {
                refusal(&ended.stderr).unwrap_or(Opened::Link(link))
            }
            _ => Opened::Link(link),
        })
    }

    /// Waits for the first bytes; they may be none.
    async fn hear(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut piece) {
                Ok(count) => {
                    self.first
                        .extend_from_slice(piece.get(..count).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The same, `in_place` or not.
    pub(super) fn with(self, in_place: bool) -> Self {
        Self { in_place, ..self }
    }

    /// Whether there was no subsystem, and the command runs in its place.
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// What the other end says besides its output, for when the link itself is elsewhere.
    pub fn last_words(&self) -> MasterWords {
        MasterWords {
            ending: self.ending.clone(),
        }
    }
}

/// Why an ssh ended of its own without a byte; none if that is not known.
fn refusal(stderr: &str) -> Option<Opened> {
    // A request that is refused ends it without a word.
    if stderr.trim().is_empty() || stderr.contains("request failed on channel") {
        return Some(Opened::Refused);
    }
    let mut lines = stderr.lines().map(str::trim);
    if let Some(line) = lines.find(|line| line.contains("session request failed")) {
        let reason = line.rsplit(": ").next().unwrap_or(line);
        return Some(Opened::ChannelRefused(reason.to_owned()));
    }
    // It found no master, and was not allowed to dial.
    let dialled = [
        "Control socket",
        "UNKNOWN port",
        "kex_exchange",
        "muxclient",
        "mux_client",
    ];
    let lost = dialled.iter().any(|words| stderr.contains(words));
    lost.then(|| Opened::Lost("its ssh has ended".to_owned()))
}

/// Waits for the end of an ssh, and sees to it once nobody needs it any more.
async fn attend(
    mut child: Child,
    tell: watch::Sender<Option<Ended>>,
    abandoned: oneshot::Receiver<()>,
) {
    let stderr = child.stderr.take();
    let reading = async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            // The pipe closes with this: whoever writes more than that is not read.
            let _ = stderr.take(MAX_STDERR).read_to_end(&mut said).await;
        }
        String::from_utf8_lossy(&said).into_owned()
    };
    let ending = async {
        let (stderr, status) = tokio::join!(reading, child.wait());
        let status = status.ok();
        tell.send_replace(Some(Ended { status, stderr }));
    };
    tokio::select! {
        () = ending => {}
        () = overdue(abandoned) => {}
    }
    // Dropped, it is killed: the master takes that for the end of the channel.
}

async fn overdue(abandoned: oneshot::Receiver<()>) {
    // An error is what is waited for: the link is gone.
    let _ = abandoned.await;
    tokio::time::sleep(CLOSE_GRACE).await;
}

impl AsyncRead for MasterLink {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let count = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first.drain(..count).collect::<Vec<_>>());
            return Poll::Ready(Ok(()));
        }
        if !matches!(this.last, Last::NotYet) {
            return this.last.poll(cx).map(Ok);
        }
        let before = buf.filled().len();
        let read = match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Poll::Ready(read) => read,
            Poll::Pending => return Poll::Pending,
        };
        if read.is_err() || buf.filled().len() > before || buf.remaining() == 0 {
            return Poll::Ready(read);
        }
        // The end: how it came is known in a moment.
        let mut ending = this.ending.clone();
        this.last = Last::Soon(Box::pin(async move {
            let ended = ending.wait_for(Option::is_some);
            let _ = tokio::time::timeout(EXIT_GRACE, ended).await;
        }));
        this.last.poll(cx).map(Ok)
    }
}

impl AsyncWrite for MasterLink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
