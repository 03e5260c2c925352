//! What one invocation leaves in the shell is there in the next, from wherever it comes.

use outlast_tests::{ClientMachine, Gate, Output};

use crate::world::World;

/// Something of every kind of state a shell has.
const SET: &str = r#"
name='two  words' text=$'line 1\nline 2'
export EXPORTED='to children'
declare -r FIXED=1
declare -i number=4
list=(a 'b  c' '' d)
declare -A map=([one]=1 ['two words']=2)
greet() { echo "hello $1 from ${FUNCNAME[0]}"; }
alias shout='echo ALIAS'
cd /usr/lib
umask 0027
set -o noclobber -o pipefail
shopt -s nullglob
set -- first 'second argument'
trap 'echo usr1 was caught' USR1
"#;

const SHOW: &str = r#"
printf '<%s>' "$name" "$text" "$FIXED" "${list[@]}" "${map[one]}" "${map[two words]}"; echo
sh -c 'echo "$EXPORTED"'
number+=3; echo "$number"; number=4
(FIXED=2) 2>/dev/null || echo FIXED is read-only
greet you
shout
pwd
umask
echo "$(set -o | grep -c -E '^(noclobber|pipefail)[[:space:]]+on$') options"
shopt -q nullglob && echo nullglob
[ -o xtrace ] || echo no xtrace
kill -USR1 $$
"#;

const SHOWN: &str = "\
<two  words><line 1
line 2><1><a><b  c><><d><1><2>
to children
7
FIXED is read-only
hello you from greet
ALIAS
/usr/lib
0027
2 options
nullglob
no xtrace
usr1 was caught
";

#[track_caller]
fn assert_shown(output: &Output) {
    output.success().stdout_is(SHOWN).stderr_is("");
}

/// A job that lives in the background until the test opens its gate, and then says so.
struct Job {
    gate: Gate,
    answer: Gate,
}

impl Job {
    #[track_caller]
    fn start(world: &World) -> Self {
        let (gate, answer) = (Gate::new(), Gate::new());
        let script = format!(
            "{{ read -r line <{}; echo \"$line in the background\" >{}; exit 5; }} & job=$!",
            gate.word(),
            answer.word()
        );
        world.invoke(&script).success().stdout_is("").stderr_is("");
        Self { gate, answer }
    }

    #[track_caller]
    fn finish(&self) {
        self.gate.open();
        assert_eq!(self.answer.wait(), "go in the background");
    }
}

const JOB_IS_KNOWN: &str = "[ \"$(jobs -pr)\" = \"$job\" ] && kill -0 $job && echo known";

fn next_invocation_sees_it(world: &World) {
    world.invoke(SET).success().stdout_is("").stderr_is("");
    assert_shown(&world.invoke(SHOW));
    // And once more: showing has changed nothing.
    assert_shown(&world.invoke(SHOW));
}

#[test]
fn state_is_there_in_the_next_invocation() {
    let world = World::new().with_session();
    next_invocation_sees_it(&world);
    world.remove_and_leave_nothing();
}

#[test]
fn state_is_there_in_the_next_invocation_on_this_computer() {
    let world = World::local().with_session();
    next_invocation_sees_it(&world);
    world.outlast(&["remove", "work"]).success();
}

#[test]
fn arguments_of_the_shell_stay() {
    let world = World::new().with_session();
    world.invoke("set -- one 'two  words'").success();
    let show = "printf '<%s>' \"$#\" \"$@\"";
    world.invoke(show).stdout_is("<2><one><two  words>");
    world.invoke("exit 3").code(3);
    world.invoke(show).stdout_is("<2><one><two  words>");
    world.invoke("set -e; false").code(1);
    world.invoke(show).stdout_is("<2><one><two  words>");
}

#[test]
fn background_job_is_there_in_the_next_invocation() {
    let world = World::new().with_session();
    let job = Job::start(&world);
    world.invoke(JOB_IS_KNOWN).success().stdout_is("known\n");
    let waiting = world.start("wait $job; echo \"ended with $?\"");
    job.finish();
    waiting.wait().success().stdout_is("ended with 5\n");
    world.remove_and_leave_nothing();
}

/// It does not hold up the end of the invocation that started it, and what it prints later belongs
/// to nobody else.
#[test]
fn background_output_does_not_leak_into_the_next_invocation() {
    let world = World::new().with_session();
    let (gate, done) = (Gate::new(), Gate::new());
    let script = format!(
        "{{ read -r _ <{}; echo late; echo late >&2; echo >{}; }} & echo early",
        gate.word(),
        done.word()
    );
    world.invoke(&script).success().stdout_is("early\n");
    gate.open();
    done.wait();
    world
        .invoke("wait; echo next")
        .success()
        .stdout_is("next\n");
    world
        .outlast(&["receive", "work"])
        .success()
        .stdout_is("late\n");
}

