//! The remote end as sshd starts it, spoken to over its standard streams.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "relay/examination.rs"]
mod examination;
mod remote;

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use outlast_protocol::hello::Extension;
use outlast_protocol::id::{ClientId, InstanceId, InvocationId, SessionName};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::ToClient;
use outlast_protocol::link::to_host::{
    Attach, CONFIRMS, Cancel, Create, Detach, End, List, Ping, Remove, Submit, ToHost,
};
use outlast_protocol::link::{AttachMode, Command as Kind, Level};
use outlast_protocol::outcome::{ExitStatus, Outcome};
use outlast_protocol::session::{Buffering, End as Ended, IdleTimeout, Life, SessionInfo};
use outlast_subsystem::registry::{Meta, MetaLife, Registry};
use uuid::Uuid;

use remote::{Places, Remote, attach, create};

fn attached(message: &ToClient) -> Option<()> {
    matches!(message, ToClient::Attached(_)).then_some(())
}

#[test]
fn a_session_outlives_its_link_and_ends_when_removed() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(7));
    let mut first = places.remote();
    first.say(create(instance, 1, "one"), b"");
    first.wait(attached);
    let (output, outcome) = first.run(1, "x=41; echo first");
    assert_eq!(
        (output.as_slice(), outcome),
        (&b"first\n"[..], Outcome::Ended(ExitStatus::Code(0)))
    );
    drop(first);

    let mut second = places.remote();
    second.say(attach(instance, 2, AttachMode::Connect), b"");
    second.wait(attached);
    assert_eq!(second.run(2, "echo $((x + 1)); exit 5").0, b"42\n");
    let (_, outcome) = second.run(1, "echo never again");
    assert_eq!(
        outcome,
        Outcome::Ended(ExitStatus::Code(0)),
        "a resend has the first outcome"
    );

    second.say(
        End {
            extensions: Vec::new(),
        },
        b"",
    );
    let end = second.wait(|message| match message {
        ToClient::Ended(ended) => Some(ended.end.clone()),
        _ => None,
    });
    assert_eq!(end, Ended::Removed);
    // The host closes the link when nothing is left of the session.
    let mut rest = Vec::new();
    second.output.read_to_end(&mut rest).unwrap();
    drop(second);
    assert_eq!(
        std::fs::read_dir(places.sessions.path().join("sessions"))
            .unwrap()
            .count(),
        1,
        "only names.lock"
    );
}

#[test]
fn a_held_session_is_refused_and_can_be_stolen() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(8));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    holder.wait(attached);

    let mut stranger = places.remote();
    stranger.say(attach(instance, 2, AttachMode::Connect), b"");
    let (refused, _) = stranger.hear();
    assert!(matches!(refused, ToClient::Refused(r) if r.code == RefusalCode::HELD));

    let mut thief = places.remote();
    thief.say(attach(instance, 2, AttachMode::Steal), b"");
    thief.wait(attached);
    let by = holder.wait(|message| match message {
        ToClient::Stolen(stolen) => Some(stolen.by.clone()),
        _ => None,
    });
    assert_eq!(
        (by.client, by.user.as_str()),
        (ClientId(Uuid::from_u128(2)), "me")
    );

    let mut remover = places.remote();
    remover.say(
        Remove {
            instance,
            extensions: Vec::new(),
        },
        b"",
    );
    remover.wait(|message| matches!(message, ToClient::Removed(_)).then_some(()));
}

#[test]
fn a_list_tells_live_from_broken() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(9));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    let pid = holder.wait(|message| match message {
        ToClient::Attached(attached) => Some(attached.info.host_pid),
        _ => None,
    });
    let lives = |remote: &mut Remote| {
        remote.say(
            List {
                extensions: Vec::new(),
            },
            b"",
        );
        remote.wait(|message| match message {
            ToClient::Listed(listed) => Some(
                listed
                    .sessions
                    .iter()
                    .map(|info| info.life.clone())
                    .collect::<Vec<_>>(),
            ),
            _ => None,
        })
    };
    assert_eq!(lives(&mut places.remote()), [Life::Live]);

    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // The link ends when the host is gone.
    let mut rest = Vec::new();
    holder.output.read_to_end(&mut rest).unwrap();
    let found = lives(&mut places.remote());
    assert!(
        matches!(found.as_slice(), [Life::Broken(reason)] if reason.contains("killed")),
        "{found:?}"
    );

    let mut remover = places.remote();
    remover.say(
        Remove {
            instance,
            extensions: Vec::new(),
        },
        b"",
    );
    remover.wait(|message| matches!(message, ToClient::Removed(_)).then_some(()));
    assert_eq!(lives(&mut places.remote()), []);
}

