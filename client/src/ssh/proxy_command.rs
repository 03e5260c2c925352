//! A `ProxyCommand`: a child whose standard input and output lead to the host.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::config::{HostConfig, existing};

/// Its standard error stays ours, as in ssh: that is where it explains itself.
pub(super) struct ProxyCommandStream {
    input: ChildStdin,
    output: ChildStdout,
    /// Ends with the stream.
    _child: Child,
}

impl ProxyCommandStream {
    pub(super) fn start(config: &HostConfig, command: &str) -> io::Result<Self> {
        let mut child = Command::new(&config.shell)
            .arg("-c")
            // As ssh does: without `exec` the shell would stay between us and the proxy.
            .arg(format!("exec {command}"))
            // It is the caller's: the mux may have been started from anywhere.
            .env_clear()
            .envs(&config.surroundings.variables)
            .current_dir(existing(&config.surroundings.directory))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self {
                input,
                output,
                _child: child,
            }),
            _ => Err(io::Error::other("the proxy command has no pipes")),
        }
    }
}

impl AsyncRead for ProxyCommandStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProxyCommandStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
