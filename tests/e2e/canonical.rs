//! `CanonicalizeHostname` and its like, with a real resolver: the names are those of a name server of
//! the test's own, in a mount namespace whose `/etc/resolv.conf` names it. ssh itself does the same
//! there, and has to come to the same host.

mod name_server;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use name_server::Record;
use outlast_tests::{ClientMachine, Output, Running, Sshd, binaries};
use serde_json::Value;

/// A computer that resolves names in its own way.
struct World {
    machine: ClientMachine,
    files: tempfile::TempDir,
}

/// None where that is not possible here.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn world(sshd: &Sshd) -> Option<World> {
    if !sshd.hides_real_home() {
        eprintln!("not checked: no mount namespace here");
        return None;
    }
    let names = BTreeMap::from([
        ("web.one.test", Record::Here),
        ("a.b.one.test", Record::Here),
        ("db.two.test", Record::Here),
        ("alias.one.test", Record::Alias("db.two.test")),
        ("stray.one.test", Record::Alias("outside.test")),
        ("outside.test", Record::Here),
        ("bare", Record::Here),
    ]);
    let address = match name_server::start(names) {
        Ok(address) => address,
        Err(error) => {
            eprintln!("not checked: no name server on port 53 here: {error}");
            return None;
        }
    };
    let files = tempfile::tempdir().unwrap();
    let resolver = format!("nameserver {address}\noptions timeout:5 attempts:2\n");
    for (name, text) in [
        ("resolv.conf", resolver.as_str()),
        ("hosts", "127.0.0.1 localhost\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        ),
    ] {
        fs::write(files.path().join(name), text).unwrap();
    }
    Some(World {
        machine: ClientMachine::new(),
        files,
    })
}

const ENTER: &str = r#"
cd "$1"
for file in *; do
  [ -e "/etc/$file" ] || touch "/etc/$file"
  mount --bind "$file" "/etc/$file"
done
shift
exec "$@"
"#;

impl World {
    fn run(&self, inside: &Command) -> Output {
        let mut command = self.machine.command(Path::new("unshare"), &[""; 0]);
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-ec",
                ENTER,
                "sh",
            ])
            .arg(self.files.path())
            .arg(inside.get_program())
            .args(inside.get_args());
        let mut running = Running::start(&mut command);
        running.close_stdin();
        running.wait()
    }

    fn outlast(&self, args: &[&str]) -> Output {
        // ssh, which is asked for the name, would look into the account's own file.
        let config = self.machine.config();
        let with = [&args[..1], &["-F", config.to_str().unwrap()], &args[1..]].concat();
        let output = self.run(&self.machine.command(&binaries::outlast(), &with));
        output.no_panic();
        output
    }

    /// The host and port that ssh would connect to.
    fn theirs(&self, host: &str) -> Result<(String, String), String> {
        let output = self.run(&self.machine.ssh(&["-G", host]));
        let text = output.stdout_text();
        let value = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.to_owned()))
        };
        let found = value("hostname ").zip(value("port "));
        found.ok_or_else(|| output.stderr_text())
    }

    /// The ones that we would.
    fn ours(&self, host: &str) -> Result<(String, String), String> {
        let output = self.outlast(&["doctor", host, "--output", "json"]);
        let report = output.json();
        let finding = &report[0]["findings"][0];
        assert_eq!(finding["layer"], "configuration", "{output}");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let values = &finding["values"];
        let found = text(&values["host"]).zip(text(&values["port"]));
        found.ok_or_else(|| finding["text"].to_string())
    }
}

/// Behind the lines of each case: what only a canonical name gets.
const BLOCKS: &str = "\
Host *.one.test
  Port 1001
Match canonical host *.two.test
  Port 1002
Host web bare a.b
  Port 1003
";

