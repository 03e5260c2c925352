//! A session whose host was killed, spoken to over the link like any other.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod remote;

use std::io::Read;

use outlast_protocol::id::{InstanceId, InvocationId, Lease, ReaderId, Seq};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{Attached, ToClient};
use outlast_protocol::link::to_host::{Cancel, Detach, List, ReaderOpen, Remove, Stdin};
use outlast_protocol::link::{AttachMode, From, Level, Source};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::record::{RecordKind, Stream};
use outlast_protocol::session::{Buffering, IdleTimeout, Life, SessionInfo};
use outlast_subsystem::registry::{Entry, HostState};
use uuid::Uuid;

use remote::{Places, Remote, attach, create, submit};

const DONE: u128 = 1;
const CUT_SHORT: u128 = 2;
const UNHEARD: u128 = 3;

fn id(number: u128) -> InvocationId {
    InvocationId(Uuid::from_u128(number))
}

fn info(message: &ToClient) -> Option<Attached> {
    match message {
        ToClient::Attached(attached) => Some(attached.clone()),
        _ => None,
    }
}

fn reader(number: u32, from: From) -> ReaderOpen {
    ReaderOpen {
        reader: ReaderId(number),
        source: Source::Log,
        from,
        only: None,
        skip: Vec::new(),
        credit: 1 << 20,
        owed: 0,
    }
}

/// A session that has done one command and whose host was killed in the middle of another.
fn killed(places: &Places, instance: InstanceId) {
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    let host = holder.wait(info).info.host_pid;
    let (output, outcome) = holder.run(DONE, "echo one");
    assert_eq!(
        (output, outcome),
        (b"one\n".to_vec(), Outcome::Ended(ExitStatus::Code(0)))
    );
    holder.say(submit(CUT_SHORT), b"echo two; sleep 1000");
    holder.say(reader(9, From::Start), b"");
    loop {
        if let (ToClient::Record(record), body) = holder.hear()
            && record.kind == RecordKind::Output(Stream::Stdout)
            && body == b"two\n"[..]
        {
            break;
        }
    }
    let host = rustix::process::Pid::from_raw(i32::try_from(host).unwrap()).unwrap();
    rustix::process::kill_process(host, rustix::process::Signal::KILL).unwrap();
    // The link ends when the host is gone.
    holder.output.read_to_end(&mut Vec::new()).unwrap();
}

fn attached(places: &Places, instance: InstanceId, client: u128, mode: AttachMode) -> Remote {
    let mut remote = places.remote();
    remote.say(attach(instance, client, mode), b"");
    let attached = remote.wait(info);
    assert_broken(&attached.info);
    assert!(attached.lease > Lease(0));
    remote
}

#[track_caller]
fn assert_broken(info: &SessionInfo) {
    assert!(
        matches!(&info.life, Life::Broken(reason) if reason.contains("killed")),
        "{info:?}"
    );
    assert_eq!(info.host_pid, 0, "it has no host");
}

fn listed(places: &Places) -> Vec<SessionInfo> {
    let mut remote = places.remote();
    remote.say(
        List {
            extensions: Vec::new(),
        },
        b"",
    );
    remote.wait(|message| match message {
        ToClient::Listed(listed) => Some(listed.sessions.clone()),
        _ => None,
    })
}

#[track_caller]
fn refused(remote: &mut Remote, about: Option<u128>) {
    loop {
        match remote.hear().0 {
            ToClient::Refused(refusal) => {
                assert_eq!(refusal.code, RefusalCode::BROKEN, "{refusal:?}");
                assert_eq!(refusal.about, about.map(Uuid::from_u128));
                assert!(refusal.message.contains("killed"), "{refusal:?}");
                return;
            }
            ToClient::Submitted(submitted) => panic!("accepted: {submitted:?}"),
            _ => {}
        }
    }
}

/// Everything in the log with its numbers, up to the end.
fn all(remote: &mut Remote, number: u32) -> Vec<(Seq, RecordKind, Vec<u8>)> {
    remote.say(reader(number, From::Start), b"");
    let mut all = Vec::new();
    loop {
        match remote.hear() {
            (ToClient::Record(record), body) if record.reader == ReaderId(number) => {
                all.push((record.seq, record.kind, body.to_vec()));
            }
            (ToClient::CaughtUp(caught), _) if caught.reader == ReaderId(number) => {
                assert_eq!(caught.active, 0);
                return all;
            }
            _ => {}
        }
    }
}

#[test]
fn what_was_known_is_answered_and_what_was_not_is_refused() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(70));
    killed(&places, instance);
    let mut remote = attached(&places, instance, 1, AttachMode::Connect);

    // Resent as by a client that never heard the answer.
    for _ in 0..2 {
        let (output, outcome) = remote.run(DONE, "echo never again");
        assert_eq!(output, b"one\n");
        assert_eq!(outcome, Outcome::Ended(ExitStatus::Code(0)));
    }
    let (output, outcome) = remote.run(CUT_SHORT, "echo never again");
    assert_eq!(output, b"two\n");
    assert!(
        matches!(&outcome, Outcome::SessionEnded(reason) if reason.contains("killed")),
        "{outcome:?}"
    );

    remote.say(submit(UNHEARD), b"echo never");
    refused(&mut remote, Some(UNHEARD));
    let stdin = Stdin {
        invocation: id(UNHEARD),
        offset: 0,
    };
    remote.say(stdin, b"x");
    refused(&mut remote, Some(UNHEARD));
    let cancel = |number| Cancel {
        invocation: id(number),
        level: Level::Interrupt,
    };
    remote.say(cancel(UNHEARD), b"");
    refused(&mut remote, Some(UNHEARD));
    let idle_timeout = Some(IdleTimeout::Seconds(60));
    remote.say(Detach { idle_timeout }, b"");
    refused(&mut remote, None);

    // What is over can be cancelled without a word, and fed in vain.
    remote.say(cancel(CUT_SHORT), b"");
    let stdin = Stdin {
        invocation: id(CUT_SHORT),
        offset: 0,
    };
    remote.say(stdin, b"x");
    let closed = remote.wait(|message| match message {
        ToClient::StdinTaken(taken) => Some(taken.closed),
        _ => None,
    });
    assert!(closed);
}

