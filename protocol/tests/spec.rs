//! PROTOCOL.md against the code, both ways: what the page lists and the code lacks fails as well
//! as what the code has and the page does not.
// A helper of a test fails the test like the test itself.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;

use outlast_protocol::frame::{Frame, HEADER};
use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::{hello, limits};
use support::contract::{self, Section};
use support::direction::{self, ALL};
use support::shape::{Members, Shapes};
use support::{fixtures, hex};

mod link_to_host {
    pub(crate) use outlast_protocol::hello::Hello;
    pub(crate) use outlast_protocol::link::to_host::*;
}
mod link_to_client {
    pub(crate) use outlast_protocol::hello::Hello;
    pub(crate) use outlast_protocol::link::to_client::*;
}
mod to_mux {
    pub(crate) use outlast_protocol::control::to_mux::*;
    pub(crate) use outlast_protocol::hello::Hello;
}
mod to_cli {
    pub(crate) use outlast_protocol::control::to_cli::*;
    pub(crate) use outlast_protocol::hello::Hello;
}
mod relay {
    pub(crate) use outlast_protocol::handover::*;
    pub(crate) use outlast_protocol::link::refusal::Refused;
}

/// The shapes of the messages of one direction, by name, and of all they are made of.
macro_rules! shapes {
    ($($direction:literal: $module:ident { $($message:ident)* })*) => {
        vec![$(($direction, vec![$({
            let mut shapes = Shapes::default();
            let name = shapes.add::<$module::$message>();
            assert_eq!(name, stringify!($message));
            let members = shapes.structs.remove(&name).expect("a message is a struct");
            (stringify!($message), members, shapes)
        }),*])),*]
    };
}

