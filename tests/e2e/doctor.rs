//! `doctor`: for every layer a computer on which exactly that one is broken.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use outlast_protocol::hello::{Hello, MAGIC};
use outlast_protocol::limits::MAX_FRAME;
use outlast_protocol::link::to_client::ToClient;
use outlast_tests::{ClientMachine, Sshd, Subsystem};
use serde_json::Value;

use crate::disk_full::Disk;
use crate::stage::{only, run};

/// What doctor finds on a computer, as JSON.
struct Examined {
    findings: Vec<Value>,
    shown: String,
}

impl Examined {
    fn of(machine: &ClientMachine, args: &[&str], code: i32) -> Self {
        let output = run(machine, &[&["doctor", "--output", "json"], args].concat());
        output.code(code);
        let computer = only(&output.json());
        let findings = computer["findings"].as_array().unwrap().clone();
        let shown = format!("{output}");
        Self { findings, shown }
    }

    /// The host `server`, on which sessions can live.
    fn works(sshd: &Sshd) -> Self {
        Self::of(&ClientMachine::knowing("server", sshd), &["server"], 0)
    }

    /// The host `server`, on which they cannot.
    fn broken(sshd: &Sshd) -> Self {
        Self::of(&ClientMachine::knowing("server", sshd), &["server"], 255)
    }

    fn layers(&self) -> Vec<&str> {
        let findings = self.findings.iter();
        findings.map(|it| it["layer"].as_str().unwrap()).collect()
    }

    #[track_caller]
    fn layer(&self, name: &str) -> &Value {
        let found = self.findings.iter().find(|it| it["layer"] == name);
        found.unwrap_or_else(|| panic!("nothing about {name}: {}", self.shown))
    }

    /// That layer has that verdict and says that; gives back what to do.
    #[track_caller]
    fn says(&self, layer: &str, verdict: &str, text: &str) -> String {
        let finding = self.layer(layer);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(
            finding["text"].as_str().unwrap().contains(text),
            "{finding}"
        );
        finding["hint"].as_str().unwrap_or_default().to_owned()
    }

    /// That layer is the only one that is broken, and nothing was looked at behind it.
    #[track_caller]
    fn stops_at(&self, layer: &str, text: &str) -> String {
        assert_eq!(self.bad(), [layer], "{}", self.shown);
        assert_eq!(self.findings.last().unwrap()["layer"], layer);
        self.says(layer, "bad", text)
    }

    fn bad(&self) -> Vec<&str> {
        let bad = self.findings.iter().filter(|it| it["verdict"] == "bad");
        bad.map(|it| it["layer"].as_str().unwrap()).collect()
    }
}

fn quiet() -> outlast_tests::sshd::Builder {
    Sshd::builder().bashrc("")
}

#[test]
fn a_sound_computer_is_sound_in_every_layer() {
    let sshd = quiet().start();
    let machine = ClientMachine::knowing("server", &sshd);
    let examined = Examined::of(&machine, &["server"], 0);
    let all = [
        "configuration",
        "name",
        "tcp",
        "key-exchange",
        "host-key",
        "authentication",
        "channel",
        "subsystem",
        "login",
        "version",
        "account",
        "directory",
        "space",
        "sessions",
        "shells",
        "terminal",
        "durability",
        "capacity",
    ];
    assert_eq!(examined.layers(), all);
    for finding in &examined.findings {
        assert_eq!(finding["verdict"], "good", "{finding}");
    }
    assert_eq!(
        examined.layer("capacity")["values"]["sessions_per_connection"],
        "10"
    );
    assert_eq!(sshd.hosts(), []);
    let shown = run(&machine, &["doctor", "server"]);
    let text = shown.success().stdout_text();
    assert_eq!(text.lines().count(), all.len(), "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
}

/// What lies before the connection is ssh's own affair.
#[test]
fn by_the_systems_ssh_the_way_is_the_one_ssh_takes() {
    let by_ssh = |sshd: &Sshd| {
        let machine = ClientMachine::knowing("server", sshd);
        machine.set_transport("openssh");
        machine
    };
    let sshd = quiet().start();
    let machine = by_ssh(&sshd);
    let examined = Examined::of(&machine, &["server"], 0);
    let first = [
        "configuration",
        "key-exchange",
        "host-key",
        "authentication",
        "channel",
        "subsystem",
        "login",
        "version",
    ];
    assert_eq!(examined.layers()[..8], first, "{}", examined.shown);
    assert_eq!(examined.bad(), [""; 0], "{}", examined.shown);
    examined.says("configuration", "good", "by the system's ssh");
    examined.says("key-exchange", "good", "OpenSSH");
    examined.says("subsystem", "good", "started the subsystem");
    examined.says("durability", "good", "");
    sshd.wait_nothing_left();
    let by_name = quiet().subsystem(Subsystem::OnlyInPath).start();
    let examined = Examined::of(&by_ssh(&by_name), &["server"], 0);
    examined.says("subsystem", "doubtful", "run as a command");
    let full = quiet().max_sessions(0).start();
    let examined = Examined::of(&by_ssh(&full), &["server"], 255);
    examined.stops_at("channel", "refuses another channel");
    let machine = ClientMachine::new();
    machine.set_transport("openssh");
    machine.host("server", &sshd).unauthorized().add();
    let examined = Examined::of(&machine, &["server"], 255);
    examined.stops_at("authentication", "tried: ");
    let examined = Examined::of(&machine, &["no-such-host.invalid"], 255);
    examined.stops_at("name", "no-such-host.invalid");
}

#[test]
fn this_computer_has_no_connection_to_examine() {
    let machine = ClientMachine::new();
    let examined = Examined::of(&machine, &["."], 0);
    assert_eq!(examined.findings[0]["layer"], "login");
    examined.says("shells", "good", "bash");
}

#[test]
fn a_name_that_leads_nowhere() {
    let examined = Examined::of(&ClientMachine::new(), &["no-such-host.invalid"], 255);
    let hint = examined.stops_at("name", "no-such-host.invalid");
    assert!(hint.contains("spelling"), "{hint}");
}

#[test]
fn a_configuration_that_is_refused() {
    let args = ["server", "-o", "Port=many"];
    let examined = Examined::of(&ClientMachine::new(), &args, 255);
    examined.stops_at("configuration", "many");
}

#[test]
fn a_port_on_which_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let host = format!("127.0.0.1:{port}");
    let examined = Examined::of(&ClientMachine::new(), &[&host], 255);
    let hint = examined.stops_at("tcp", "refused");
    assert!(hint.contains(&port.to_string()), "{hint}");
}

