//! What a dead host leaves: a reason that can be found out, processes of its shell, and a
//! directory among others that may be damaged itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use outlast_tests::{Gate, process};
use rustix::process::Signal;
use serde_json::Value;

use crate::host_death::{
    assert_broken, assert_lost, assert_nobody_stays, directory, kill_host, there,
};
use crate::stage::{Stage, instance, run, text};

fn meta(stage: &Stage, session: &str) -> Value {
    let bytes = fs::read(directory(stage, session).join("meta")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn change_meta(stage: &Stage, session: &str, change: impl FnOnce(&mut Value)) {
    let mut meta = meta(stage, session);
    change(&mut meta);
    let path = directory(stage, session).join("meta");
    fs::write(path, serde_json::to_vec(&meta).unwrap()).unwrap();
}

#[test]
fn panic_of_the_host_is_told_as_a_crash() {
    let stage = Stage::set();
    stage.new_session("job");
    let completes = stage.sshd.failpoint("host.completes");
    let waiting = stage.invoke("job", "echo out");
    let pid = completes.wait();
    completes.panic();
    process::wait_gone(pid);
    drop(completes);
    let crashed = format!("its host process {pid} crashed: at failpoint host.completes");
    assert_lost(&waiting.wait(), &["broken", &crashed]);
    assert_broken(&there(&stage.machine), &[&crashed, "failpoint.rs:"]);
    stage.strike(Vec::new());
}

#[test]
fn restart_of_the_computer_is_told_and_the_log_is_there() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo out"]).success();
    // Away, so that nobody finds out a reason before the test has made its own.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    change_meta(&stage, &session, |meta| {
        meta["boot_id"] = "11111111-2222-3333-4444-555555555555".into();
    });
    assert_broken(&there(&stage.machine), &["restarted"]);
    let output = run(&stage.machine, &["receive", "--from", "start", "job"]);
    assert_lost(&output, &["restarted"]).stdout_is("out\n");
    stage.strike(Vec::new());
}

/// Numbers from before the restart mean other processes now, even with the same start time.
#[test]
fn processes_of_another_boot_are_left_alone() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    // Away, so that nobody finds out a reason before the test has made its own.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    let stranger = Stranger::start();
    change_meta(&stage, &session, |meta| {
        meta["boot_id"] = "11111111-2222-3333-4444-555555555555".into();
        meta["shell"] = stranger.identity();
        meta["host"] = stranger.identity();
    });
    assert_broken(&there(&stage.machine), &["restarted"]);
    let note = text(&there(&stage.machine), "note");
    assert!(!note.contains("still running"), "{note}");
    run(&stage.machine, &["remove", "job"]).success();
    stranger.is_alive();
    stage.strike(Vec::new());
}

/// A process that has nothing to do with any session, in a session of its own.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        Self(
            Command::new("setsid")
                .args(["sleep", "1000"])
                .spawn()
                .unwrap(),
        )
    }

    /// As a meta file names a process.
    fn identity(&self) -> Value {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let started: u64 = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse().ok())
            .unwrap();
        serde_json::json!({ "pid": self.0.id(), "started": started })
    }

    #[track_caller]
    fn is_alive(&self) {
        assert!(process::is_alive(self.0.id()), "a stranger was killed");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn recycled_numbers_are_neither_alive_nor_touched() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    // Away, so that nobody finds out a reason before the test has made its own.
    run(&stage.machine, &["disconnect", "job"]).success();
    kill_host(&stage);
    let stranger = Stranger::start();
    // The numbers of host and shell belong to somebody who was started later.
    change_meta(&stage, &session, |meta| {
        meta["host"]["pid"] = stranger.0.id().into();
        meta["shell"]["pid"] = stranger.0.id().into();
    });
    let found = there(&stage.machine);
    assert_broken(&found, &["killed"]);
    assert!(!text(&found, "note").contains("still running"), "{found:#}");
    let removed = run(&stage.machine, &["remove", "job"]);
    removed.success().stderr_is("");
    stranger.is_alive();
    stage.strike(Vec::new());
}

/// The kernel's lock is gone with its file, the process is not.
#[test]
fn live_host_without_its_lock_is_not_dead() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    fs::remove_file(directory(&stage, &session).join("lock")).unwrap();
    assert_eq!(there(&stage.machine)["state"], "Opened");
    run(&stage.machine, &["disconnect", "job"]).success();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo alive"])
        .success()
        .stdout_is("alive\n");
    let second = stage.second_client();
    let taken = run(&second, &["new", "server", "-n", "job"]);
    taken.code(2).stderr_has("job");
    stage.strike(vec![second]);
}

