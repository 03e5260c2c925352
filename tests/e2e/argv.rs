//! What is to be run: script text, a program with arguments, a file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use outlast_protocol::limits::MAX_SCRIPT;

use crate::stage::{Stage, run};
use crate::world::World;

/// Words that some shell on the way would change.
const WORDS: [&str; 20] = [
    "plain",
    "two  words ",
    "it's",
    "\"quoted\"",
    "'",
    "line 1\nline 2\n",
    "",
    "*",
    "~",
    "$HOME",
    "$(echo no)",
    "`echo no`",
    "back\\slash\\",
    "a;b&c|d>e<f",
    "#comment",
    "!history",
    "{a,b}",
    "-n",
    "--",
    "größe\ttab",
];

fn bracketed(words: &[&str]) -> String {
    words.iter().map(|word| format!("<{word}>")).collect()
}

fn words_arrive(world: &World) {
    let argv = [&["printf", "<%s>"][..], &WORDS].concat();
    world
        .run(&argv)
        .success()
        .stdout_is(&bracketed(&WORDS))
        .stderr_is("");
    // No shell, not even ours, has a say in a program of its own.
    let count = ["sh", "-c", "echo $#; printf '<%s>' \"$@\"", "name"];
    let argv = [&count[..], &WORDS].concat();
    let expected = format!("{}\n{}", WORDS.len(), bracketed(&WORDS));
    world
        .run(&argv)
        .success()
        .stdout_is(&expected)
        .stderr_is("");
}

#[test]
fn program_gets_its_arguments_as_they_are() {
    words_arrive(&World::new().with_session());
}

#[test]
fn program_gets_its_arguments_as_they_are_on_this_computer() {
    let world = World::local().with_session();
    words_arrive(&world);
    world.outlast(&["remove", "work"]).success();
}

#[test]
fn arguments_need_not_be_text() {
    let world = World::new().with_session();
    let mut args: Vec<OsString> = ["invoke", "-s", "work", "--", "printf", "%s"]
        .map(OsString::from)
        .to_vec();
    args.push(OsStr::from_bytes(b"\xff\x01\xfe").to_owned());
    let output = world.machine.outlast(&args);
    output.success().stdout_is_stream(b"\xff\x01\xfe");
}

#[test]
fn long_argument_lists_pass() {
    let world = World::new().with_session();
    let words: Vec<String> = (0..20_000).map(|n| format!("word {n}")).collect();
    let argv: Vec<&str> = ["printf", "%s\n"]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    let expected: String = words.iter().map(|word| format!("{word}\n")).collect();
    world.run(&argv).success().stdout_is_stream(expected);
}

#[test]
fn program_runs_in_the_state_of_the_session() {
    let world = World::new().with_session();
    world
        .invoke("cd /usr/lib; export WHERE=here; umask 027")
        .success();
    world
        .run(&["sh", "-c", "pwd; echo $WHERE; umask"])
        .success()
        .stdout_is("/usr/lib\nhere\n0027\n");
}

#[test]
fn unknown_program_is_127_and_unrunnable_126() {
    let world = World::new().with_session();
    world
        .run(&["no-such-program"])
        .code(127)
        .stdout_is("")
        .stderr_has("no-such-program");
    world
        .run(&["/etc/passwd"])
        .code(126)
        .stdout_is("")
        .stderr_has("/etc/passwd");
}

#[test]
fn exit_codes_are_the_commands_own() {
    let world = World::new().with_session();
    for code in [0, 1, 2, 3, 4, 5, 42, 124, 125, 128, 130, 254, 255] {
        world
            .run(&["sh", "-c", &format!("exit {code}")])
            .code(code)
            .stderr_is("");
        world
            .invoke(&format!("(exit {code})"))
            .code(code)
            .stderr_is("");
    }
}

#[test]
fn death_by_signal_is_128_and_its_number() {
    let world = World::new().with_session();
    for (name, number) in [
        ("HUP", 1),
        ("KILL", 9),
        ("SEGV", 11),
        ("TERM", 15),
        ("USR2", 12),
    ] {
        world
            .run(&[
                "sh",
                "-c",
                &format!("ulimit -c 0; kill -{name} $$; sleep 1000"),
            ])
            .code(128 + number)
            .stdout_is("");
    }
    world.invoke("echo lives").success().stdout_is("lives\n");
}

