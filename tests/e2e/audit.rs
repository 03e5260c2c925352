//! What the system's log is told: every line of a session's life, and nothing that holds it up.

use std::process::Command;

use outlast_tests::account::Account;
use outlast_tests::syslog::fields;
use outlast_tests::{ClientMachine, Gate, Sshd, Syslog, process};

use crate::stage::{instance, new_session, one_error, run};

/// A server that tells a stand-in for `/dev/log`, and says how clients have authenticated.
fn server(syslog: &Syslog, policy: &str) -> Sshd {
    Sshd::builder()
        .options(&syslog.options(policy))
        .extra("ExposeAuthInfo yes")
        .start()
}

fn client(sshd: &Sshd) -> ClientMachine {
    ClientMachine::knowing("server", sshd)
}

/// As `ssh-keygen` and sshd's own log say it.
fn fingerprint(machine: &ClientMachine) -> String {
    let listed = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(machine.identity().with_extension("pub"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.split(' ').nth(1).unwrap().to_owned()
}

/// Lines with what differs from run to run replaced, after a look at it.
struct Reading<'a> {
    sshd: &'a Sshd,
    session: String,
    /// Fingerprints, and who has them.
    keys: Vec<(String, &'static str)>,
    clients: Vec<(String, String)>,
    invocations: Vec<String>,
}

impl<'a> Reading<'a> {
    fn of(sshd: &'a Sshd, machines: &[(&ClientMachine, &'static str)]) -> Self {
        let keys = machines
            .iter()
            .map(|(machine, name)| (fingerprint(machine), *name));
        Self {
            sshd,
            session: String::new(),
            keys: keys.collect(),
            clients: Vec::new(),
            invocations: Vec::new(),
        }
    }

    /// One line as text.
    #[track_caller]
    fn line(&mut self, line: Vec<(String, String)>) -> String {
        let key = line.iter().find(|(name, _)| name == "key");
        let who = key.map(|(_, value)| self.owner(value));
        let account = Account::current().name;
        let uid = rustix::process::getuid().as_raw().to_string();
        let mut words = Vec::new();
        for (name, value) in line {
            let shown = match name.as_str() {
                "session" => {
                    if self.session.is_empty() {
                        self.session.clone_from(&value);
                    }
                    assert_eq!(value, self.session);
                    continue;
                }
                "user" if value == account => continue,
                "uid" if value == uid => continue,
                "from" => {
                    self.check_connection(&value);
                    continue;
                }
                "key" => self.owner(&value).to_owned(),
                "client" => self.client(value, who),
                "stolen_from" => self.client(value, None),
                "invocation" => self.invocation(value),
                "ran_ms" => {
                    assert!(value.parse::<u64>().is_ok(), "{value}");
                    "N".to_owned()
                }
                _ => value,
            };
            words.push(format!("{name}={shown}"));
        }
        words.join(" ")
    }

    #[track_caller]
    fn owner(&self, key: &str) -> &'static str {
        let found = self.keys.iter().find(|(fingerprint, _)| fingerprint == key);
        found.unwrap_or_else(|| panic!("{key} is nobody's")).1
    }

    /// A client's ID is known by the key of the first line that has it.
    #[track_caller]
    fn client(&mut self, id: String, who: Option<&str>) -> String {
        if let Some((_, name)) = self.clients.iter().find(|(known, _)| *known == id) {
            return name.clone();
        }
        let name = format!("{}-client", who.expect("no line with a key has it before"));
        self.clients.push((id, name.clone()));
        name
    }

    fn invocation(&mut self, id: String) -> String {
        let known = self.invocations.iter().position(|known| *known == id);
        let at = known.unwrap_or(self.invocations.len());
        if known.is_none() {
            self.invocations.push(id);
        }
        format!("#{at}")
    }

    #[track_caller]
    fn check_connection(&self, value: &str) {
        let words: Vec<_> = value.split(' ').collect();
        let [from, port, to, own] = words[..] else {
            panic!("{value}");
        };
        assert!(port.parse::<u16>().is_ok(), "{value}");
        let own_port = self.sshd.address().port().to_string();
        assert_eq!((from, to, own), ("127.0.0.1", "127.0.0.1", &*own_port));
    }

    /// So many lines, each once it is there, in this order.
    #[track_caller]
    fn expect(&mut self, syslog: &Syslog, expected: &[&str]) {
        for expected in expected {
            let line = self.line(syslog.line());
            assert_eq!(line, *expected);
        }
        assert_eq!(syslog.rest(), Vec::<String>::new(), "nothing else is told");
    }
}

