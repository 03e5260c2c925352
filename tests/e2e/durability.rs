//! How long a session lives where it is made, and where it is not made for not living long enough.
//!
//! There is no systemd here. The control group of a login is a real one, of that name; what answers in
//! place of logind (`busctl`) and of the user's manager (`systemd-run`) are scripts of these tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use outlast_tests::{ClientMachine, Output, Sshd, process};

use crate::doctor::greeter;
use crate::stage::{get, new_session, one_error, run, text};

/// A login session of logind's, as far as it can be had: fields are dropped in this order.
struct Login {
    machine: ClientMachine,
    sshd: Sshd,
    group: Group,
    _files: tempfile::TempDir,
}

/// Control groups of a login and of the user's manager.
struct Group {
    root: PathBuf,
}

impl Group {
    fn make() -> std::io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // systemd's own hierarchy, where it has one.
        let systemd = Path::new("/sys/fs/cgroup/systemd");
        let all = Path::new("/sys/fs/cgroup");
        let is_there = systemd.join("cgroup.procs").exists();
        let above = if is_there { systemd } else { all };
        let root = above.join(format!("outlast-{}-{number}", std::process::id()));
        let group = Self { root };
        fs::create_dir_all(group.login())?;
        fs::create_dir_all(group.service())?;
        // Where they are no control groups, there is nothing to write to.
        fs::metadata(group.login().join("cgroup.procs"))?;
        Ok(group)
    }

    fn login(&self) -> PathBuf {
        self.root.join("session-9.scope")
    }

    fn service(&self) -> PathBuf {
        self.root.join("user@0.service/job.service")
    }

    fn processes(&self, of: &Path) -> Vec<u32> {
        let listed = fs::read_to_string(of.join("cgroup.procs")).unwrap();
        listed.lines().filter_map(|pid| pid.parse().ok()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let service = self.service();
        for directory in [
            &self.login(),
            &service,
            service.parent().unwrap(),
            &self.root,
        ] {
            let _ = fs::remove_dir(directory);
        }
    }
}

const LOGIND: &str = r#"#!/bin/sh
case $6 in
  KillUserProcesses) echo b true ;;
  *) echo as 0 ;;
esac
"#;

