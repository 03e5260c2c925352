//! The command line of `outlast enter`.

use clap::Args;

use super::SshArgs;
use crate::cli::duration::Span;
use crate::terminal::detach::DetachKeys;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  outlast enter build              the session's own shell; what runs there goes on \
    afterwards\n  outlast enter web1               a session on web1 that ends with the visit\n  \
    outlast enter -c web1 1b9d6bcd   a session made elsewhere\n  \
    outlast enter --read-only build  looks on\n\n\
    Ctrl-\\ and then d leaves, also out of a program that hangs; at the begin of a line ~. leaves,\n\
    ~~ sends ~, and ~? says so. `exit` leaves as well. A session that was there before stays.\n\n\
    Exits with 0 when left, with N behind `exit N`, with 255 when the session is lost."
)]
pub struct EnterArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// A session; or a host, for a session that ends with the visit
    #[arg(value_name = "SESSION|HOST", required_unless_present = "computer_name")]
    pub place: Option<String>,
    /// Look for the session on this host; without SESSION, a new one there that ends with the
    /// visit
    #[arg(short, long, value_name = "HOST")]
    pub computer_name: Option<String>,
    /// Take the session over from whoever holds it
    #[arg(long)]
    pub steal: bool,
    /// Only look on, whoever holds the session
    #[arg(short, long, conflicts_with_all = ["steal", "no_wait", "forward_agent"])]
    pub read_only: bool,
    /// Fail if the session is busy, instead of waiting for its turn
    #[arg(long)]
    pub no_wait: bool,
    /// Let the session use the SSH agent of this computer for as long as the visit lasts
    #[arg(short = 'A', long)]
    pub forward_agent: bool,
    /// Keys that leave, e.g. ctrl-p,ctrl-q [default: $OUTLAST_DETACH_KEYS, or ctrl-\,d]
    #[arg(long, value_name = "KEYS")]
    pub detach_keys: Option<DetachKeys>,
    /// Try for so long to get a lost connection back
    #[arg(long, value_name = "DUR", default_value = "10m")]
    pub reconnect_for: Span,
}
