//! Visits to a live bash: what is typed at its own prompt, and what becomes of it.
use outlast_protocol::link::TerminalSize;
use outlast_protocol::outcome::ExitStatus;
use outlast_subsystem::runspace::{Command, Event};

use crate::runspace::visitor::Visitor;
use crate::runspace::{Bench, Home};

async fn visitor() -> Visitor {
    let home = Home::new();
    home.write(".bash_profile", "PS1='prompt> ' PS2='more> '\n");
    Visitor::at(Bench::open_in(home).await.unwrap())
}

#[tokio::test]
async fn what_is_typed_and_what_is_invoked_share_one_shell() {
    let mut it = visitor().await;
    it.runs("x=from-invoke; f() { echo \"f got $1\"; }").await;
    it.visit();
    it.prompt().await;
    it.types("f $x\n").await;
    it.sees("f got from-invoke\r\n").await;
    it.prompt().await;
    it.types("x=typed; cd /usr; declare -A map=([k]=v); false | true\n")
        .await;
    it.prompt().await;
    it.types("exit 7\n").await;
    assert_eq!(it.is_gone().await, ExitStatus::Code(7));
    assert_eq!(it.runs("echo $x ${map[k]} $PWD").await, "typed v /usr\n");
}

#[tokio::test]
async fn a_half_typed_line_survives_an_invocation_with_its_cursor() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("echo left right\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D")
        .await;
    it.sees("echo left right").await;
    it.away().await;
    assert_eq!(it.runs("x=1; echo ran").await, "ran\n");
    it.visit();
    it.sees("echo left right").await;
    it.types(" X$x \n").await;
    it.sees("left X1 right").await;
    it.prompt().await;
    it.away().await;
    it.visit();
    it.prompt().await;
    it.types("echo only\"\"once\n").await;
    it.sees("\ronlyonce\r\n").await;
}

#[tokio::test]
async fn a_visitor_who_comes_back_before_any_work_finds_the_line_untouched() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("echo un").await;
    it.sees("echo un").await;
    it.bench.runspace.leave();
    it.visit();
    it.types("touched\n").await;
    it.sees("\runtouched\r\n").await;
}

#[tokio::test]
async fn a_program_is_left_alone_and_work_waits_for_it() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("echo begun; cat; echo ended\n").await;
    it.sees("\rbegun\r\n").await;
    it.types("one\n").await;
    it.sees("one\r\none\r\n").await;
    it.bench.runspace.leave();
    it.bench.runspace.want_back();
    assert_eq!(it.bench.runspace.left_running().as_deref(), Some("cat"));
    assert!(!it.bench.runspace.is_free());
    // The next visitor finds it, and ends it.
    it.visit();
    it.types("two\n\x04").await;
    it.sees("two\r\ntwo\r\nended").await;
    it.prompt().await;
    it.types("sleep 1000 & wait $!\n").await;
    it.sees("[1]").await;
    it.bench.runspace.leave();
    it.bench.runspace.want_back();
    it.types("\x03").await;
    it.is_free().await;
    assert_eq!(it.runs("kill %1 && echo killed").await, "killed\n");
}

#[tokio::test]
async fn control_d_leaves_from_an_empty_line_and_is_a_key_elsewhere() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("sleep 1000 &\n").await;
    it.prompt().await;
    it.types("echo abXc\x1b[D\x1b[D").await;
    it.sees("abXc").await;
    it.types("\x04").await;
    it.types("\n").await;
    it.sees("\rabc\r\n").await;
    it.prompt().await;
    it.types("(exit 3)\n").await;
    it.prompt().await;
    it.types("\x04").await;
    assert_eq!(it.is_gone().await, ExitStatus::Code(3));
    assert_eq!(it.runs("jobs -r | wc -l; kill %1").await.trim(), "1");
}

#[tokio::test]
async fn every_way_out_of_a_shell_ends_the_visit_only() {
    let mut it = visitor().await;
    for (typed, status) in [
        ("exit\n", 0),
        ("logout\n", 0),
        ("f() { exit 4; }; f\n", 4),
        ("set -e; false\n", 1),
        ("set +e; builtin exit 5\n", 5),
    ] {
        it.visit();
        it.prompt().await;
        it.types(&format!("kept=yes; {typed}")).await;
        assert_eq!(it.is_gone().await, ExitStatus::Code(status), "{typed}");
        assert_eq!(it.runs("set +e; echo $kept; unset kept").await, "yes\n");
    }
}