const MANAGER: &str = r#"#!/bin/bash
while [ "$1" != -- ]; do
  case $1 in
    --property=StandardInput=file:*) input=${1#*file:} ;;
    --property=StandardOutput=file:*) output=${1#*file:} ;;
    --property=StandardError=append:*) error=${1#*append:} ;;
  esac
  shift
done
shift
exec 3<"$input" 4>"$output" 5>>"$error"
bash -c 'echo $$ >GROUP/cgroup.procs; exec "$@" 3<&- 4>&- 5>&-' bash "$@" <&3 >&4 2>&5 &
"#;

/// None where it cannot be had, which is said.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn login(manager: bool) -> Option<Login> {
    let group = match Group::make() {
        Ok(group) => group,
        Err(error) => {
            eprintln!("not checked: no control groups can be made here: {error}");
            return None;
        }
    };
    if !Path::new("/run/systemd").is_dir() {
        eprintln!("not checked: there is no /run/systemd to lay another one over");
        return None;
    }
    let files = tempfile::tempdir().unwrap();
    let (run, programs) = (files.path().join("run"), files.path().join("bin"));
    fs::create_dir_all(run.join("system")).unwrap();
    if manager {
        // The socket of the user's manager, which nobody but `systemd-run` asks.
        fs::create_dir(run.join("systemd")).unwrap();
        fs::write(run.join("systemd/private"), "").unwrap();
    }
    fs::create_dir(&programs).unwrap();
    let service = group.service();
    let runs = MANAGER.replace("GROUP", &service.display().to_string());
    let absent = "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n";
    let runs = if manager { &runs } else { absent };
    for (name, text) in [("busctl", LOGIND), ("systemd-run", runs)] {
        let program = programs.join(name);
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
    let sshd = Sshd::builder()
        .bashrc("")
        .environment("PATH", &path)
        .environment("XDG_RUNTIME_DIR", run.to_str().unwrap())
        .cover(&run, Path::new("/run/systemd"))
        .control_group(&group.login())
        .start();
    if !sshd.hides_real_home() {
        eprintln!("not checked: no mount namespace here");
        return None;
    }
    Some(Login {
        machine: ClientMachine::knowing("server", &sshd),
        sshd,
        group,
        _files: files,
    })
}

fn demand(machine: &ClientMachine, class: &str) -> Output {
    let demands = [
        "new",
        "server",
        "-n",
        "lasting",
        "--require-durability",
        class,
    ];
    run(machine, &demands)
}

/// What `outlast doctor` says.
fn examined(machine: &ClientMachine) -> String {
    let examined = run(machine, &["doctor", "server", "--output", "json"]).json();
    let findings = examined[0]["findings"].as_array().unwrap().clone();
    let said = findings
        .iter()
        .find(|it| it["layer"] == "durability")
        .unwrap();
    text(&said["values"], "class")
}

#[test]
fn a_session_that_would_end_with_its_login_is_not_made_if_it_is_to_last() {
    let Some(login) = login(false) else { return };
    let machine = &login.machine;
    assert_eq!(examined(machine), "connection");
    for class in ["boot", "last-logout"] {
        let output = demand(machine, class);
        let says = [
            "does not live as long",
            class,
            "connection",
            "KillUserProcesses=yes",
        ];
        one_error(&output, 2, &says, "KillExcludeUsers=");
    }
    login.sshd.wait_nothing_left();
    // Nobody who does not mind is kept from it, and it says what it is.
    let made = new_session(machine, "server", "short");
    assert_eq!(text(&made, "durability"), "connection");
    let shown = run(machine, &["get", "-v"]);
    let line = shown
        .stdout_text()
        .lines()
        .find(|line| line.contains("short"))
        .map(str::to_owned);
    assert!(line.unwrap().contains(" connection "), "{shown}");
    run(machine, &["remove", "short"]).success();
    login.sshd.wait_nothing_left();
}

#[test]
fn where_logins_are_ended_the_users_manager_keeps_it_until_the_last_logout() {
    let Some(login) = login(true) else { return };
    let machine = &login.machine;
    demand(machine, "last-logout").success();
    assert_eq!(text(&get(machine, "lasting"), "durability"), "last-logout");
    let in_service = login.group.processes(&login.group.service());
    let hosts: Vec<u32> = login.sshd.hosts().iter().map(|host| host.pid).collect();
    assert_eq!(hosts.len(), 1);
    assert!(
        in_service.contains(&hosts[0]),
        "{hosts:?} in {in_service:?}"
    );
    let set = ["invoke", "-n", "-s", "lasting", "kept=here; umask"];
    run(machine, &set).success().stdout_is("0022\n");
    // What logind does at the end of a login.
    let listener = login.sshd.listener();
    for pid in login.group.processes(&login.group.login()) {
        if pid != listener {
            process::kill9(pid);
        }
    }
    run(machine, &["invoke", "-n", "-s", "lasting", "echo $kept"])
        .success()
        .stdout_is("here\n");
    assert_eq!(examined(machine), "last-logout");
    let refused = run(machine, &["new", "server", "--require-durability", "boot"]);
    let says = ["does not live as long as `boot`", "last-logout"];
    one_error(&refused, 2, &says, "loginctl enable-linger");
    run(machine, &["remove", "lasting"]).success();
    login.sshd.wait_nothing_left();
}

#[test]
fn a_session_lives_as_long_as_doctor_says() {
    let sshd = Sshd::builder().bashrc("").start();
    let machine = ClientMachine::knowing("server", &sshd);
    let class = examined(&machine);
    let made = new_session(&machine, "server", "job");
    assert_eq!(text(&made, "durability"), class);
    // Another client reads it from the host.
    let other = ClientMachine::knowing("server", &sshd);
    let listed = run(&other, &["get", "server", "--output", "json"]).json();
    assert_eq!(listed[0]["durability"], class);
    let demanded = demand(&machine, "boot");
    assert_eq!(demanded.status.success(), class == "boot", "{demanded}");
    run(&machine, &["remove", "*"]).success();
}

#[test]
fn a_remote_end_that_cannot_tell_is_not_believed() {
    let (_directory, old) = greeter(1, 1);
    let machine = ClientMachine::knowing("server", &old);
    let output = demand(&machine, "boot");
    let says = ["outlast-subsystem/7.0.0", "cannot tell how long"];
    one_error(&output, 255, &says, "--require-durability");
}
