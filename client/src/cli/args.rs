//! The command line, as it is typed. The doc comments here are the help.

mod config;
mod doctor;
mod enter;
mod install;
mod invoke;
mod ssh;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outlast_protocol::durability::Durability;
use outlast_protocol::id::InstanceId;
use outlast_protocol::session::{Buffering, IdleTimeout};

pub use self::config::{ConfigArgs, ConfigVerb, ShowArgs};
pub use self::doctor::DoctorArgs;
pub use self::enter::EnterArgs;
pub use self::install::InstallArgs;
pub use self::invoke::InvokeArgs;
pub use self::ssh::{Opener, SshArgs};
use super::duration::{Span, idle_timeout, positive};

/// Remote sessions that outlast the SSH connection.
///
/// A session is a live shell on a host. What runs in it goes on when the connection, this
/// computer or the background process here is lost; connect to it again from anywhere.
///
/// HOST is [user@]host[:port], an alias of the ssh configuration, or `.` for this computer.
/// SESSION is an Id, a Name (globs where several make sense) or an instance ID, of which 8
/// characters will do. Both are lists: comma-separated and repeatable.
///
#[derive(Debug, Parser)]
#[command(
    name = "outlast",
    version,
    verbatim_doc_comment,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub format: Format,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// Form of the results; ndjson is for invoke and receive
    #[arg(long, global = true, value_name = "FORM", default_value = "table")]
    pub output: Form,
    /// Leave out notes and the sessions acted on; losses and errors are still shown
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// One document at the end
    Json,
    /// One event a line, as they come
    Ndjson,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make sessions
    New(NewArgs),
    /// List sessions: this client's, or with HOST all of yours there, made from anywhere
    Get(GetArgs),
    /// Run a command in sessions
    Invoke(InvokeArgs),
    /// Be in a session: its shell on this terminal
    Enter(EnterArgs),
    /// Leave sessions running, free to be connected from elsewhere
    Disconnect(DisconnectArgs),
    /// Take hold of sessions
    Connect(ConnectArgs),
    /// Print the output of a session this client has not received yet
    Receive(ReceiveArgs),
    /// End sessions with everything they run
    Remove(RemoveArgs),
    /// Find what keeps sessions from working on a host, and say what to do about it
    Doctor(DoctorArgs),
    /// Put what hosts need on them, for you or for everybody there
    Install(InstallArgs),
    /// The client's own configuration
    Config(ConfigArgs),
    /// The background process that holds the connections
    Mux(MuxArgs),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print help for a verb, or for `exit-codes` or `config`
    Help {
        /// A verb, or `exit-codes` or `config`
        topic: Option<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  outlast new                       on this computer\n  \
    outlast new web1,web2 -n deploy   one on each, both named deploy"
)]
pub struct NewArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Where; this computer if left out
    #[arg(value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Name, used on each host; Session1, Session2, … if left out
    #[arg(short, long)]
    pub name: Option<String>,
    /// Session configuration, e.g. bash
    #[arg(long, default_value = "", hide_default_value = true)]
    pub configuration: String,
    /// End a session that was disconnected and idle for so long, e.g. 2h or never [default: 7d]
    #[arg(long, value_name = "DUR", value_parser = idle_timeout)]
    pub idle_timeout: Option<IdleTimeout>,
    /// What to do with output nobody receives
    #[arg(long, value_name = "MODE", default_value = "spool")]
    pub buffering: Mode,
    /// Make exactly this session, by the UUID that names it everywhere; asked again, it makes no
    /// second one
    #[arg(long, value_name = "UUID")]
    pub instance_id: Option<InstanceId>,
    /// Make it only where it lives at least so long
    #[arg(long, value_name = "CLASS")]
    pub require_durability: Option<Lasting>,
    /// How long the shell may take to start
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = positive)]
    pub open_timeout: Span,
    /// Work on so many hosts at the same time
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..))]
    pub throttle: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lasting {
    /// Beyond its connection, until the user's last logout
    LastLogout,
    /// Until the computer is restarted
    Boot,
}

impl From<Lasting> for Durability {
    fn from(lasting: Lasting) -> Self {
        match lasting {
            Lasting::LastLogout => Self::LastLogout,
            Lasting::Boot => Self::Boot,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Keep it on the host's disk up to a quota, then drop the oldest
    Spool,
    /// Keep it up to a quota, then make the command wait
    Block,
    /// Keep the latest in memory only
    Drop,
}

impl From<Mode> for Buffering {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Spool => Self::Spool,
            Mode::Block => Self::Block,
            Mode::Drop => Self::Drop,
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  outlast get --state disconnected\n  \
    outlast get web1,web2 --name 'deploy*' --output json")]
pub struct GetArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Look there, for sessions made from anywhere
    #[arg(value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Only sessions with such a name; globs
    #[arg(short, long, value_delimiter = ',')]
    pub name: Vec<String>,
    /// Only sessions with these Ids
    #[arg(long, value_delimiter = ',')]
    pub id: Vec<u32>,
    /// Only sessions with these instance IDs; 8 characters will do
    #[arg(long, value_name = "INSTANCE", value_delimiter = ',', value_parser = instance_prefix)]
    pub instance_id: Vec<String>,
    /// Only sessions in these states, e.g. opened or disconnected
    #[arg(long, value_delimiter = ',', value_parser = state)]
    pub state: Vec<String>,
    /// Show what each runs, for how long already, and how many commands wait behind it
    #[arg(short, long)]
    pub verbose: bool,
    /// Work on so many hosts at the same time
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u16).range(1..))]
    pub throttle: u16,
}