#[test]
fn every_event_of_a_session_is_one_line_that_says_who_did_it() {
    let syslog = Syslog::listening();
    let sshd = server(&syslog, "commands");
    let (a, b) = (client(&sshd), client(&sshd));
    let mut reading = Reading::of(&sshd, &[(&a, "A"), (&b, "B")]);
    let session = instance(&new_session(&a, "server", "work"));
    reading.expect(
        &syslog,
        &[
            "event=opened name=work auth=publickey key=A configuration=bash",
            "event=attached name=work auth=publickey key=A client=A-client mode=write",
        ],
    );
    assert_eq!(reading.session, session);

    // What a command has in it stays in its place.
    let forged = "echo 'x\n<86>sshd[1]: y\" event=ended'; exit 3";
    run(&a, &["invoke", "-n", "-s", "work", forged]).code(3);
    run(
        &a,
        &[
            "invoke", "-n", "-s", "work", "--", "printf", "%s", "a b", "",
        ],
    )
    .success();
    reading.expect(
        &syslog,
        &[
            concat!(
                r"event=accepted name=work auth=publickey key=A invocation=#0 kind=script ",
                r#"command=echo 'x\n<86>sshd[1]: y\" event=ended'; exit 3"#
            ),
            "event=completed name=work auth=publickey key=A invocation=#0 outcome=ended code=3 ran_ms=N",
            concat!(
                "event=accepted name=work auth=publickey key=A invocation=#1 kind=argv ",
                "command=printf %s 'a b' ''"
            ),
            "event=completed name=work auth=publickey key=A invocation=#1 outcome=ended code=0 ran_ms=N",
        ],
    );

    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}", gate.word());
    let running = a.spawn(&["invoke", "-n", "-s", "work", &script]);
    running.wait_line("up");
    let id = {
        let line = reading.line(syslog.line());
        let command = format!("kind=script command={script}");
        let head = "event=accepted name=work auth=publickey key=A invocation=#2";
        assert_eq!(line, format!("{head} {command}"));
        reading.invocations[2].clone()
    };
    running.sigint();
    running.wait().code(130);
    assert!(id.contains('-'), "{id}");
    reading.expect(
        &syslog,
        &[
            "event=cancel name=work auth=publickey key=A invocation=#2 level=interrupt",
            concat!(
                "event=completed name=work auth=publickey key=A invocation=#2 ",
                "outcome=cancelled code=130 ran_ms=N"
            ),
        ],
    );

    run(&a, &["disconnect", "work"]).success();
    run(&b, &["connect", "-c", "server", &session]).success();
    run(&b, &["invoke", "-n", "-s", "work", "true"]).success();
    run(&a, &["connect", "work", "--steal"]).success();
    run(&a, &["invoke", "-n", "-s", "work", "true"]).success();
    reading.expect(
        &syslog,
        &[
            "event=detached name=work auth=publickey key=A client=A-client why=asked",
            "event=attached name=work auth=publickey key=B client=B-client mode=write",
            "event=accepted name=work auth=publickey key=B invocation=#3 kind=script command=true",
            "event=completed name=work auth=publickey key=B invocation=#3 outcome=ended code=0 ran_ms=N",
            "event=stolen name=work auth=publickey key=A client=A-client stolen_from=B-client",
            "event=attached name=work auth=publickey key=A client=A-client mode=write",
            "event=accepted name=work auth=publickey key=A invocation=#4 kind=script command=true",
            "event=completed name=work auth=publickey key=A invocation=#4 outcome=ended code=0 ran_ms=N",
        ],
    );

    run(&b, &["remove", "-c", "server", &session]).success();
    sshd.wait_nothing_left();
    reading.expect(
        &syslog,
        &[
            "event=ended name=work auth=publickey key=B why=the session was removed",
            "event=detached name=work auth=publickey key=A client=A-client why=ended",
        ],
    );
}

