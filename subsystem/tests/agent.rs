//! The way from an invocation to its client's SSH agent, from the program to the client's link.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod remote;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use outlast_protocol::id::{InstanceId, InvocationId, ReaderId};
use outlast_protocol::limits::{MAX_AGENT_CONNECTIONS, MAX_CHUNK};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{
    AgentData, AgentEnd, Cancel, Detach, End, ReaderOpen, Stdin, StdinEnd, Submit,
};
use outlast_protocol::link::{AttachMode, Command as Kind, From, Level, Source, TerminalSize};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use uuid::Uuid;

use remote::{Places, Remote, attach, create, submit};

const ONE: InstanceId = InstanceId(Uuid::from_u128(1));
const CLIENT: u128 = 1;
const OTHER: u128 = 2;

fn attached(message: &ToClient) -> Option<()> {
    matches!(message, ToClient::Attached(_)).then_some(())
}

/// A real agent with a real key.
struct Agent {
    process: Child,
    directory: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let mut process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens when it does.
        let mut said = [0; 1];
        let output = process.stdout.as_mut().unwrap();
        output.read_exact(&mut said).unwrap();
        let agent = Self { process, directory };
        let key = agent.directory.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "the key", "-f"])
            .arg(&key)
            .status()
            .unwrap();
        assert!(made.success());
        agent.add(&[key.as_os_str()]);
        agent
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn add(&self, words: &[&std::ffi::OsStr]) -> Vec<u8> {
        let output = Command::new("ssh-add")
            .args(words)
            .env("SSH_AUTH_SOCK", self.socket())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// What there is in it.
    fn list(&self) -> Vec<u8> {
        self.add(&["-l".as_ref()])
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The client's side of its agent's connections.
struct Bridge<'a> {
    agent: &'a Agent,
    /// With what was asked and not passed on yet.
    open: BTreeMap<u32, (UnixStream, Vec<u8>)>,
    ended: usize,
}

impl<'a> Bridge<'a> {
    fn to(agent: &'a Agent) -> Self {
        Self {
            agent,
            open: BTreeMap::new(),
            ended: 0,
        }
    }

    /// Does what a client does with news of its agent.
    fn take(&mut self, remote: &mut Remote, message: &ToClient, body: &Bytes) {
        match message {
            ToClient::AgentData(data) => {
                let agent = self.agent.socket();
                let open = self.open.entry(data.connection);
                let (stream, asked) =
                    open.or_insert_with(|| (UnixStream::connect(agent).unwrap(), Vec::new()));
                // A question comes in as many pieces as its program liked to write.
                asked.extend_from_slice(body);
                if asked.len() < 4 || asked.len() < 4 + length(&asked[..4]) {
                    return;
                }
                stream.write_all(&std::mem::take(asked)).unwrap();
                let mut answer = vec![0; 4];
                stream.read_exact(&mut answer).unwrap();
                answer.resize(4 + length(&answer), 0);
                stream.read_exact(&mut answer[4..]).unwrap();
                let connection = data.connection;
                remote.say(AgentData { connection }, &answer);
            }
            ToClient::AgentEnd(end) => {
                assert!(self.open.remove(&end.connection).is_some());
                self.ended += 1;
            }
            _ => {}
        }
    }

    /// Serves the agent until an invocation is over.
    fn serve(&mut self, remote: &mut Remote) -> (Vec<u8>, Outcome) {
        let mut output = Vec::new();
        loop {
            let (message, body) = remote.hear();
            self.take(remote, &message, &body);
            if let ToClient::Record(record) = message {
                match record.kind {
                    RecordKind::Output(_) => output.extend_from_slice(&body),
                    RecordKind::Completed(outcome) => return (output, outcome),
                    _ => {}
                }
            }
        }
    }
}

fn length(head: &[u8]) -> usize {
    let head = head.try_into().unwrap();
    usize::try_from(u32::from_be_bytes(head)).unwrap()
}

fn with_agent(number: u128) -> Submit {
    Submit {
        agent: true,
        ..submit(number)
    }
}

fn reader(number: u128) -> ReaderOpen {
    ReaderOpen {
        source: Source::Log,
        reader: ReaderId(u32::try_from(number).unwrap()),
        from: From::Start,
        only: Some(InvocationId(Uuid::from_u128(number))),
        skip: Vec::new(),
        credit: 1 << 20,
        owed: 0,
    }
}

fn begin(remote: &mut Remote, number: u128, script: &str) {
    remote.say(with_agent(number), script.as_bytes());
    remote.say(reader(number), b"");
}

fn opened(places: &Places) -> Remote {
    let mut remote = places.remote();
    remote.say(create(ONE, CLIENT, "one"), b"");
    remote.wait(attached);
    remote
}

/// Begins an invocation that runs until it is cancelled. Says where its agent is.
fn waiting(remote: &mut Remote, number: u128) -> PathBuf {
    begin(
        remote,
        number,
        "mkfifo gate; echo $SSH_AUTH_SOCK; read -r _ <>gate",
    );
    loop {
        if let (ToClient::Record(record), body) = remote.hear()
            && record.kind == RecordKind::Output(Stream::Stdout)
        {
            return PathBuf::from(std::str::from_utf8(&body).unwrap().trim());
        }
    }
}

fn cancel(number: u128) -> Cancel {
    Cancel {
        invocation: InvocationId(Uuid::from_u128(number)),
        level: Level::Interrupt,
    }
}

/// Hears until a connection's program says `text`. Returns its number.
fn asked(remote: &mut Remote, text: &[u8]) -> u32 {
    loop {
        if let (ToClient::AgentData(data), body) = remote.hear() {
            assert_eq!(body, text);
            return data.connection;
        }
    }
}

/// Nothing is to stay behind.
fn end(mut remote: Remote) {
    let extensions = Vec::new();
    remote.say(End { extensions }, b"");
    remote.wait(|it| matches!(it, ToClient::Ended(_)).then_some(()));
}

fn pipe(places: &Places, name: &str) -> PathBuf {
    let path = places.home.path().join(name);
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

#[track_caller]
fn assert_refused(socket: &Path) {
    let mut late = UnixStream::connect(socket).unwrap();
    assert_eq!(late.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn programs_find_the_keys_of_their_client() {
    let (agent, places) = (Agent::start(), Places::new());
    let mut remote = opened(&places);
    let mut bridge = Bridge::to(&agent);
    begin(
        &mut remote,
        1,
        "echo $SSH_AUTH_SOCK >where; ssh-add -l; ssh-add -l",
    );
    let (output, outcome) = bridge.serve(&mut remote);
    let list = agent.list();
    assert!(String::from_utf8_lossy(&list).contains("the key"));
    assert_eq!(
        String::from_utf8_lossy(&output),
        String::from_utf8_lossy(&[list.clone(), list].concat())
    );
    assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(0)));
    let address = std::fs::read_to_string(places.home.path().join("where")).unwrap();
    assert!(!Path::new(address.trim()).exists(), "it is over");

    // Nothing of it is left to who comes after.
    let (output, _) = remote.run(2, "echo ${SSH_AUTH_SOCK-none}");
    assert_eq!(output, b"none\n");
    end(remote);
}

#[test]
fn a_signature_is_made_by_the_agent() {
    let (agent, places) = (Agent::start(), Places::new());
    let mut remote = opened(&places);
    let public = std::fs::read(agent.directory.path().join("key.pub")).unwrap();
    std::fs::write(places.home.path().join("key.pub"), public).unwrap();
    let script = "echo text | ssh-keygen -q -Y sign -n file -f key.pub >signature && \
                  echo text | ssh-keygen -Y check-novalidate -n file -s signature";
    begin(&mut remote, 1, script);
    let (output, outcome) = Bridge::to(&agent).serve(&mut remote);
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("Good \"file\" signature"), "{output}");
    assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(0)));
    end(remote);
}