#[derive(Args, Debug)]
pub struct DisconnectArgs {
    /// Which
    #[arg(value_name = "SESSION", value_delimiter = ',', required = true)]
    pub sessions: Vec<String>,
    /// A new idle timeout, e.g. 2h or never
    #[arg(long, value_name = "DUR", value_parser = idle_timeout)]
    pub idle_timeout: Option<IdleTimeout>,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  outlast connect build\n  \
    outlast connect -c web1 1b9d6bcd --steal\n  \
    outlast connect --read-only build")]
pub struct ConnectArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Which
    #[arg(value_name = "SESSION", value_delimiter = ',', required = true)]
    pub sessions: Vec<String>,
    /// Look for them on this host, for sessions made elsewhere
    #[arg(short, long, value_name = "HOST")]
    pub computer_name: Option<String>,
    /// Take them over from whoever holds them
    #[arg(long)]
    pub steal: bool,
    /// Attach only to look: takes them from nobody, and runs nothing in them
    #[arg(short, long, conflicts_with = "steal")]
    pub read_only: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  outlast receive build --follow\n  \
    outlast receive -c web1 1b9d6bcd --from start\n  \
    outlast receive -c web1 build --read-only --follow   reads along with whoever holds it")]
pub struct ReceiveArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Which
    #[arg(value_name = "SESSION")]
    pub session: String,
    /// Look for it on this host, for a session made elsewhere
    #[arg(short, long, value_name = "HOST")]
    pub computer_name: Option<String>,
    /// Stay until the running and waiting commands have ended; exit as the last one did
    #[arg(long)]
    pub follow: bool,
    /// Read along without taking the session: another client may hold it
    #[arg(short, long)]
    pub read_only: bool,
    /// Print again what is kept: from the start, from record SEQ, or the last N records (-N)
    #[arg(long, value_name = "start|SEQ|-N", allow_hyphen_values = true, value_parser = from)]
    pub from: Option<outlast_protocol::link::From>,
    /// Try for so long to get a lost connection back
    #[arg(long, value_name = "DUR", default_value = "10m")]
    pub reconnect_for: Span,
}

#[derive(Args, Debug)]
pub struct RemoveArgs {
    #[command(flatten)]
    pub ssh: SshArgs,
    /// Which
    #[arg(value_name = "SESSION", value_delimiter = ',', required = true)]
    pub sessions: Vec<String>,
    /// Look for them on this host, for sessions made elsewhere
    #[arg(short, long, value_name = "HOST")]
    pub computer_name: Option<String>,
}

#[derive(Args, Debug)]
pub struct MuxArgs {
    #[command(subcommand)]
    pub verb: MuxVerb,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum MuxVerb {
    /// Show what it holds
    Status,
    /// End it; sessions are left running, disconnected
    Stop,
    /// Be it
    #[command(hide = true)]
    Serve,
}

fn instance_prefix(text: &str) -> Result<String, String> {
    if outlast_protocol::id::is_instance_prefix(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an instance ID, or 8 or more of its first characters, is needed".to_owned())
    }
}

const STATES: [&str; 7] = [
    "opening",
    "opened",
    "disconnecting",
    "disconnected",
    "connecting",
    "closed",
    "broken",
];

fn state(text: &str) -> Result<String, String> {
    let state = text.to_ascii_lowercase();
    if STATES.contains(&state.as_str()) {
        Ok(state)
    } else {
        Err(format!("the states are {}", STATES.join(", ")))
    }
}

fn from(text: &str) -> Result<outlast_protocol::link::From, String> {
    use outlast_protocol::id::Seq;
    use outlast_protocol::link::From;
    let number = |digits: &str| digits.parse().map_err(|_| "write start, a number, or -N");
    Ok(match text.strip_prefix('-') {
        _ if text == "start" => From::Start,
        Some(digits) => From::Tail(number(digits)?),
        None => From::Seq(Seq(number(text)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn invoke(words: &[&str]) -> Result<InvokeArgs, clap::Error> {
        let line = ["outlast", "invoke"].iter().chain(words);
        match Cli::try_parse_from(line)?.verb {
            Verb::Invoke(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sessions_are_lists_and_repeat() {
        let args = invoke(&["-s", "1,2", "-s", "web*", "true"]).unwrap();
        assert_eq!(args.session, ["1", "2", "web*"]);
        assert_eq!(args.script.as_deref(), Some("true"));
    }

    #[test]
    fn what_follows_the_dashes_is_left_alone() {
        let args = invoke(&["-s", "1", "--", "ls", "-n", "--", "a b"]).unwrap();
        assert_eq!(args.script, None);
        assert_eq!(args.arguments, ["ls", "-n", "--", "a b"]);
        assert!(!args.no_stdin);
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(invoke(&["true"]).is_err());
        assert!(invoke(&["-s", "1", "-c", "h", "true"]).is_err());
        assert!(invoke(&["-s", "1", "-f", "x", "true"]).is_err());
        assert!(invoke(&["-s", "1", "true", "--", "x"]).is_err());
    }

    #[test]
    fn every_way_to_say_from_where_is_read() {
        use outlast_protocol::{id::Seq, link::From};
        assert_eq!(from("start"), Ok(From::Start));
        assert_eq!(from("12"), Ok(From::Seq(Seq(12))));
        assert_eq!(from("-3"), Ok(From::Tail(3)));
        assert!(from("").is_err() && from("-").is_err() && from("x").is_err());
        assert!(Cli::try_parse_from(["outlast", "receive", "1", "--from", "-3"]).is_ok());
    }
}