#[tokio::test]
async fn what_throws_a_command_out_stays_inside() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("bash -c 'echo ready; exec sleep 1000'\n").await;
    it.sees("\rready\r\n").await;
    it.types("\x03").await;
    it.sees("^C").await;
    it.prompt().await;
    it.types("echo $?\n").await;
    it.sees("\r130\r\n").await;
    it.prompt().await;
    it.types("set -u; echo $unset\n").await;
    it.sees("unset: unbound variable").await;
    it.prompt().await;
    it.types("set +u; for i in a b; do\n").await;
    it.sees("more> ").await;
    it.types("echo \"<$i>\"; done\n").await;
    it.sees("<a>\r\n<b>\r\n").await;
}

#[tokio::test]
async fn nothing_of_the_driver_shows_not_even_with_a_trace() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("set -x\n").await;
    it.prompt().await;
    it.types("echo one\n").await;
    it.sees("+ echo one\r\none\r\n").await;
    it.prompt().await;
    it.types("set +x; history; echo done\n").await;
    it.sees("\ndone\r\n").await;
    let until = it.screen.clone();
    it.prompt().await;
    it.types("exit\n").await;
    it.is_gone().await;
    let all = String::from_utf8(it.bench.runspace.pty_tail()).unwrap();
    assert!(!all.contains("outlast"), "{until}{all}");
}

#[tokio::test]
async fn the_history_is_the_users_and_is_there_to_be_recalled() {
    let home = Home::new();
    home.write(".bash_profile", "PS1='prompt> '\n");
    home.write(".bash_history", "echo from history\n");
    let mut it = Visitor::at(Bench::open_in(home).await.unwrap());
    it.runs("true").await;
    it.visit();
    it.prompt().await;
    it.types("\x1b[A").await;
    it.sees("echo from history").await;
    it.types("\n").await;
    it.sees("\rfrom history\r\n").await;
}

#[tokio::test]
async fn programs_see_a_terminal_of_the_visitors_size() {
    let mut it = visitor().await;
    let size = |columns, rows| TerminalSize { columns, rows };
    it.bench.runspace.resize(size(133, 47)).unwrap();
    it.visit();
    it.prompt().await;
    it.types("stty size\n").await;
    it.sees("\r47 133\r\n").await;
    it.prompt().await;
    let script = "trap 'stty size; exit' WINCH; echo ready; while :; do read -r -t 1; done";
    it.types(&format!("bash -c \"{script}\"\n")).await;
    it.sees("\rready\r\n").await;
    it.bench.runspace.resize(size(90, 20)).unwrap();
    it.sees("20 90\r\n").await;
}

#[tokio::test]
async fn a_paste_of_64_kib_arrives_whole() {
    let mut it = visitor().await;
    it.visit();
    it.prompt().await;
    it.types("cat >pasted\n").await;
    it.sees("cat >pasted\r\n").await;
    let pasted: String = (0..1024)
        .map(|line| format!("{line:04} {}\n", "x".repeat(58)))
        .collect();
    assert_eq!(pasted.len(), 64 * 1024);
    it.types(&pasted).await;
    it.types("\x04").await;
    it.prompt().await;
    let kept = std::fs::read_to_string(it.bench.home.path().join("pasted")).unwrap();
    assert_eq!(kept, pasted);
}

#[tokio::test]
async fn a_command_on_the_terminal_has_its_streams_there() {
    let mut it = visitor().await;
    let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; read -r line; echo got $line; x=2; (exit 9)";
    let spec = it.spec(Command::Script(script.into()));
    it.bench.runspace.start_on_terminal(&spec).unwrap();
    it.sees("terminal\r\n").await;
    it.types("typed\n").await;
    loop {
        match it.bench.runspace.next_event().await {
            Event::Completed { number, status } => {
                assert_eq!((number, status), (it.number, ExitStatus::Code(9)));
                break;
            }
            event => it.take(event),
        }
    }
    // All of it comes before the end.
    assert!(it.screen.ends_with("got typed\r\n"), "{:?}", it.screen);
    assert_eq!(it.runs("echo $x").await, "2\n");
}