#[test]
fn by_default_no_text_of_commands_is_told_and_by_policy_never_an_answer() {
    let syslog = Syslog::listening();
    let sshd = server(&syslog, "events");
    let machine = client(&sshd);
    let mut reading = Reading::of(&sshd, &[(&machine, "A")]);
    new_session(&machine, "server", "work");
    let invoke = &[
        "invoke",
        "-n",
        "-s",
        "work",
        "--env",
        "T=hunter2",
        ": hunter2",
    ];
    run(&machine, invoke).success();
    reading.expect(
        &syslog,
        &[
            "event=opened name=work auth=publickey key=A configuration=bash",
            "event=attached name=work auth=publickey key=A client=A-client mode=write",
            "event=accepted name=work auth=publickey key=A invocation=#0 kind=script",
            "event=completed name=work auth=publickey key=A invocation=#0 outcome=ended code=0 ran_ms=N",
        ],
    );
    run(&machine, &["remove", "work"]).success();
    sshd.wait_nothing_left();
    let rest = syslog.rest();
    assert!(
        rest.iter().all(|line| !line.contains("hunter2")),
        "{rest:#?}"
    );

    let sshd = server(&syslog, "commands");
    let machine = client(&sshd);
    new_session(&machine, "server", "work");
    let asks = "bash -c 'read -rs -p \"secret: \" x </dev/tty 2>/dev/tty; echo \"${#x}\"'";
    let mut asked = machine.on_pty(&["invoke", "-s", "work", "--env", "T=hunter2", asks]);
    asked.expect("secret: ");
    asked.send("geheim\r");
    asked.ended().code(0).stdout_has("6");
    run(&machine, &["remove", "work"]).success();
    sshd.wait_nothing_left();
    let all = syslog.rest();
    assert!(all.iter().any(|line| line.contains("secret: ")), "{all:#?}");
    for line in &all {
        assert!(
            !line.contains("geheim") && !line.contains("hunter2"),
            "{line}"
        );
    }
}

#[test]
fn a_visit_has_a_begin_and_an_end() {
    let syslog = Syslog::listening();
    let sshd = server(&syslog, "commands");
    let machine = client(&sshd);
    let mut reading = Reading::of(&sshd, &[(&machine, "A")]);
    new_session(&machine, "server", "work");
    let mut visit = machine.on_pty(&["enter", "work"]);
    visit.send("echo $((40+2))\r");
    visit.expect("42");
    visit.send("\x1cd");
    visit.ended().code(0);
    reading.expect(
        &syslog,
        &[
            "event=opened name=work auth=publickey key=A configuration=bash",
            "event=attached name=work auth=publickey key=A client=A-client mode=write",
            "event=accepted name=work auth=publickey key=A invocation=#0 kind=visit",
            "event=visit-begun name=work auth=publickey key=A invocation=#0",
            "event=visit-ended name=work auth=publickey key=A invocation=#0 outcome=ended code=0 ran_ms=N",
        ],
    );
}