/// A visit with what is typed, which ends it; without that the visitor leaves at once.
fn visit(remote: &mut Remote, bridge: &mut Bridge<'_>, number: u128, typed: &[u8]) -> Outcome {
    let submit = Submit {
        command: Kind::Visit,
        stdin: true,
        terminal: Some(TerminalSize {
            columns: 80,
            rows: 24,
        }),
        ..with_agent(number)
    };
    let invocation = submit.invocation;
    remote.say(submit, b"");
    let source = Source::Terminal;
    remote.say(
        ReaderOpen {
            source,
            ..reader(number)
        },
        b"",
    );
    let offset = 0;
    if typed.is_empty() {
        remote.say(StdinEnd { invocation, offset }, b"");
    } else {
        remote.say(Stdin { invocation, offset }, typed);
    }
    bridge.serve(remote).1
}

#[test]
fn a_visitor_who_comes_back_to_the_prompt_finds_the_agent_again() {
    let (agent, places) = (Agent::start(), Places::new());
    let mut remote = opened(&places);
    let mut bridge = Bridge::to(&agent);
    // This one leaves the shell at its prompt, and with it what it was told.
    visit(&mut remote, &mut bridge, 1, b"");
    let typed = b"ssh-add -l >list; exit 3\n";
    let outcome = visit(&mut remote, &mut bridge, 2, typed);
    assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(3)));
    let list = std::fs::read(places.home.path().join("list")).unwrap();
    assert_eq!(list, agent.list());
    end(remote);
}