#[test]
fn readers_share_it_and_nobody_stays_behind_them() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(71));
    killed(&places, instance);
    let mut readers = [
        attached(&places, instance, 1, AttachMode::Connect),
        attached(&places, instance, 2, AttachMode::Connect),
        attached(&places, instance, 3, AttachMode::Steal),
        attached(&places, instance, 4, AttachMode::ReadOnly),
    ];
    // Also for who asks for the session to be made, again.
    let mut maker = places.remote();
    maker.say(create(instance, 1, "one"), b"");
    assert_broken(&maker.wait(info).info);

    let mut seen = all(&mut maker, 1);
    for reader in &mut readers {
        assert_eq!(all(reader, 1), seen, "the same numbers for everybody");
    }
    let end = seen.pop().unwrap();
    assert!(matches!(
        end.1,
        RecordKind::Completed(Outcome::SessionEnded(_))
    ));
    let listed = listed(&places);
    assert_eq!(listed.len(), 1);
    assert_broken(&listed[0]);

    let directory = places
        .sessions
        .path()
        .join("sessions")
        .join(instance.to_string());
    let entry = Entry::at(instance, &directory).unwrap();
    assert_eq!(entry.host(), HostState::Reads);
    drop((readers, maker));
    // The lock is free when the process is gone.
    drop(entry.claim_when_free().unwrap());
    assert_eq!(entry.host(), HostState::Gone);
    assert!(!directory.join(Entry::SOCKET).exists());

    // The next one finds the very same.
    let mut late = attached(&places, instance, 5, AttachMode::Connect);
    seen.push(end);
    assert_eq!(all(&mut late, 1), seen);
}

#[test]
fn removal_goes_ahead_while_it_is_read() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(72));
    killed(&places, instance);
    let mut reader = attached(&places, instance, 1, AttachMode::Connect);
    let mut remover = places.remote();
    remover.say(
        Remove {
            instance,
            extensions: Vec::new(),
        },
        b"",
    );
    remover.wait(|message| matches!(message, ToClient::Removed(_)).then_some(()));
    // The reader's link ends.
    reader.output.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(listed(&places), []);
}

/// Its output was kept in memory only.
#[test]
fn session_without_a_log_still_tells_its_reason() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(73));
    let mut holder = places.remote();
    let mut wish = create(instance, 1, "one");
    wish.buffering = Buffering::Drop;
    holder.say(wish, b"");
    let host = holder.wait(info).info.host_pid;
    holder.run(DONE, "echo one");
    let host = rustix::process::Pid::from_raw(i32::try_from(host).unwrap()).unwrap();
    rustix::process::kill_process(host, rustix::process::Signal::KILL).unwrap();
    holder.output.read_to_end(&mut Vec::new()).unwrap();

    let mut remote = attached(&places, instance, 1, AttachMode::Connect);
    // What was written down of it: what is missing, and how it ended.
    let kinds: Vec<_> = all(&mut remote, 1).into_iter().map(|it| it.1).collect();
    let ended = Outcome::Ended(ExitStatus::Code(0));
    assert!(
        matches!(kinds.as_slice(), [RecordKind::Gap(gap), RecordKind::Completed(outcome)]
            if gap.bytes == 4 && *outcome == ended),
        "{kinds:?}"
    );
    assert_eq!(remote.run(DONE, "echo one"), (Vec::new(), ended));
    remote.say(submit(UNHEARD), b"echo never");
    refused(&mut remote, Some(UNHEARD));
}

/// Its shell had ended in order, and the host was only waiting for somebody to hear of it.
#[test]
fn end_that_nobody_heard_of_outlives_the_host() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(74));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    let host = holder.wait(info).info.host_pid;
    holder.say(submit(DONE), b"echo one; exec true");
    let end = holder.wait(|message| match message {
        ToClient::Ended(ended) => Some(ended.end.clone()),
        _ => None,
    });
    let host = rustix::process::Pid::from_raw(i32::try_from(host).unwrap()).unwrap();
    rustix::process::kill_process(host, rustix::process::Signal::KILL).unwrap();
    holder.output.read_to_end(&mut Vec::new()).unwrap();

    assert_eq!(listed(&places)[0].life, Life::Ended(end.clone()));
    let mut remote = places.remote();
    remote.say(attach(instance, 2, AttachMode::Connect), b"");
    assert_eq!(remote.wait(info).info.life, Life::Ended(end));
    let (output, outcome) = remote.run(DONE, "echo never again");
    assert_eq!(output, b"one\n");
    assert!(
        matches!(&outcome, Outcome::SessionEnded(reason) if reason.contains("shell ended")),
        "{outcome:?}"
    );
    remote.say(submit(UNHEARD), b"echo never");
    let refusal = loop {
        if let (ToClient::Refused(refusal), _) = remote.hear() {
            break refusal;
        }
    };
    assert_eq!(refusal.code, RefusalCode::ENDED);
}