/// Three ways not to die of a hang-up.
const STAY: &str = "\
    setsid sh -c 'echo up >GATE; exec sleep 1001' </dev/null >/dev/null 2>&1 &\n\
    nohup sh -c 'echo up >GATE; exec sleep 1002' </dev/null >/dev/null 2>&1 &\n\
    setsid sh -c 'trap \"\" TERM HUP; echo up >GATE; while :; do sleep 1003; done' \
        </dev/null >/dev/null 2>&1 &\n";

#[test]
fn orphans_are_named_and_end_with_the_session() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let other = instance(&stage.new_session("other"));
    let gate = Gate::new();
    let script = STAY.replace("GATE", gate.word());
    run(&stage.machine, &["invoke", "-n", "-s", "job", &script]).success();
    let theirs = format!("setsid sh -c 'echo up >{}; exec sleep 1004' &", gate.word());
    run(&stage.machine, &["invoke", "-n", "-s", "other", &theirs]).success();
    for _ in 0..4 {
        gate.wait();
    }
    let host = meta(&stage, &session)["host"]["pid"].as_u64().unwrap();
    let host = u32::try_from(host).unwrap();
    let shell = meta(&stage, &session)["shell"]["pid"].as_u64().unwrap();
    process::kill9(host);
    process::wait_gone(host);
    // The terminal's hang-up is on its way to everything else.
    process::wait_gone(u32::try_from(shell).unwrap());

    let listed = run(&stage.machine, &["get", "server", "--output", "json"]);
    let listed = listed.success().json();
    let listed = listed.as_array().unwrap();
    let job = listed.iter().find(|it| it["name"] == "job").unwrap();
    assert_broken(job, &["; still running: ", "sleep (pid ", "sh (pid "]);
    let note = text(job, "note");
    let left = marked(&session);
    for (pid, name) in &left {
        let named = format!("{name} (pid {pid})");
        assert!(note.contains(&named), "{named} in {note}");
    }
    // Two sleeps, and a shell with its own.
    assert_eq!(left.len(), 4, "{left:?}");
    let table = run(&stage.machine, &["get", "server"]);
    table.success().stderr_has("still running: ");

    let removed = run(&stage.machine, &["remove", "job"]);
    removed
        .success()
        .stderr_has("ended what session job had left running: ");
    for (pid, name) in &left {
        removed.stderr_has(&format!("{name} (pid {pid})"));
        process::wait_gone(*pid);
    }
    assert!(!directory(&stage, &session).exists());
    // The other session lost nothing.
    let kept = marked(&other);
    let (sleep, _) = kept.iter().find(|(_, name)| name == "sleep").unwrap();
    process::kill9(*sleep);
    stage.strike(Vec::new());
}

/// Processes that carry the session's mark: number and short name.
fn marked(session: &str) -> Vec<(u32, String)> {
    process::with_environment("OUTLAST_INSTANCE_ID", Path::new(session))
        .into_iter()
        .map(|process| (process.pid, process::name_of(process.pid)))
        .collect()
}

/// A session that was made inside a session belongs to itself.
#[test]
fn session_made_inside_another_is_no_orphan_of_it() {
    let stage = Stage::set();
    stage.new_session("outer");
    let home = tempfile::tempdir().unwrap();
    let outlast = outlast_tests::binaries::outlast();
    let script = format!(
        "export OUTLAST_HOME={}; {} new . -n inner; {} invoke -s inner 'echo $OUTLAST_INSTANCE_ID'",
        home.path().display(),
        outlast.display(),
        outlast.display()
    );
    let made = run(&stage.machine, &["invoke", "-n", "-s", "outer", &script]);
    let inner = made
        .success()
        .stdout_text()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    let outer = stage
        .sshd
        .hosts()
        .into_iter()
        .find(|host| !host.command.contains(&inner))
        .unwrap();
    process::kill9(outer.pid);
    process::wait_gone(outer.pid);
    let listed = run(&stage.machine, &["get", "server", "--output", "json"]);
    let listed = listed.success().json();
    let broken = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "outer");
    let note = text(broken.unwrap(), "note");
    assert!(!note.contains("outlast"), "{note}");
    run(&stage.machine, &["remove", "outer"]).success();
    let mut alive = outlast_tests::Running::start(
        Command::new(&outlast)
            .args(["invoke", "-s", "inner", "echo alive"])
            .env("OUTLAST_HOME", home.path()),
    );
    alive.close_stdin();
    alive.wait().success().stdout_is("alive\n");
    for verb in [&["remove", "inner"][..], &["mux", "stop"]] {
        let mut end = outlast_tests::Running::start(
            Command::new(&outlast)
                .args(verb)
                .env("OUTLAST_HOME", home.path()),
        );
        end.close_stdin();
        end.wait().success();
    }
    stage.strike(Vec::new());
}