#[tokio::test]
async fn what_is_lent_is_given_back() {
    let mut it = visitor().await;
    it.runs("A=old; declare -i N=5; g() { echo own; }; readonly R=1")
        .await;
    let mut spec = it.spec(Command::Script(
        "printf '%s|' \"$A\" \"$N\" \"$(printenv A)\" \"$B\"; g; h; A=changed".into(),
    ));
    let lent: [(&[u8], &[u8]); 5] = [
        (b"A", b"new 'quoted'\n$(false) \xff"),
        (b"N", b"7"),
        (b"B", b""),
        (b"BASH_FUNC_g%%", b"() {  echo \"lent $1\"\n}"),
        (b"BASH_FUNC_h%%", b"() {  echo lent h\n}"),
    ];
    spec.environment = lent.iter().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    let ran = it.bench.run_spec(&spec).await;
    let mut expected = Vec::new();
    for part in [lent[0].1, b"|7|", lent[0].1, b"||lent \nlent h\n"] {
        expected.extend_from_slice(part);
    }
    assert_eq!(ran.stdout, expected, "{ran:?}");
    let after = it
        .runs("echo $A ${N@a} $N ${B-unset}; printenv A; g; declare -F h || echo gone")
        .await;
    assert_eq!(after, "old i 5 unset\nown\ngone\n");
    let mut spec = it.spec(Command::Argv(vec![b"true".to_vec()]));
    spec.environment = vec![(b"R".to_vec(), b"2".to_vec())];
    let ran = it.bench.run_spec(&spec).await;
    assert_eq!(ran.status, ExitStatus::Code(1));
    assert_eq!(ran.err(), "R is a read-only variable\n");
    let mut spec = it.spec(Command::Script(b"true".to_vec()));
    spec.environment = vec![(b"a b".to_vec(), b"2".to_vec())];
    let error = it.bench.runspace.start(&spec).unwrap_err();
    assert_eq!(error.to_string(), "\"a b\" is not the name of a variable");
}

#[tokio::test]
async fn a_password_asked_for_on_the_terminal_is_a_question_and_nowhere_shown() {
    let mut it = visitor().await;
    let script = "read -r -s -p 'Password: ' a </dev/tty 2>/dev/tty; read -r -s -p 'Again: ' b </dev/tty 2>/dev/tty; echo $a/$b; read -r c </dev/tty || echo none";
    let spec = it.spec(Command::Script(script.into()));
    let mut pipes = it.bench.start_spec(&spec);
    for (prompt, answer) in [("Password: ", "secret one"), ("Again: ", "secret two")] {
        while it.asked.last().map(String::as_str) != Some(prompt) {
            it.step().await;
        }
        it.bench.runspace.answer(Some(answer));
    }
    pipes.read_until("secret one/secret two\n").await;
    // What is shown while it is typed is no question.
    it.bench.runspace.answer(Some("unasked"));
    it.bench.runspace.type_in("\x04".into());
    loop {
        match it.bench.runspace.next_event().await {
            Event::Completed { .. } => break,
            event => it.take(event),
        }
    }
    let (stdout, _) = pipes.read_to_end().await;
    assert_eq!(stdout, b"secret one/secret two\nnone\n");
    assert_eq!(it.asked.len(), 2, "{:?}", it.asked);
    let shown = it.bench.runspace.pty_tail();
    assert!(!String::from_utf8_lossy(&shown).contains("secret"));
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_the_end_of_the_file() {
    let mut it = visitor().await;
    let script = "read -r -s -p 'Password: ' a </dev/tty 2>/dev/tty; echo $?";
    let spec = it.spec(Command::Script(script.into()));
    let mut pipes = it.bench.start_spec(&spec);
    while it.asked.is_empty() {
        it.step().await;
    }
    it.bench.runspace.answer(None);
    while !matches!(
        it.bench.runspace.next_event().await,
        Event::Completed { .. }
    ) {}
    assert_eq!(pipes.read_to_end().await.0, b"1\n");
}