#[test]
fn script_text_is_text() {
    let world = World::new().with_session();
    let script = "# a comment\nif true\nthen\n  cat <<'end'\n$HOME \"here\"\nend\nfi; echo \"line $LINENO\" # end";
    world
        .invoke(script)
        .success()
        .stdout_is("$HOME \"here\"\nline 7\n")
        .stderr_is("");
    for empty in ["", " ", "\n", "# nothing", ";:"] {
        let expected = if empty == ";:" { 2 } else { 0 };
        world.invoke(empty).code(expected).stdout_is("");
    }
    world
        .invoke("echo 'größe'; echo \\")
        .success()
        .stdout_is("größe\n\\\n");
}

#[test]
fn script_text_cannot_be_mistaken_for_an_option() {
    let world = World::new().with_session();
    world
        .outlast(&["invoke", "-s", "work", "--", "-x"])
        .code(127)
        .stderr_has("-x");
    world
        .outlast(&["invoke", "-s", "work", "-x"])
        .code(2)
        .no_panic();
}

const FILE: &str = "\
#!/usr/bin/env some-shell
echo \"$# arguments\"
printf '<%s>' \"$@\"; echo
f() { echo \"from the file: $1\"; }
here=$1
";

#[test]
fn file_is_run_with_arguments_in_the_shell_itself() {
    let world = World::new().with_session();
    let path = world.machine.home().join("a script.sh");
    std::fs::write(&path, FILE).unwrap();
    let path = path.to_str().unwrap();
    let invoke =
        |args: &[&str]| world.outlast(&[&["invoke", "-s", "work", "-f", path], args].concat());
    invoke(&[])
        .success()
        .stdout_is("0 arguments\n<>\n")
        .stderr_is("");
    let args = [&["--"][..], &WORDS].concat();
    let expected = format!("{} arguments\n{}\n", WORDS.len(), bracketed(&WORDS));
    invoke(&args).success().stdout_is(&expected).stderr_is("");
    // Its definitions stay, its arguments go.
    world
        .invoke("f again; echo \"$here $#\"")
        .success()
        .stdout_is("from the file: again\nplain 0\n");
    std::fs::write(path, "cat; return 6; echo never").unwrap();
    world
        .machine
        .outlast_with_stdin(&["invoke", "-s", "work", "-f", path], b"input")
        .code(6)
        .stdout_is("input");
}

#[test]
fn file_from_stdin() {
    let world = World::new().with_session();
    let args = ["invoke", "-s", "work", "-f", "-", "--", "one", "two  words"];
    world
        .machine
        .outlast_with_stdin(&args, FILE.as_bytes())
        .success()
        .stdout_is("2 arguments\n<one><two  words>\n")
        .stderr_is("");
    // The script was the input: there is no more.
    world
        .machine
        .outlast_with_stdin(&["invoke", "-s", "work", "-f", "-"], b"wc -c\nexit 4\n")
        .code(4)
        .stdout_is("0\n");
    world
        .invoke("f again")
        .success()
        .stdout_is("from the file: again\n");
}

#[test]
fn missing_file_is_said_before_anything_runs() {
    let world = World::new().with_session();
    world
        .outlast(&["invoke", "-s", "work", "-f", "/no/such/file"])
        .code(2)
        .stdout_is("")
        .stderr_has("/no/such/file")
        .no_panic();
}

#[test]
fn script_that_is_too_long_is_refused_and_nothing_runs() {
    let world = World::new().with_session();
    let path = world.machine.home().join("long.sh");
    let at_limit = |bytes: usize| {
        let text = format!("ran={bytes}\n#");
        format!("{text}{}", "x".repeat(bytes - text.len()))
    };
    let invoke = |bytes: usize| {
        std::fs::write(&path, at_limit(bytes)).unwrap();
        world.outlast(&["invoke", "-s", "work", "-f", path.to_str().unwrap()])
    };
    invoke(MAX_SCRIPT).success().stderr_is("");
    invoke(MAX_SCRIPT + 1)
        .code(2)
        .stdout_is("")
        .stderr_has(&MAX_SCRIPT.to_string())
        .no_panic();
    let ran = format!("{MAX_SCRIPT}\n");
    world.invoke("echo $ran").success().stdout_is(&ran);
}

#[test]
fn a_script_larger_than_a_frame_runs() {
    let stage = Stage::set();
    stage.new_session("job");
    let script = format!("#{}\necho whole\n", "x".repeat(5_000_000));
    let file = stage.machine.home().join("script");
    std::fs::write(&file, script).unwrap();
    let file = file.to_str().unwrap();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "-f", file])
        .success()
        .stdout_is("whole\n");
    stage.strike(vec![]);
}