#[test]
fn state_survives_exit() {
    let world = World::new().with_session();
    world.invoke(SET).success();
    let job = Job::start(&world);
    world
        .invoke("echo before; exit 3; echo never")
        .code(3)
        .stdout_is("before\n")
        .stderr_is("");
    assert_shown(&world.invoke(SHOW));
    world.invoke(JOB_IS_KNOWN).success().stdout_is("known\n");
    let waiting = world.start("wait $job; echo \"ended with $?\"");
    job.finish();
    waiting.wait().success().stdout_is("ended with 5\n");
    // Not only the first time.
    for code in [0, 255, 4] {
        world
            .invoke(&format!("exit {code}"))
            .code(code)
            .stdout_is("");
    }
    assert_shown(&world.invoke(SHOW));
    world.remove_and_leave_nothing();
}

#[test]
fn state_survives_set_e() {
    let world = World::new().with_session();
    world.invoke(SET).success();
    let job = Job::start(&world);
    world
        .invoke("set -e; echo before; false; echo never")
        .code(1)
        .stdout_is("before\n")
        .stderr_is("");
    // The option is state as well.
    world
        .invoke("[ -o errexit ] && echo on; (exit 6); echo never")
        .code(6)
        .stdout_is("on\n");
    world.invoke("set +e").success();
    assert_shown(&world.invoke(SHOW));
    world.invoke(JOB_IS_KNOWN).success().stdout_is("known\n");
    job.finish();
    world.remove_and_leave_nothing();
}

#[test]
fn state_survives_other_ends() {
    let world = World::new().with_session();
    world.invoke(SET).success();
    world.invoke("return 4; echo never").code(4).stdout_is("");
    world
        .invoke("f() { exit 8; }; f | cat; f; echo never")
        .code(8)
        .stdout_is("");
    world
        .invoke("set -u; echo \"$unset_thing\"; echo never")
        .code(1)
        .stdout_is("");
    world
        .invoke("set +u; : \"${nothing:?is missing}\"; echo never")
        .code(1)
        .stdout_is("")
        .stderr_has("is missing");
    world
        .invoke("if then")
        .code(2)
        .stdout_is("")
        .stderr_has("syntax error");
    world.invoke("builtin exit 9").code(9).stdout_is("");
    assert_shown(&world.invoke(SHOW));
}

/// Another machine, which has never seen the session, takes it over by its name or its ID.
fn second_machine_sees_it(by: impl Fn(&World) -> String) {
    let world = World::new().with_session();
    world.invoke(SET).success();
    let job = Job::start(&world);
    let session = by(&world);
    world.outlast(&["disconnect", "1"]).success();

    let second = world.second_machine();
    second
        .outlast(&["connect", "-c", "server", &session])
        .success();
    let invoke =
        |second: &ClientMachine, script: &str| second.outlast(&["invoke", "-s", "1", script]);
    assert_shown(&invoke(&second, SHOW));
    invoke(&second, JOB_IS_KNOWN).success().stdout_is("known\n");
    job.finish();

    // And back again.
    invoke(&second, "name=changed").success();
    second.outlast(&["disconnect", "1"]).success();
    world
        .invoke("echo \"$name\"; greet back")
        .success()
        .stdout_is("changed\nhello back from greet\n");
    world.remove_and_leave_nothing();
}

#[test]
fn state_is_there_from_another_machine_by_instance_id() {
    second_machine_sees_it(World::instance);
}

#[test]
fn state_is_there_from_another_machine_by_prefix() {
    second_machine_sees_it(|world| world.instance()[..8].to_owned());
}

#[test]
fn state_is_there_from_another_machine_by_name() {
    second_machine_sees_it(|_| "work".to_owned());
}

/// `disconnect` is what a polite client does; this one is gone.
#[test]
fn state_is_there_after_the_client_was_lost() {
    let world = World::new().with_session();
    world.invoke(SET).success();
    outlast_tests::process::kill9(world.machine.mux_pid());
    assert_shown(&world.invoke(SHOW));
    world.sshd().kill_connections();
    // It may be told that the link is being made again.
    world.invoke(SHOW).success().stdout_is(SHOWN);
    world.remove_and_leave_nothing();
}

#[test]
fn sessions_share_nothing() {
    let world = World::new().with_session();
    world.outlast(&["new", "server", "-n", "other"]).success();
    world.invoke(SET).success();
    world
        .outlast(&[
            "invoke",
            "-s",
            "other",
            "echo \"[$name]\"; pwd; type greet shout",
        ])
        .code(1)
        .stdout_is(&format!("[]\n{}\n", home_of(&world)))
        .stderr_has("greet: not found");
}

/// Where sessions start.
fn home_of(world: &World) -> String {
    let sshd = world.sshd();
    let seen = if sshd.hides_real_home() {
        outlast_tests::account::Account::current().home
    } else {
        sshd.home().to_owned()
    };
    seen.to_str().unwrap().to_owned()
}

/// The noise of the rc file is in no stream of a command.
#[test]
fn rc_file_is_read_and_its_noise_is_nowhere() {
    let world = World::new();
    let bashrc = "case $- in *i*) from_rc=yes;; esac; echo noise; echo noise >&2\n";
    std::fs::write(
        world.sshd().home().join(".bash_profile"),
        "alias from_profile='echo profile'\n. ~/.bashrc\n",
    )
    .unwrap();
    std::fs::write(world.sshd().home().join(".bashrc"), bashrc).unwrap();
    let world = world.with_session();
    world
        .invoke("echo \"$from_rc\"; from_profile")
        .success()
        .stdout_is("yes\nprofile\n")
        .stderr_is("");
}
