use alloc::vec;

use uuid::Uuid;

use super::*;
use crate::link::{Command, Source};
use crate::record::RecordKind;

fn submit(invocation: InvocationId) -> Submit {
    Submit {
        stdin: true,
        ..Submit::new(invocation, Command::Script)
    }
}

fn reader_open() -> ReaderOpen {
    ReaderOpen {
        reader: ReaderId(0),
        source: Source::Log,
        from: From::Start,
        only: None,
        skip: Vec::new(),
        credit: 1,
        owed: 0,
    }
}

fn drain(attachment: &mut Attachment) -> Vec<Outgoing> {
    core::iter::from_fn(|| attachment.poll_message()).collect()
}

fn stdin_of(messages: &[Outgoing]) -> (Option<u64>, Vec<u8>, bool) {
    let mut first = None;
    let mut all = Vec::new();
    let mut end = false;
    for (message, body) in messages {
        match message {
            ToHost::Stdin(stdin) => {
                first.get_or_insert(stdin.offset);
                all.extend_from_slice(body);
            }
            ToHost::StdinEnd(_) => end = true,
            _ => {}
        }
    }
    (first, all, end)
}

#[test]
fn an_unanswered_submission_is_said_again_and_an_answered_one_is_not() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.submit(submit(id), Bytes::from_static(b"true"));
    assert!(
        drain(&mut attachment).is_empty(),
        "nothing is sent without a link"
    );
    for _ in 0..2 {
        attachment.link_up();
        let said = drain(&mut attachment);
        assert!(matches!(said[0].0, ToHost::Submit(_)));
        attachment.link_down();
    }
    let answer = Submitted {
        invocation: id,
        ahead: 0,
        stdin_offset: 0,
        from: Seq(1),
    };
    attachment.submitted(&answer);
    attachment.link_up();
    assert!(drain(&mut attachment).is_empty());
}

#[test]
fn a_cancel_is_said_on_every_link_until_nobody_waits_any_more() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.cancel(id, Level::Interrupt);
    assert!(
        drain(&mut attachment).is_empty(),
        "nothing is sent without a link"
    );
    attachment.cancel(id, Level::Kill);
    attachment.cancel(id, Level::Terminate);
    for _ in 0..2 {
        attachment.link_up();
        let said = drain(&mut attachment);
        assert!(
            matches!(&said[..], [(ToHost::Cancel(cancel), _)] if cancel.level == Level::Kill),
            "{said:?}"
        );
        attachment.link_down();
    }
    attachment.left(id);
    attachment.link_up();
    assert!(drain(&mut attachment).is_empty());
}

#[test]
fn submissions_are_said_again_in_the_order_they_were_made() {
    let ids = [3, 1, 2].map(|n| InvocationId(Uuid::from_u128(n)));
    let mut attachment = Attachment::default();
    for id in ids {
        attachment.submit(submit(id), Bytes::new());
    }
    attachment.link_up();
    let said: Vec<_> = drain(&mut attachment)
        .into_iter()
        .filter_map(|(message, _)| match message {
            ToHost::Submit(submit) => Some(submit.invocation),
            _ => None,
        })
        .collect();
    assert_eq!(said, ids);
}

#[test]
fn what_a_closed_reader_consumed_is_said_again() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    let open = reader_open();
    let reader = attachment.open_reader(open.clone());
    attachment.consumed(reader, Seq(7));
    attachment.close_reader(reader);
    let unread = attachment.open_reader(open);
    attachment.close_reader(unread);
    attachment.link_down();
    attachment.link_up();
    let said = drain(&mut attachment);
    let [
        (ToHost::ReaderOpen(open), _),
        (ToHost::ReaderClose(close), _),
    ] = &said[..]
    else {
        panic!("{said:?}");
    };
    assert_eq!((open.reader, close.reader), (reader, reader));
    assert_eq!(open.from, From::Seq(Seq(8)));
}