#[test]
fn nobody_is_asked_while_the_client_is_away() {
    let (agent, places) = (Agent::start(), Places::new());
    let (gate, done) = (pipe(&places, "gate"), pipe(&places, "done"));
    let mut remote = opened(&places);
    let script = "cat gate; ssh-add -l; echo $? >done; cat gate; ssh-add -l";
    begin(&mut remote, 1, script);
    remote.wait(|it| matches!(it, ToClient::Submitted(_)).then_some(()));
    remote.say(Detach { idle_timeout: None }, b"");
    remote.wait(|it| matches!(it, ToClient::Detached(_)).then_some(()));
    std::fs::write(&gate, "away\n").unwrap();
    let status = std::fs::read_to_string(&done).unwrap();
    assert_ne!(status.trim(), "0");

    let mut again = places.remote();
    again.say(attach(ONE, CLIENT, AttachMode::Connect), b"");
    again.wait(attached);
    again.say(reader(1), b"");
    std::fs::write(&gate, "back\n").unwrap();
    let (output, outcome) = Bridge::to(&agent).serve(&mut again);
    let output = String::from_utf8_lossy(&output);
    assert_eq!(output.matches("the key").count(), 1, "{output}");
    assert!(output.ends_with(&*String::from_utf8_lossy(&agent.list())));
    assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(0)));
    end(again);
}

#[test]
fn a_thief_never_sees_a_byte() {
    let places = Places::new();
    let mut holder = opened(&places);
    let socket = waiting(&mut holder, 1);
    let mut program = UnixStream::connect(&socket).unwrap();
    program.write_all(b"first").unwrap();
    let connection = asked(&mut holder, b"first");

    let mut thief = places.remote();
    thief.say(attach(ONE, OTHER, AttachMode::Steal), b"");
    thief.wait(attached);
    assert_eq!(program.read(&mut [0; 1]).unwrap_or(0), 0, "it is closed");
    assert_refused(&socket);
    let _ = program.write_all(b"second");
    // What it says on a connection that is not its own reaches nobody, nor does it break a thing.
    thief.say(AgentData { connection }, b"forged");
    thief.say(AgentEnd { connection }, b"");
    // With an agent of its own it is no better off.
    let other = with_agent(2);
    thief.say(other, b"echo $SSH_AUTH_SOCK");
    thief.say(reader(1), b"");
    thief.say(reader(2), b"");
    thief.say(cancel(1), b"");
    let mut over = 0;
    while over < 2 {
        let (message, _) = thief.hear();
        assert!(
            !matches!(message, ToClient::AgentData(_) | ToClient::AgentEnd(_)),
            "{message:?}"
        );
        if let ToClient::Record(record) = message {
            over += usize::from(matches!(record.kind, RecordKind::Completed(_)));
        }
    }
    assert!(!socket.exists());
    // The holder heard of no more either.
    loop {
        match holder.hear().0 {
            ToClient::Stolen(_) => break,
            ToClient::AgentData(data) => panic!("{data:?}"),
            _ => {}
        }
    }
    end(thief);
}