type Messages = Vec<(&'static str, Members, Shapes)>;

fn shapes() -> Vec<(&'static str, Messages)> {
    shapes! {
        "link.to-host": link_to_host {
            Hello List Create Attach Remove Examine Submit Stdin StdinEnd Cancel ReaderOpen ReaderAck
            ReaderClose Detach End Resize Answer AgentData AgentEnd More Ping Pong
        }
        "link.to-client": link_to_client {
            Hello Listed Attached Removed Refused Examined Submitted StdinTaken Record CaughtUp Changed
            Stolen Detached Ended Question QuestionOver AgentData AgentEnd Modes Ping Pong
        }
        "control.to-mux": to_mux {
            Hello Select Enumerate New Connect Disconnect Remove Invoke Receive MuxStatus MuxStop Watch
            Enter Examine Askpass Stdin StdinEnd Consumed Cancel Answer Resize More Execute
        }
        "control.to-cli": to_cli {
            Hello Sessions Question Notice Accepted Record StdinTaken Interrupted Resumed Finished
            Failed MuxReport CaughtUp QuestionOver Examined Answered Modes Sent Executed
        }
        "handover.to-host": relay { HandOver Inquire Terminate }
        "handover.to-relay": relay { TakenOver Status Terminated Refused }
    }
}

/// Names and types as the page lists them, in the notation of the code's shapes.
fn listed(section: &Section, first_column: &str, name: usize, payload: usize) -> Members {
    let plain = |text: &str| match text {
        "–" => String::new(),
        text => text.replace("SessionName", "string"),
    };
    section
        .table(first_column)
        .iter()
        .map(|row| (row[name].clone(), plain(&row[payload])))
        .collect()
}

fn about(direction: &str) -> Section {
    contract::section(&format!("(`{direction}`)"))
}

/// Whether a message may have raw bytes behind it.
fn is_bulk(direction: &direction::Direction, message: &str) -> bool {
    let all = fixtures::all();
    let fixture = all
        .iter()
        .find(|fixture| fixture.direction == direction.name && fixture.message == message)
        .expect("a fixture");
    let payload = [&fixture.bytes[HEADER..], &[0]].concat();
    let number = fixture.bytes[HEADER - 1];
    (direction.decode)(&Frame {
        number,
        payload: payload.into(),
    })
    .is_ok()
}

#[test]
fn message_numbers() {
    for direction in ALL {
        let code: Vec<_> = direction
            .table
            .iter()
            .map(|&(number, name)| {
                let bulk = if is_bulk(direction, name) {
                    "yes"
                } else {
                    "no"
                };
                vec![format!("{number:#04x}"), name.to_string(), bulk.to_string()]
            })
            .collect();
        let section = about(direction.name);
        assert_eq!(section.table("number"), code, "{}", direction.name);

        let headings: Vec<_> = section
            .below()
            .into_iter()
            .map(|below| below.title)
            .collect();
        let expected: Vec<_> = code
            .iter()
            .map(|row| format!("`{}` ({})", row[1], row[0]))
            .collect();
        assert_eq!(headings, expected, "{}", direction.name);
    }
}

#[test]
fn fields_of_messages() {
    for (direction, messages) in shapes() {
        let names: Vec<_> = messages.iter().map(|(name, ..)| *name).collect();
        let table: Vec<_> = direction::named(direction)
            .table
            .iter()
            .map(|row| row.1)
            .collect();
        assert_eq!(names, table, "this test's own list of {direction}");

        let below = about(direction).below();
        for (section, (name, members, _)) in below.iter().zip(&messages) {
            assert_eq!(
                &listed(section, "field", 0, 1),
                members,
                "{direction} {name}"
            );
        }
    }
}

/// Every type that messages are made of: structs, enums, renamed types.
fn nouns() -> Shapes {
    let mut all = Shapes::default();
    let put = |map: &mut BTreeMap<String, Members>, name: &String, members: &Members| {
        let old = map.insert(name.clone(), members.clone());
        assert!(
            old.is_none_or(|old| &old == members),
            "two types are called {name}"
        );
    };
    for (_, messages) in shapes() {
        for (_, _, shapes) in messages {
            shapes
                .structs
                .iter()
                .for_each(|(name, new)| put(&mut all.structs, name, new));
            shapes
                .enums
                .iter()
                .for_each(|(name, new)| put(&mut all.enums, name, new));
            all.newtypes.extend(shapes.newtypes);
        }
    }
    all
}

#[test]
fn types_that_messages_are_made_of() {
    let mut code = nouns();
    // A message that also occurs within another one.
    assert!(code.structs.remove("Hello").is_some());

    let mut page = Shapes::default();
    for section in contract::section("Types").below() {
        let name = section.title.trim_matches('`').to_string();
        if section.title == "Renamed types" {
            let rows = section.table("name").into_iter();
            page.newtypes = rows.map(|row| (row[0].clone(), row[1].clone())).collect();
        } else if section.table("index").is_empty() {
            page.structs.insert(name, listed(&section, "field", 0, 1));
        } else {
            for (index, row) in section.table("index").iter().enumerate() {
                assert_eq!(row[0], index.to_string(), "{name}");
            }
            page.enums.insert(name, listed(&section, "index", 1, 2));
        }
    }
    // To serde it is a string that is checked.
    assert_eq!(
        page.newtypes.remove("SessionName").as_deref(),
        Some("string")
    );
    assert_eq!(page.structs, code.structs);
    assert_eq!(page.enums, code.enums);
    assert_eq!(page.newtypes, code.newtypes);
}

#[test]
fn limits_by_name_value_and_unit() {
    macro_rules! limits {
        ($($name:ident $unit:literal $value:expr;)*) => {
            [$((stringify!($name), $value.to_string(), $unit)),*]
        };
    }
    use limits::*;
    let code = limits! {
        MAX_FRAME "bytes" MAX_FRAME;
        MAX_FRAME_BEFORE_ATTACH "bytes" MAX_FRAME_BEFORE_ATTACH;
        MAX_NOISE "bytes" MAX_NOISE;
        MAX_CHUNK "bytes" MAX_CHUNK;
        MAX_PIECE "bytes" MAX_PIECE;
        MAX_SCRIPT "bytes" MAX_SCRIPT;
        TERMINAL_HISTORY "bytes" TERMINAL_HISTORY;
        VISITOR_GRACE "s" VISITOR_GRACE.as_secs();
        MAX_AGENT_CONNECTIONS "count" MAX_AGENT_CONNECTIONS;
        MAX_ANSWER "bytes" MAX_ANSWER;
        STDIN_WINDOW "bytes" STDIN_WINDOW;
        MAX_CREDIT "bytes" MAX_CREDIT;
        DEFAULT_CREDIT "bytes" DEFAULT_CREDIT;
        RECORD_COST "bytes" RECORD_COST;
        MAX_QUEUE "count" MAX_QUEUE;
        MAX_OUTCOMES "count" MAX_OUTCOMES;
        MAX_READERS "count" MAX_READERS;
        MAX_SKIPS "count" MAX_SKIPS;
        HANDSHAKE_TIME "s" HANDSHAKE_TIME.as_secs();
        GREETING_TIME "s" GREETING_TIME.as_secs();
        HEARTBEAT "s" HEARTBEAT.as_secs();
        DEAD_AFTER "s" DEAD_AFTER.as_secs();
        AFTER_SLEEP "s" AFTER_SLEEP.as_secs();
        MIN_IDLE_TIMEOUT "s" MIN_IDLE_TIMEOUT;
        DEFAULT_IDLE_TIMEOUT "s" DEFAULT_IDLE_TIMEOUT;
        ENDED_RETENTION "s" ENDED_RETENTION;
    };
    // Constants cannot be listed by a program; their names can be read off.
    let source = include_str!("../src/limits.rs");
    let declared: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    assert_eq!(
        declared,
        code.each_ref().map(|(name, ..)| *name),
        "this test's own list"
    );

    let page = contract::section("Limits").table("name");
    let code: Vec<_> = code
        .iter()
        .map(|(name, value, unit)| [*name, value, *unit])
        .collect();
    let page: Vec<_> = page
        .iter()
        .map(|row| [&row[0][..], &row[1], &row[2]])
        .collect();
    assert_eq!(page, code);
}

#[test]
fn refusal_codes() {
    let code: Vec<_> = RefusalCode::TABLE
        .iter()
        .map(|(number, name, sentence)| {
            vec![number.to_string(), name.to_string(), sentence.to_string()]
        })
        .collect();
    assert_eq!(contract::section("Refusal codes").table("number"), code);
}

#[test]
fn magic_and_protocol_numbers() {
    let magic: Vec<_> = hello::MAGIC
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(contract::TEXT.contains(&magic.join(" ")));
    assert_eq!((hello::LINK_PROTOCOL, hello::CONTROL_PROTOCOL), (1, 1));
    assert!(contract::TEXT.contains("Link and control protocol are both number 1 now"));
}

#[test]
fn worked_examples() {
    let examples = contract::examples();
    assert_eq!(examples.len(), 3);
    for (name, text) in examples {
        let all = fixtures::all();
        let fixture = all
            .iter()
            .find(|fixture| fixture.file() == name)
            .expect(name);
        assert_eq!(hex::parse(text), fixture.bytes, "{name}");
    }
}