#[test]
fn input_is_sent_again_from_where_the_command_took_it() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.submit(submit(id), Bytes::new());
    attachment.stdin(id, Bytes::from_static(b"hello "));
    attachment.stdin(id, Bytes::from_static(b"world"));
    attachment.stdin_end(id);
    assert_eq!(
        stdin_of(&drain(&mut attachment)),
        (Some(0), b"hello world".to_vec(), true)
    );
    attachment.stdin_taken(&StdinTaken {
        invocation: id,
        offset: 8,
        closed: false,
    });
    assert!(drain(&mut attachment).is_empty());
    attachment.link_down();
    attachment.link_up();
    assert_eq!(
        stdin_of(&drain(&mut attachment)),
        (Some(8), b"rld".to_vec(), true)
    );
    attachment.stdin_taken(&StdinTaken {
        invocation: id,
        offset: 9,
        closed: true,
    });
    attachment.link_down();
    attachment.link_up();
    assert_eq!(stdin_of(&drain(&mut attachment)), (None, vec![], false));
}

/// The command took a whole window while nobody held the session: what is given again from
/// where the last attachment knew it to be must not fill this one's window.
#[test]
fn input_that_was_taken_meanwhile_is_not_sent_again() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.resume_input(id, 10);
    attachment.submit(submit(id), Bytes::new());
    attachment.submitted(&Submitted {
        invocation: id,
        ahead: 0,
        stdin_offset: 10 + STDIN_WINDOW,
        from: Seq(1),
    });
    let window = usize::try_from(STDIN_WINDOW).unwrap();
    attachment.stdin(id, Bytes::from(vec![1; window - 1]));
    assert_eq!(stdin_of(&drain(&mut attachment)), (None, vec![], false));
    attachment.stdin(id, Bytes::from_static(&[1, 2, 3]));
    attachment.stdin_end(id);
    let rest = (Some(10 + STDIN_WINDOW), vec![2, 3], true);
    assert_eq!(stdin_of(&drain(&mut attachment)), rest);
}

/// The same command sent again from another terminal, with the same input from its beginning.
#[test]
fn input_given_anew_replaces_what_was_given_and_not_taken() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.submit(submit(id), Bytes::new());
    attachment.stdin(id, Bytes::from_static(b"hello wo"));
    let taken = |offset| StdinTaken {
        invocation: id,
        offset,
        closed: false,
    };
    attachment.stdin_taken(&taken(3));
    drain(&mut attachment);
    attachment.resume_input(id, 0);
    attachment.submit(submit(id), Bytes::new());
    attachment.stdin(id, Bytes::from_static(b"he"));
    attachment.stdin(id, Bytes::from_static(b"llo world"));
    attachment.stdin_end(id);
    assert_eq!(
        stdin_of(&drain(&mut attachment)),
        (Some(3), b"lo world".to_vec(), true)
    );
}

#[test]
fn input_given_anew_that_is_shorter_ends_where_the_command_is() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.resume_input(id, 0);
    attachment.submit(submit(id), Bytes::new());
    attachment.submitted(&Submitted {
        invocation: id,
        ahead: 0,
        stdin_offset: 9,
        from: Seq(1),
    });
    attachment.stdin(id, Bytes::from_static(b"short"));
    attachment.stdin_end(id);
    let said = drain(&mut attachment);
    let end = said.iter().find_map(|(message, _)| match message {
        ToHost::StdinEnd(end) => Some(end.offset),
        _ => None,
    });
    assert_eq!((stdin_of(&said).1, end), (vec![], Some(9)));
}

#[test]
fn input_beyond_the_window_waits_for_the_command() {
    let id = InvocationId(Uuid::from_u128(1));
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.submit(submit(id), Bytes::new());
    let window = usize::try_from(STDIN_WINDOW).unwrap();
    // Pieces of odd sizes: the last one sent is cut to what the window leaves.
    attachment.stdin(id, Bytes::from_static(b"odd"));
    attachment.stdin(id, Bytes::from(vec![7; window + 7]));
    attachment.stdin_end(id);
    let (_, sent, end) = stdin_of(&drain(&mut attachment));
    assert_eq!((sent.len(), end), (window, false));
    attachment.stdin_taken(&StdinTaken {
        invocation: id,
        offset: 100,
        closed: false,
    });
    let (first, sent, end) = stdin_of(&drain(&mut attachment));
    assert_eq!((first, sent.len(), end), (Some(window as u64), 10, true));
}

