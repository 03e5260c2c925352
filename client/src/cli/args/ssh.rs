//! The options that `ssh` has too. As there, of two that say the same the first one holds, whether it
//! is `-p`, `-o Port=` or `HOST:PORT`.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use outlast_protocol::control::target::Transport;

/// The options, in the order in which `ssh` would take them. In the arguments of a verb they come
/// first: clap takes every argument out as it reads it, and where the hosts stand matters here.
#[derive(Clone, Debug, Default)]
pub struct SshArgs {
    typed: Typed,
    /// The user and port of a host stand before any option that says another.
    pub user_of_host: bool,
    pub port_of_host: bool,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct Typed {
    /// Port
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// User to log in as
    #[arg(short, long, value_name = "USER")]
    pub login: Option<String>,
    /// Private key file; repeatable
    #[arg(short, long = "identity", value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// ssh configuration file instead of ~/.ssh/config; `none` for no file
    #[arg(short = 'F', long = "config-file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Go through these hosts, the first to be connected to first
    #[arg(short = 'J', long = "jump", value_name = "[USER@]HOST[:PORT],…")]
    pub jump: Option<String>,
    /// Use IPv4 addresses only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Use IPv6 addresses only
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Compress what goes over the connection
    #[arg(short = 'C', long)]
    pub compression: bool,
    /// Option in the form of ssh_config, e.g. -o ConnectTimeout=5; repeatable
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    pub option: Vec<String>,
    /// What opens the connection: `native`, or `openssh` for the system's ssh
    /// [default: as config.toml says, else native]
    #[arg(long, value_name = "TRANSPORT")]
    pub transport: Option<Opener>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Opener {
    /// SSH of outlast's own
    Native,
    /// The system's ssh: for GSSAPI, PKCS#11, and whatever else only it can do
    Openssh,
}

impl From<Opener> for Transport {
    fn from(opener: Opener) -> Self {
        match opener {
            Opener::Native => Self::Native,
            Opener::Openssh => Self::OpenSsh,
        }
    }
}

impl SshArgs {
    /// What the options say that have a keyword of ssh_config, in its form.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let jump = self.jump.iter().map(|jump| format!("ProxyJump={jump}"));
        let flags = [
            (self.ipv4, "AddressFamily=inet"),
            (self.ipv6, "AddressFamily=inet6"),
            (self.compression, "Compression=yes"),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set);
        let flags = flags.map(|(_, option)| option.to_owned());
        jump.chain(flags)
            .chain(self.option.iter().cloned())
            .collect()
    }
}

/// What hosts are named by, in one verb or another.
const HOSTS: [&str; 3] = ["hosts", "computer_name", "place"];

impl SshArgs {
    /// Leaves out what stands behind something that says the same, as `ssh` does.
    fn new(mut typed: Typed, matches: &ArgMatches) -> Self {
        let positions = Positions::of(&typed, matches);
        let (port, user) = (positions.says("port"), positions.says("user"));
        if is_before(port, positions.first("port")) {
            typed.port = None;
        }
        if is_before(user, positions.first("login")) {
            typed.login = None;
        }
        let hosts = HOSTS.iter().filter_map(|id| positions.first(id)).min();
        let others = |option: Option<usize>, short| option.into_iter().chain(short).min();
        let user_of_host = hosts < others(user, positions.first("login")) && hosts.is_some();
        let port_of_host = hosts < others(port, positions.first("port")) && hosts.is_some();
        positions.order_identities(&mut typed);
        Self {
            typed,
            user_of_host,
            port_of_host,
        }
    }
}

/// Where on the command line what stands.
struct Positions<'a> {
    matches: &'a ArgMatches,
    /// Every `-o`, with its keyword.
    options: Vec<(usize, String)>,
}

impl<'a> Positions<'a> {
    fn of(typed: &Typed, matches: &'a ArgMatches) -> Self {
        let indices = matches.indices_of("option").into_iter().flatten();
        let keywords = typed.option.iter().map(|option| keyword(option));
        Self {
            matches,
            options: indices.zip(keywords).collect(),
        }
    }