#[test]
fn a_dead_host_is_told_by_the_first_who_finds_it() {
    let syslog = Syslog::listening();
    let sshd = server(&syslog, "events");
    let (a, b) = (client(&sshd), client(&sshd));
    let mut reading = Reading::of(&sshd, &[(&a, "A"), (&b, "B")]);
    let session = instance(&new_session(&a, "server", "work"));
    let gate = Gate::new();
    let script = format!("echo up; read -r _ <{}", gate.word());
    let running = a.spawn(&["invoke", "-n", "-s", "work", &script]);
    running.wait_line("up");
    reading.expect(
        &syslog,
        &[
            "event=opened name=work auth=publickey key=A configuration=bash",
            "event=attached name=work auth=publickey key=A client=A-client mode=write",
            "event=accepted name=work auth=publickey key=A invocation=#0 kind=script",
        ],
    );
    // A's background process would find it at once.
    process::send(a.mux_pid(), rustix::process::Signal::STOP);
    let host = sshd.hosts()[0].pid;
    process::kill9(host);
    process::wait_gone(host);

    for _ in 0..2 {
        run(&b, &["get", "server"]).success();
    }
    let line = reading.line(syslog.line());
    let head = "event=broken name=work auth=publickey key=B why=";
    assert!(
        line.starts_with(head) && line.contains(&host.to_string()),
        "{line}"
    );
    assert_eq!(syslog.rest(), Vec::<String>::new(), "found once");

    run(&b, &["connect", "-c", "server", &session]).no_panic();
    let line = reading.line(syslog.line());
    assert_eq!(line, "event=recovered name=work auth=publickey key=B");
    let line = reading.line(syslog.line());
    let attached = "event=attached name=work auth=publickey key=B client=B-client mode=read";
    assert_eq!(line, attached);
    run(&b, &["remove", "-c", "server", &session]).no_panic();
    sshd.wait_nothing_left();
    let rest = syslog.rest();
    let mut rest: Vec<_> = rest.iter().map(|it| reading.line(fields(it))).collect();
    rest.retain(|line| !line.starts_with("event=detached "));
    assert_eq!(rest, ["event=removed name=work auth=publickey key=B"]);
    process::send(a.mux_pid(), rustix::process::Signal::CONT);
    running.wait().no_panic().code(255);
}

#[test]
fn a_syslog_that_is_not_there_or_does_not_read_holds_nothing_up_and_hears_what_it_missed() {
    let mut syslog = Syslog::absent();
    let sshd = server(&syslog, "events");
    let machine = client(&sshd);
    new_session(&machine, "server", "work");
    let echo = |text: &str| {
        let script = format!("echo {text}");
        run(&machine, &["invoke", "-n", "-s", "work", &script])
            .success()
            .stdout_is(&format!("{text}\n"));
    };
    let lost = |syslog: &Syslog| {
        let line = syslog.line();
        let lost = line.iter().find(|(name, _)| name == "lost");
        lost.map(|(_, count)| count.clone())
    };
    echo("nobody there");
    syslog.listen();
    echo("now there is");
    // Opened, attached, accepted, completed.
    assert_eq!(lost(&syslog).as_deref(), Some("4"));
    assert_eq!(lost(&syslog), None, "and that is told once");

    let full = syslog.fill();
    echo("nobody reads");
    echo("nor now");
    syslog.drain(full);
    echo("now somebody does");
    assert_eq!(lost(&syslog).as_deref(), Some("4"));
    assert_eq!(lost(&syslog), None);

    syslog.die();
    echo("killed");
    syslog.clear();
    echo("cleared away");
    syslog.listen();
    echo("started again");
    assert_eq!(lost(&syslog).as_deref(), Some("4"));
    assert_eq!(lost(&syslog), None);
    run(&machine, &["remove", "work"]).success();
    sshd.wait_nothing_left();
}

#[test]
fn who_wants_no_audit_has_none_and_who_says_it_wrongly_is_told() {
    let syslog = Syslog::listening();
    let sshd = server(&syslog, "off");
    let machine = client(&sshd);
    new_session(&machine, "server", "work");
    run(&machine, &["invoke", "-n", "-s", "work", "true"]).success();
    run(&machine, &["remove", "work"]).success();
    sshd.wait_nothing_left();
    assert_eq!(syslog.rest(), Vec::<String>::new());

    let sshd = Sshd::builder().options("--audit=everything").start();
    let machine = client(&sshd);
    let refused = run(&machine, &["new", "server", "-n", "work"]);
    let says = ["--audit=everything", "off, events and commands"];
    one_error(&refused, 255, &says, "sshd_config");
}