#[test]
fn a_reader_goes_on_behind_the_last_record_and_takes_none_twice() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    let reader = attachment.open_reader(reader_open());
    drain(&mut attachment);
    let record = |seq| Record {
        reader,
        seq: Seq(seq),
        time_ms: 0,
        invocation: None,
        kind: RecordKind::Started,
    };
    assert!(attachment.accept(&record(1), 10));
    assert!(attachment.accept(&record(2), 10));
    attachment.link_down();
    attachment.consumed(reader, Seq(1));
    attachment.link_up();
    let said = drain(&mut attachment);
    assert!(
        matches!(&said[0].0, ToHost::ReaderOpen(open) if open.from == From::Seq(Seq(3)) && open.owed == RECORD_COST + 10),
        "{said:?}"
    );
    assert!(
        matches!(&said[1].0, ToHost::ReaderAck(ack) if ack.seq == Seq(1)),
        "{said:?}"
    );
    assert!(!attachment.accept(&record(2), 10));
    assert!(attachment.accept(&record(3), 10));
}

#[test]
fn a_long_body_follows_in_pieces_on_every_link_until_it_is_answered() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    let id = InvocationId(Uuid::from_u128(1));
    let body = Bytes::from(vec![b'x'; 2 * MAX_PIECE + 5]);
    attachment.submit(Submit::new(id, Command::Script), body);
    for _ in 0..2 {
        let said = drain(&mut attachment);
        let lengths: Vec<_> = said.iter().map(|(_, body)| body.len()).collect();
        assert_eq!(lengths, [MAX_PIECE, MAX_PIECE, 5]);
        let more_len = u32::try_from(MAX_PIECE + 5).unwrap();
        assert!(
            matches!(&said[0].0, ToHost::Submit(submit) if submit.more_len == more_len),
            "{said:?}"
        );
        let more = ToHost::from(More { invocation: id });
        assert!(said[1..].iter().all(|(message, _)| *message == more));
        attachment.link_down();
        attachment.link_up();
    }
}

#[test]
fn the_size_of_the_terminal_is_said_once_and_on_every_link() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    let size = TerminalSize {
        columns: 80,
        rows: 24,
    };
    attachment.resize(size);
    attachment.resize(size);
    let said = [(ToHost::from(Resize { size }), Bytes::new())];
    assert_eq!(drain(&mut attachment), said);
    attachment.link_down();
    attachment.link_up();
    assert_eq!(drain(&mut attachment), said);
    attachment.forget_size();
    attachment.link_down();
    attachment.link_up();
    assert_eq!(drain(&mut attachment), []);
}

#[test]
fn an_answer_is_said_again_until_the_question_is_over() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    assert!(attachment.asked(3));
    assert!(!attachment.asked(3), "a new link asks the same again");
    let answer = Answer {
        question: 3,
        text: Some("geheim".into()),
    };
    attachment.answer(answer.clone());
    let said = [(ToHost::from(answer), Bytes::new())];
    assert_eq!(drain(&mut attachment), said);
    attachment.link_down();
    attachment.link_up();
    assert_eq!(drain(&mut attachment), said);
    attachment.question_over(3);
    attachment.link_down();
    attachment.link_up();
    assert_eq!(drain(&mut attachment), []);
}

#[test]
fn who_reads_the_terminal_says_so_before_anything_is_submitted() {
    let mut attachment = Attachment::default();
    attachment.link_up();
    attachment.open_reader(reader_open());
    attachment.open_reader(ReaderOpen {
        source: Source::Terminal,
        ..reader_open()
    });
    attachment.link_down();
    attachment.submit(submit(InvocationId(Uuid::from_u128(1))), Bytes::new());
    attachment.link_up();
    let said: Vec<_> = drain(&mut attachment);
    let names: Vec<_> = said.iter().map(|(message, _)| message.name()).collect();
    assert_eq!(names, ["ReaderOpen", "Submit", "ReaderOpen"]);
    assert!(matches!(&said[0].0, ToHost::ReaderOpen(open) if open.source == Source::Terminal));
}