    /// The first place of an argument that was typed. Of one that this verb does not have, none.
    fn first(&self, id: &str) -> Option<usize> {
        let is_typed = self.matches.ids().any(|known| known.as_str() == id)
            && self.matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine);
        is_typed.then(|| self.matches.index_of(id)).flatten()
    }

    /// The first `-o` with that keyword.
    fn says(&self, wanted: &str) -> Option<usize> {
        let mut options = self.options.iter();
        options
            .find(|(_, keyword)| keyword == wanted)
            .map(|(index, _)| *index)
    }

    /// Where `-i` and `-o IdentityFile=` are mixed, all become the latter, in their order.
    fn order_identities(&self, typed: &mut Typed) {
        let quoted: Option<Vec<String>> = typed.identity.iter().map(|path| quoted(path)).collect();
        let (Some(_), Some(quoted)) = (self.says("identityfile"), quoted) else {
            return;
        };
        let indices = self.matches.indices_of("identity").into_iter().flatten();
        let options = std::mem::take(&mut typed.option).into_iter();
        let places = self.options.iter().map(|(index, _)| *index);
        let mut all: Vec<(usize, String)> = indices.zip(quoted).collect();
        all.extend(places.zip(options));
        all.sort_by_key(|(index, _)| *index);
        typed.identity.clear();
        typed.option = all.into_iter().map(|(_, option)| option).collect();
    }
}

fn keyword(option: &str) -> String {
    let option = option.trim_start();
    let end = option.find(['=', ' ', '\t']).unwrap_or(option.len());
    option.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// `IdentityFile`, for a file whose name can stand in quotes.
fn quoted(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    let text = whole.to_str().filter(|text| !text.contains(['"', '\\']))?;
    Some(format!("IdentityFile=\"{text}\""))
}

fn is_before(one: Option<usize>, other: Option<usize>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one < other)
}

impl FromArgMatches for SshArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self::new(Typed::from_arg_matches(matches)?, matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SshArgs {
    fn augment_args(command: Command) -> Command {
        Typed::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Typed::augment_args_for_update(command)
    }
}

impl Deref for SshArgs {
    type Target = Typed;

    fn deref(&self) -> &Typed {
        &self.typed
    }
}

impl DerefMut for SshArgs {
    fn deref_mut(&mut self) -> &mut Typed {
        &mut self.typed
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Verb};

    #[test]
    fn options_of_ssh_have_their_short_names() {
        let words = [
            "outlast", "new", "web", "-J", "a,b", "-6", "-C", "-o", "Port=4",
        ];
        let Verb::New(args) = Cli::try_parse_from(words).unwrap().verb else {
            panic!()
        };
        let expected = [
            "ProxyJump=a,b",
            "AddressFamily=inet6",
            "Compression=yes",
            "Port=4",
        ];
        assert_eq!(args.ssh.options(), expected);
        assert!(Cli::try_parse_from(["outlast", "new", "web", "-4", "-6"]).is_err());
    }

    /// Whatever a verb calls its hosts.
    #[test]
    fn of_every_verb_it_is_known_where_its_hosts_stand() {
        for line in [
            "new {}",
            "get {}",
            "doctor {}",
            "enter {}",
            "enter job -c {}",
            "invoke -c {} -- true",
            "connect job -c {}",
            "receive job -c {}",
            "remove job -c {}",
        ] {
            for with in ["ada@web -o User=eve", "ada@web -l eve"] {
                let (host, option) = with.split_once(' ').unwrap();
                let before = format!("{option} {host}");
                let read = |hosts: &str| {
                    let line = format!("outlast {}", line.replace("{}", hosts));
                    ssh_of(Cli::try_parse_from(line.split(' ')).unwrap().verb)
                };
                assert!(read(with).user_of_host, "{line}");
                // `-c` takes what follows it, so the options come before it.
                if !line.contains("-c {}") {
                    assert!(!read(&before).user_of_host, "{line}");
                }
            }
        }
    }

    fn ssh_of(verb: Verb) -> SshArgs {
        match verb {
            Verb::New(args) => args.ssh,
            Verb::Get(args) => args.ssh,
            Verb::Doctor(args) => args.ssh,
            Verb::Enter(args) => args.ssh,
            Verb::Invoke(args) => args.ssh,
            Verb::Connect(args) => args.ssh,
            Verb::Receive(args) => args.ssh,
            Verb::Remove(args) => args.ssh,
            other => panic!("{other:?}"),
        }
    }
}