/// Lines of a configuration, a host, and where it leads.
const CASES: &[(&str, &str, &str)] = &[
    ("CanonicalDomains one.test", "web", "web.one.test:1003"),
    (
        "CanonicalDomains one.test two.test",
        "db",
        "db.two.test:1002",
    ),
    (
        "CanonicalDomains two.test one.test",
        "WEB",
        "web.one.test:1001",
    ),
    (
        "CanonicalDomains one.test",
        "web.one.test",
        "web.one.test:1001",
    ),
    (
        "CanonicalDomains one.test",
        "web.one.test.",
        "web.one.test:1001",
    ),
    // As many dots as are allowed.
    ("CanonicalDomains one.test", "a.b", "a.b.one.test:1003"),
    (
        "CanonicalDomains one.test\n  CanonicalizeMaxDots 0",
        "a.b",
        "a.b:1003",
    ),
    // What no domain has.
    ("CanonicalDomains one.test", "bare", "bare:1003"),
    ("CanonicalDomains one.test", "nowhere", "nowhere:22"),
    (
        "CanonicalDomains one.test\n  CanonicalizeFallbackLocal no",
        "nowhere",
        "refused",
    ),
    // Names that are others.
    ("CanonicalDomains one.test", "alias", "alias.one.test:1001"),
    (
        "CanonicalDomains one.test\n  CanonicalizePermittedCNAMEs *.one.test:*.two.test",
        "alias",
        "db.two.test:1002",
    ),
    (
        "CanonicalDomains one.test\n  CanonicalizePermittedCNAMEs *.one.test:*.two.test",
        "stray",
        "stray.one.test:1001",
    ),
    (
        "CanonicalDomains one.test\n  CanonicalizePermittedCNAMEs none",
        "alias",
        "alias.one.test:1001",
    ),
    // Behind a jump host it is the jump host that resolves, unless it is to be always.
    (
        "CanonicalDomains one.test\n  ProxyJump gate",
        "web",
        "web:1003",
    ),
    (
        "CanonicalizeHostname always\n  CanonicalDomains one.test\n  ProxyJump gate",
        "web",
        "web.one.test:1003",
    ),
    // Nothing is completed where that is not wanted.
    (
        "CanonicalizeHostname no\n  CanonicalDomains one.test",
        "web",
        "web:1003",
    ),
];

#[test]
fn a_name_leads_where_it_leads_ssh() {
    let sshd = Sshd::start();
    let Some(world) = world(&sshd) else { return };
    for (lines, host, expected) in CASES {
        let text = format!("{BLOCKS}Host * !gate\n  {lines}\n  CanonicalizeHostname yes\n");
        fs::write(world.machine.config(), text).unwrap();
        let (theirs, ours) = (world.theirs(host), world.ours(host));
        let led = |found: &Result<(String, String), String>| match found {
            Ok((host, port)) => format!("{host}:{port}"),
            Err(_) => "refused".to_owned(),
        };
        let context = format!("{lines}\n{host}: {theirs:?} {ours:?}");
        assert_eq!(led(&theirs), *expected, "ssh: {context}");
        assert_eq!(led(&ours), *expected, "outlast: {context}");
    }
}

#[test]
fn a_session_is_made_on_the_host_that_a_short_name_means() {
    let sshd = Sshd::start();
    let Some(world) = world(&sshd) else { return };
    let machine = &world.machine;
    machine.host("*.one.test", &sshd).add();
    let port = sshd.address().port();
    let key = sshd.known_hosts_line(sshd.address());
    let (_, key) = key.split_once(' ').unwrap();
    machine.trust(&format!("[web.one.test]:{port} {key}"));
    // The block of `add` has the address as its HostName: it is the names that are to be resolved.
    let config = fs::read_to_string(machine.config()).unwrap();
    let config = config.replace("  HostName 127.0.0.1\n", "");
    fs::write(machine.config(), config).unwrap();
    machine.configure("CanonicalizeHostname yes\nCanonicalDomains two.test one.test");
    let script = "echo ${SSH_CONNECTION##* }";
    let said = world.outlast(&["invoke", "-n", "-c", "web", script]);
    said.success().stdout_is(&format!("{port}\n"));
    // A name that nobody knows is told by the layer.
    let lost = world.outlast(&["new", "nowhere"]);
    lost.code(255).stderr_has("nowhere");
}