#[test]
fn damaged_directory_is_listed_with_what_is_wrong_and_hides_nobody() {
    let stage = Stage::set();
    let good = instance(&stage.new_session("good"));
    let names = ["garbage", "newer", "spoolless"];
    let sessions = names.map(|name| instance(&stage.new_session(name)));
    for host in stage.sshd.hosts() {
        if !host.command.contains(&good) {
            process::kill9(host.pid);
            process::wait_gone(host.pid);
        }
    }
    let file = |at: usize, name: &str| directory(&stage, &sessions[at]).join(name);
    fs::write(file(0, "meta"), b"\0garbage").unwrap();
    change_meta(&stage, &sessions[1], |meta| meta["format"] = 99.into());
    fs::remove_dir_all(file(2, "spool")).unwrap();

    let second = stage.second_client();
    let listed = run(&second, &["get", "server", "--output", "json"]);
    let listed = listed.success().json();
    let by = |id: &str| {
        let mut all = listed.as_array().unwrap().iter();
        all.find(|it| it["instance_id"] == id).unwrap().clone()
    };
    assert_eq!(by(&good)["state"], "Disconnected");
    assert_broken(&by(&sessions[0]), &["damaged"]);
    assert_broken(&by(&sessions[1]), &["format 99"]);
    assert_broken(&by(&sessions[2]), &["killed"]);
    assert_eq!(by(&sessions[2])["name"], "spoolless");
    let unread = run(&second, &["receive", "-c", "server", &sessions[0]]);
    unread.no_panic().code(255).stderr_has("damaged");
    let unread = run(&second, &["receive", "-c", "server", &sessions[2]]);
    assert_lost(&unread, &["killed", "its log cannot be read"]).stdout_is("");
    for session in &sessions {
        run(&second, &["remove", "-c", "server", session]).success();
        assert!(!directory(&stage, session).exists());
    }
    stage.strike(vec![second]);
}

/// A control group with a small limit, removed with everything in it.
struct Group(PathBuf);

impl Group {
    /// `None` where there is no group to be made.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn make(limit: u64) -> Option<Self> {
        let name = format!("outlast-tests-{}", std::process::id());
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let unified = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let layouts = [
            ("/sys/fs/cgroup/memory".to_owned(), "memory.limit_in_bytes"),
            (
                format!("/sys/fs/cgroup/{}", unified.unwrap_or_default()),
                "memory.max",
            ),
        ];
        for (root, file) in layouts {
            let group = Self(Path::new(&root).join(&name));
            let limited = fs::create_dir(&group.0)
                .and_then(|()| fs::write(group.0.join(file), limit.to_string()));
            if limited.is_ok() {
                return Some(group);
            }
        }
        eprintln!("skipped: no memory limits here");
        None
    }

    fn take_in(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// A real one: the kernel kills the host, and the reason says so.
#[test]
fn host_that_the_kernel_killed_for_memory_is_told_apart() {
    let Some(group) = Group::make(64 * 1024) else {
        return;
    };
    let stage = Stage::set();
    stage.new_session("job");
    let host = stage.sshd.hosts().remove(0).pid;
    group.take_in(host);
    let lines = outlast_tests::stream::numbered_script(100_000);
    let waiting = stage.invoke("job", &lines);
    process::wait_gone(host);
    let killed = format!("its host process {host} was killed");
    let output = waiting.wait();
    assert_lost(&output, &[&killed, "memory"]);
    assert_broken(&there(&stage.machine), &[&killed, "memory"]);
    assert_nobody_stays(&stage);
    stage.strike(Vec::new());
}

/// A host that hangs is ended from outside; what its shell had left running goes with it.
#[test]
fn removal_of_a_hanging_host_ends_its_orphans() {
    let stage = Stage::set();
    let session = instance(&stage.new_session("job"));
    let gate = Gate::new();
    let script = format!("setsid sh -c 'echo up >{}; exec sleep 1005' &", gate.word());
    run(&stage.machine, &["invoke", "-n", "-s", "job", &script]).success();
    gate.wait();
    run(&stage.machine, &["disconnect", "job"]).success();
    let host = stage.sshd.hosts().remove(0).pid;
    process::send(host, Signal::STOP);
    let second = stage.second_client();
    run(&second, &["remove", "-c", "server", &session])
        .success()
        .stderr_has("sleep (pid ");
    process::wait_gone(host);
    assert_eq!(marked(&session), []);
    assert_eq!(only_state(&stage), 0);
    stage.strike(vec![second]);
}

fn only_state(stage: &Stage) -> usize {
    let listed = run(&stage.machine, &["get", "server", "--output", "json"]);
    listed.success().json().as_array().unwrap().len()
}