#[test]
fn a_server_with_too_many_connections_on_their_way_in() {
    let sshd = quiet().extra("MaxStartups 1").start();
    // It has greeted, so it counts, and it never authenticates.
    let first = TcpStream::connect(sshd.address()).unwrap();
    let mut greeting = String::new();
    BufReader::new(&first).read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("SSH-2.0"), "{greeting}");
    let hint = Examined::broken(&sshd).stops_at("key-exchange", "closed the connection");
    assert!(hint.contains("MaxStartups"), "{hint}");
}

#[test]
fn a_server_without_an_algorithm_in_common() {
    let sshd = quiet().extra("Ciphers aes192-cbc").start();
    let hint = Examined::broken(&sshd).stops_at("key-exchange", "aes192-cbc");
    assert!(hint.contains("Ciphers"), "{hint}");
}

#[test]
fn a_host_key_that_nobody_knows() {
    let sshd = quiet().start();
    let machine = ClientMachine::new();
    machine.host("server", &sshd).unknown().add();
    let examined = Examined::of(&machine, &["server"], 255);
    let hint = examined.stops_at("host-key", "unknown");
    assert!(hint.contains("ssh-keyscan"), "{hint}");
}

#[test]
fn a_key_that_is_not_let_in() {
    let sshd = quiet().start();
    let machine = ClientMachine::new();
    machine.host("server", &sshd).unauthorized().add();
    let examined = Examined::of(&machine, &["server"], 255);
    let hint = examined.stops_at("authentication", "tried: ");
    assert!(hint.contains("ssh-add"), "{hint}");
}

#[test]
fn a_jump_host_that_cannot_get_further() {
    let jump = quiet().start();
    let machine = ClientMachine::knowing("jump", &jump);
    let args = ["nowhere.invalid", "-o", "ProxyJump=jump"];
    let examined = Examined::of(&machine, &args, 255);
    examined.says("configuration", "good", "through ");
    examined.stops_at("jump", "nowhere.invalid");
}

#[test]
fn a_server_that_grants_no_channel() {
    let sshd = quiet().max_sessions(0).start();
    let hint = Examined::broken(&sshd).stops_at("channel", "refuses another channel");
    assert!(hint.contains("MaxSessions"), "{hint}");
}

#[test]
fn few_sessions_a_connection_are_counted() {
    let sshd = quiet().max_sessions(3).start();
    let examined = Examined::works(&sshd);
    examined.says("capacity", "good", "MaxSessions");
    assert_eq!(
        examined.layer("capacity")["values"]["sessions_per_connection"],
        "3"
    );
}