/// A user may have more sessions than the remote end may have files open.
#[test]
fn a_list_is_whole_however_few_files_may_be_open() {
    const SESSIONS: u128 = 150;
    let places = Places::new();
    let place = places.sessions.path().join("sessions");
    let registry = Registry::at(&place).unwrap();
    for number in 1..=SESSIONS {
        let instance = InstanceId(Uuid::from_u128(number));
        let entry = registry.create(instance).unwrap();
        Meta {
            format: Meta::FORMAT,
            instance,
            name: SessionName::new(&format!("job{number}")).unwrap(),
            configuration: "bash".into(),
            created_ms: 1,
            idle_timeout: IdleTimeout::Never,
            buffering: Buffering::Spool,
            life: MetaLife::Ended(Ended::Removed),
            host: None,
            shell: None,
            boot_id: String::new(),
            disconnected_ms: None,
            memory: None,
            durability: String::new(),
        }
        .write(entry.directory())
        .unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\""]);
    command.arg(env!("CARGO_BIN_EXE_outlast-subsystem"));
    let mut remote = Remote::of(command, &place, places.home.path());
    remote.say(
        List {
            extensions: Vec::new(),
        },
        b"",
    );
    let listed = remote.wait(|message| match message {
        ToClient::Listed(listed) => Some(listed.sessions.len()),
        _ => None,
    });
    assert_eq!(listed as u128, SESSIONS);
}

/// Between what a thief says and what it hears of it: nothing is taken before it has shown that it
/// is there.
#[test]
fn a_theft_that_fails_half_way_takes_nothing() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(10));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    holder.wait(attached);
    let steal = |client| Attach {
        extensions: vec![Extension {
            name: CONFIRMS.to_owned(),
            value: Vec::new(),
        }],
        ..attach(instance, client, AttachMode::Steal)
    };
    let holder_of = |info: &SessionInfo| info.holder.as_ref().map(|holder| holder.client);
    let told = |message: &ToClient| match message {
        ToClient::Attached(attached) => Some(holder_of(&attached.info)),
        _ => None,
    };
    let news = |message: &ToClient| match message {
        ToClient::Changed(changed) => Some(holder_of(&changed.info)),
        _ => None,
    };
    let client = |number| Some(ClientId(Uuid::from_u128(number)));

    let mut lost = places.remote();
    lost.say(steal(2), b"");
    assert_eq!(lost.wait(told), client(1), "the holder has it still");
    drop(lost);
    // Its command runs, and it is told nothing.
    assert_eq!(
        holder.run(1, "echo on").1,
        Outcome::Ended(ExitStatus::Code(0))
    );

    // Two who come so far at once: the last to show itself has it, and each other is told.
    let (mut second, mut third) = (places.remote(), places.remote());
    second.say(steal(2), b"");
    third.say(steal(3), b"");
    assert_eq!(
        (second.wait(told), third.wait(told)),
        (client(1), client(1))
    );
    third.say(Ping { number: 0 }, b"");
    assert_eq!(third.wait(news), client(3));
    second.say(Ping { number: 0 }, b"");
    assert_eq!(second.wait(news), client(2));
    let by = |message: &ToClient| match message {
        ToClient::Stolen(stolen) => Some(Some(stolen.by.client)),
        _ => None,
    };
    assert_eq!(third.wait(by), client(2));
    assert_eq!(holder.wait(by), client(3));
    // What the losers still say is not heard any more.
    assert_eq!(second.run(2, "echo mine").0, b"mine\n");
    second.say(
        End {
            extensions: Vec::new(),
        },
        b"",
    );
    second.wait(|message| matches!(message, ToClient::Ended(_)).then_some(()));
}