#[test]
fn a_new_link_of_the_same_client_serves_new_connections() {
    let places = Places::new();
    let mut lost = opened(&places);
    let socket = waiting(&mut lost, 1);
    let mut before = UnixStream::connect(&socket).unwrap();
    before.write_all(b"before").unwrap();
    let old = asked(&mut lost, b"before");

    let mut new = places.remote();
    new.say(attach(ONE, CLIENT, AttachMode::Connect), b"");
    new.wait(attached);
    assert_eq!(before.read(&mut [0; 1]).unwrap_or(0), 0);
    let mut after = UnixStream::connect(&socket).unwrap();
    after.write_all(b"after").unwrap();
    let connection = asked(&mut new, b"after");
    assert_ne!(connection, old);
    // The answer to the old one is still said, behind the loss.
    new.say(AgentData { connection: old }, b"stale");
    new.say(AgentData { connection }, b"fresh");
    new.say(AgentEnd { connection }, b"");
    let mut answer = Vec::new();
    after.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"fresh");
    end(new);
}

#[test]
fn who_reads_slowly_or_comes_in_crowds_hurts_only_itself() {
    let places = Places::new();
    let mut remote = opened(&places);
    let socket = waiting(&mut remote, 1);
    let mut quick = UnixStream::connect(&socket).unwrap();
    quick.write_all(b"quick").unwrap();
    let quick_one = asked(&mut remote, b"quick");
    let mut deaf = UnixStream::connect(&socket).unwrap();
    deaf.write_all(b"deaf").unwrap();
    let deaf_one = asked(&mut remote, b"deaf");
    let flood = vec![0; MAX_CHUNK];
    // More than the socket and the host have room for.
    for _ in 0..32 {
        let connection = deaf_one;
        remote.say(AgentData { connection }, &flood);
    }
    let ended = remote.wait(|message| match message {
        ToClient::AgentEnd(end) => Some(end.connection),
        _ => None,
    });
    assert_eq!(ended, deaf_one);
    remote.say(
        AgentData {
            connection: quick_one,
        },
        &vec![0; MAX_CHUNK + 1],
    );
    let refused = loop {
        if let ToClient::Refused(refused) = remote.hear().0 {
            break refused;
        }
    };
    assert_eq!(refused.code, RefusalCode::BAD_REQUEST);
    remote.say(
        AgentData {
            connection: quick_one,
        },
        b"answer",
    );
    let mut answer = [0; 6];
    quick.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");

    let mut crowd: Vec<_> = (1..MAX_AGENT_CONNECTIONS)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    for (number, one) in crowd.iter_mut().enumerate() {
        let name = number.to_string();
        one.write_all(name.as_bytes()).unwrap();
        asked(&mut remote, name.as_bytes());
    }
    assert_refused(&socket);
    drop(crowd);
    for _ in 1..MAX_AGENT_CONNECTIONS {
        remote.wait(|it| matches!(it, ToClient::AgentEnd(_)).then_some(()));
    }
    let mut next = UnixStream::connect(&socket).unwrap();
    next.write_all(b"next").unwrap();
    asked(&mut remote, b"next");
    // The end of the invocation is that of its connections.
    remote.say(cancel(1), b"");
    assert_eq!(next.read(&mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(quick.read(&mut [0; 1]).unwrap_or(0), 0);
    end(remote);
}
