//! The size of the user's terminal.

use outlast_protocol::link::TerminalSize;
use rustix::termios::tcgetwinsize;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Its size now; none where standard output and input are no terminal.
#[must_use]
pub fn now() -> Option<TerminalSize> {
    let size = tcgetwinsize(rustix::stdio::stdout()).or(tcgetwinsize(rustix::stdio::stdin()));
    let size = size.ok()?;
    Some(TerminalSize {
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

/// Tells when it changes.
#[derive(Debug)]
pub struct Changes {
    signal: Signal,
}

impl Changes {
    /// From now on.
    pub fn follow() -> std::io::Result<Self> {
        signal(SignalKind::window_change()).map(|signal| Self { signal })
    }

    /// Its size when it changes next. Cancel-safe.
    pub async fn next(&mut self) -> TerminalSize {
        loop {
            if self.signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            if let Some(size) = now() {
                return size;
            }
        }
    }
}