#[test]
fn a_watcher_changes_nothing() {
    let places = Places::new();
    let instance = InstanceId(Uuid::from_u128(11));
    let mut holder = places.remote();
    holder.say(create(instance, 1, "one"), b"");
    holder.wait(attached);
    let mut watcher = places.remote();
    watcher.say(attach(instance, 2, AttachMode::ReadOnly), b"");
    watcher.wait(attached);
    let invocation = InvocationId(Uuid::from_u128(1));
    let submit = Submit {
        invocation,
        command: Kind::Script,
        environment_len: 0,
        arguments_len: 0,
        more_len: 0,
        stdin: false,
        terminal: None,
        agent: false,
        timeout_ms: None,
        kill_after_ms: None,
        wait: true,
        extensions: Vec::new(),
    };
    let cancel = Cancel {
        invocation,
        level: Level::Kill,
    };
    let end = End {
        extensions: Vec::new(),
    };
    let timeout = Detach {
        idle_timeout: Some(IdleTimeout::Seconds(60)),
    };
    let forbidden: [ToHost; 4] = [
        submit.into(),
        cancel.into(),
        end.clone().into(),
        timeout.into(),
    ];
    for message in forbidden {
        let name = message.name();
        watcher.say(message, b"");
        let refused = loop {
            if let (ToClient::Refused(refused), _) = watcher.hear() {
                break refused;
            }
        };
        assert_eq!(refused.code, RefusalCode::READ_ONLY, "{name}");
    }
    watcher.say(Detach { idle_timeout: None }, b"");
    let left = watcher.wait(|message| match message {
        ToClient::Detached(detached) => Some(detached.info.clone()),
        _ => None,
    });
    assert_eq!(left.idle_timeout, IdleTimeout::Never, "{left:?}");
    assert_eq!(holder.run(2, "echo on").0, b"on\n");
    holder.say(end, b"");
    holder.wait(|message| matches!(message, ToClient::Ended(_)).then_some(()));
}

/// Takes the shortest idle timeout there is, a minute.
#[test]
fn an_idle_session_ends_by_itself_and_an_attached_one_does_not() {
    let places = Places::new();
    let timed = |number, client, name| Create {
        idle_timeout: IdleTimeout::Seconds(60),
        ..create(InstanceId(Uuid::from_u128(number)), client, name)
    };
    let host = |message: &ToClient| match message {
        ToClient::Attached(attached) => Some((attached.info.host_pid, attached.info.life.clone())),
        _ => None,
    };
    let mut kept = places.remote();
    kept.say(timed(1, 1, "kept"), b"");
    kept.wait(host);
    let mut left = places.remote();
    left.say(timed(2, 1, "left"), b"");
    let (pid, _) = left.wait(host);
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let gone = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let began = Instant::now();
    drop(left);
    let wait = |seconds| {
        let pause = rustix::time::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let input = rustix::event::PollFlags::IN;
        let mut ended = [rustix::event::PollFd::new(&gone, input)];
        rustix::event::poll(&mut ended, Some(&pause)).unwrap() > 0
    };
    let lives = || {
        let mut lister = places.remote();
        lister.say(
            List {
                extensions: Vec::new(),
            },
            b"",
        );
        lister.wait(|message| match message {
            ToClient::Listed(listed) => {
                let named = |info: &SessionInfo| (info.name.to_string(), info.life.clone());
                let mut all: Vec<_> = listed.sessions.iter().map(named).collect();
                all.sort_by(|one, other| one.0.cmp(&other.0));
                Some(all)
            }
            _ => None,
        })
    };
    let expired = Life::Ended(Ended::IdleTimeout);
    let live = ("kept".to_owned(), Life::Live);

    // The heartbeat of the one that is kept; without it its link would be dead by then.
    while lives() != [live.clone(), ("left".to_owned(), expired.clone())] {
        assert!(began.elapsed() < Duration::from_secs(120), "it lives on");
        assert!(!wait(5), "it left before anybody had heard of its end");
        kept.say(Ping { number: 1 }, b"");
    }
    assert!(began.elapsed() >= Duration::from_secs(60), "it ended early");

    // Whoever comes too late is told why, and then it is gone.
    let mut late = places.remote();
    let instance = InstanceId(Uuid::from_u128(2));
    late.say(attach(instance, 1, AttachMode::Connect), b"");
    assert_eq!(late.wait(host).1, expired);
    late.say(Detach { idle_timeout: None }, b"");
    assert!(wait(60), "its host stays although everybody has heard");
    assert_eq!(lives(), [live]);
    kept.say(
        End {
            extensions: Vec::new(),
        },
        b"",
    );
    kept.wait(|message| matches!(message, ToClient::Ended(_)).then_some(()));
}