#[test]
fn a_subsystem_that_is_missing_and_one_that_is_run_by_name() {
    let by_name = quiet().subsystem(Subsystem::OnlyInPath).start();
    let hint = Examined::works(&by_name).says("subsystem", "doubtful", "run as a command");
    assert!(hint.contains("Subsystem outlast"), "{hint}");
    let absent = quiet().subsystem(Subsystem::Absent).start();
    let examined = Examined::broken(&absent);
    assert_eq!(examined.bad(), ["subsystem"]);
    let last = examined.findings.last().unwrap();
    assert!(
        last["text"].as_str().unwrap().contains("not found"),
        "{last}"
    );
    assert!(last["hint"].as_str().unwrap().contains("install"), "{last}");
}

#[test]
fn start_up_files_that_print() {
    let sshd = Sshd::builder()
        .bashrc("echo welcome to the machine")
        .start();
    let examined = Examined::works(&sshd);
    let hint = examined.says("login", "doubtful", "welcome to the machine");
    assert!(hint.contains("interactive"), "{hint}");
    let endless = Sshd::builder().bashrc("head -c 200000 /dev/zero").start();
    let examined = Examined::broken(&endless);
    assert_eq!(examined.bad(), ["subsystem"]);
    let last = examined.findings.last().unwrap();
    assert!(
        last["hint"].as_str().unwrap().contains("print without end"),
        "{last}"
    );
}

/// sshd runs a subsystem by the login shell; where that is nologin, this is what comes of it.
#[test]
fn an_account_that_lets_nobody_in() {
    let subsystem = Subsystem::Command("/usr/sbin/nologin".to_owned());
    let sshd = quiet().subsystem(subsystem).start();
    let hint = Examined::broken(&sshd).stops_at("login", "not available");
    assert!(hint.contains("chsh"), "{hint}");
}

/// A relay that greets as that program and goes no further.
pub(crate) fn greeter(oldest: u16, protocol: u16) -> (tempfile::TempDir, Sshd) {
    let hello = Hello {
        protocol,
        oldest,
        program: "outlast-subsystem/7.0.0".into(),
        user: "me".into(),
        host: "there".into(),
        max_frame: MAX_FRAME,
        features: Vec::new(),
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("greeting");
    let mut greeting = MAGIC.to_vec();
    greeting.extend(ToClient::Hello(hello).head(0).unwrap());
    std::fs::File::create(&file)
        .unwrap()
        .write_all(&greeting)
        .unwrap();
    let subsystem = Subsystem::Command(format!("cat {}", file.display()));
    let sshd = quiet().subsystem(subsystem).start();
    (directory, sshd)
}

#[test]
fn another_version_is_told_and_one_that_does_not_fit_is_the_end() {
    let (_directory, fits) = greeter(1, 1);
    let examined = Examined::broken(&fits);
    let hint = examined.says("version", "doubtful", "outlast-subsystem/7.0.0");
    assert!(hint.contains("same version"), "{hint}");
    examined.stops_at("remote", "closed");
    let (_directory, foreign) = greeter(9000, 9001);
    let examined = Examined::broken(&foreign);
    examined.stops_at("version", "9000 to 9001");
}

#[test]
fn a_session_directory_that_cannot_be_made() {
    let sshd = quiet()
        .extra("SetEnv OUTLAST_SESSION_DIR=/dev/null/sessions")
        .start();
    let examined = Examined::broken(&sshd);
    assert_eq!(examined.bad(), ["directory"]);
    let hint = examined.says("directory", "bad", "/dev/null");
    assert!(hint.contains("OUTLAST_SESSION_DIR"), "{hint}");
}

#[test]
fn a_disk_that_is_full() {
    let Some(disk) = Disk::mount("size=2m,mode=700") else {
        return;
    };
    disk.fill();
    let examined = Examined::broken(&disk.sshd());
    assert_eq!(examined.bad(), ["directory"]);
    let hint = examined.says("directory", "bad", "No space left");
    assert!(hint.contains("free some space"), "{hint}");
    examined.says("space", "doubtful", "only kept in memory");
}

#[test]
fn a_quota_that_is_none() {
    let sshd = quiet().environment("OUTLAST_SESSION_QUOTA", "much").start();
    let examined = Examined::broken(&sshd);
    assert_eq!(examined.bad(), ["space"]);
    examined.says("space", "bad", "OUTLAST_SESSION_QUOTA");
}

#[test]
fn several_computers_are_each_told_whole() {
    let sshd = quiet().start();
    let machine = ClientMachine::knowing("server", &sshd);
    let output = run(&machine, &["doctor", "server,no-such-host.invalid"]);
    output.code(4);
    let text = output.stdout_text();
    let heads: Vec<_> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(heads.len(), 2, "{text}");
    assert!(text.contains("  FAIL  name "), "{text}");
    assert!(text.contains("  ok    capacity "), "{text}");
}
