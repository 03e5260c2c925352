//! `install`: the remote end comes to computers, for one user or for everybody.

mod site;
mod system;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use outlast_tests::file_event::wait_for_removal;
use outlast_tests::{ClientMachine, Sshd, Subsystem, binaries};

use crate::disk_full::Disk;
use crate::stage::{bad_usage, one_error, only, run, text};
use site::{Site, tree};

/// Nobody has to be root, or to know the remote PATH.
#[test]
fn for_a_user_alone_and_sessions_find_it() {
    let site = Site::bare();
    let (stage, program) = (site.stage, site.program);
    run(&stage.machine, &["new", "server"]).code(255);
    let output = run(&stage.machine, &["install", "server"]);
    output.success().stdout_has("server: changed: ");
    output.stdout_has("/.local/bin/outlast-subsystem\n");
    output.stderr_is("");
    let built = fs::read(binaries::outlast_subsystem()).unwrap();
    assert!(fs::read(&program).unwrap() == built);
    let mode = fs::metadata(&program).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    stage.new_session("job");
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo here"])
        .success()
        .stdout_is("here\n");
    let before = tree(stage.sshd.home());
    let again = run(&stage.machine, &["install", "server"]);
    again.success().stdout_has("server: unchanged: ");
    assert_eq!(tree(stage.sshd.home()), before);
    stage.strike(vec![]);
}

#[test]
fn another_program_takes_its_place_while_a_session_goes_on() {
    let site = Site::installed();
    let stage = &site.stage;
    stage.new_session("job");
    let set = ["invoke", "-n", "-s", "job", "kept=yes"];
    run(&stage.machine, &set).success();
    let newer = site.variant("newer");
    let option = newer.to_str().unwrap();
    let check = ["install", "--check", "--binary", option, "server"];
    let before = tree(stage.sshd.home());
    let output = run(&stage.machine, &check);
    output.success().stdout_has("server: would change: ");
    assert_eq!(tree(stage.sshd.home()), before, "--check changes nothing");
    let output = run(&stage.machine, &["install", "--binary", option, "server"]);
    output.success().stdout_has("server: changed: ");
    assert!(fs::read(&site.program).unwrap() == fs::read(&newer).unwrap());
    assert_eq!(
        site.beside(),
        ["outlast-subsystem"],
        "nothing else is left there"
    );
    stage.sshd.kill_relays();
    run(&stage.machine, &["invoke", "-n", "-s", "job", "echo $kept"])
        .success()
        .stdout_is("yes\n");
    site.stage.strike(vec![]);
}

#[test]
fn a_connection_that_is_cut_leaves_the_old_one_whole() {
    let site = Site::installed();
    let stage = &site.stage;
    let before = tree(stage.sshd.home());
    // What has arrived by then would run, so that nothing but the checksum tells.
    let mut bytes = fs::read(binaries::outlast_subsystem()).unwrap();
    let cut = bytes.len() + 4_000_000;
    bytes.resize(bytes.len() + 8_000_000, b'x');
    let newer = site.file("newer", &bytes);
    stage.proxy.cut_after_up(cut.try_into().unwrap());
    let args = ["install", "--binary", newer.to_str().unwrap(), "server"];
    let output = run(&stage.machine, &args);
    one_error(&output, 255, &["server"], "try again");
    for name in site.beside() {
        if name != "outlast-subsystem" {
            wait_for_removal(&site.program.with_file_name(name));
        }
    }
    assert_eq!(tree(stage.sshd.home()), before);
    run(&stage.machine, &args).success();
    assert!(fs::read(&site.program).unwrap() == fs::read(&newer).unwrap());
    site.stage.strike(vec![]);
}

#[test]
fn a_full_disk_leaves_the_old_one_whole() {
    let Some(disk) = Disk::mount("size=96m") else {
        return;
    };
    let site = Site::bare();
    fs::create_dir(site.stage.sshd.home().join(".local")).unwrap();
    symlink(disk.path(), site.program.parent().unwrap()).unwrap();
    let machine = &site.stage.machine;
    run(machine, &["install", "server"]).success();
    disk.fill();
    let newer = site.variant("newer");
    let args = ["install", "--binary", newer.to_str().unwrap(), "server"];
    let output = run(machine, &args);
    one_error(&output, 255, &["No space left"], "make room");
    let built = fs::read(binaries::outlast_subsystem()).unwrap();
    assert!(fs::read(&site.program).unwrap() == built);
    site.stage.new_session("job");
    disk.free();
    run(machine, &args).success();
    site.stage.strike(vec![]);
}

#[test]
fn a_program_for_another_machine_or_none_at_all_is_refused() {
    let site = Site::installed();
    let machine = &site.stage.machine;
    let before = tree(site.stage.sshd.home());
    let refuse = |bytes: Vec<u8>, says: &[&str], hint: &str| {
        let path = site.file("program", &bytes);
        let args = ["install", "--binary", path.to_str().unwrap(), "server"];
        one_error(&run(machine, &args), 255, says, hint);
        assert_eq!(tree(site.stage.sshd.home()), before);
    };
    let built = fs::read(binaries::outlast_subsystem()).unwrap();
    let mut foreign = built.clone();
    // e_machine of s390x: no computer that runs these tests.
    foreign[4..6].copy_from_slice(&[2, 2]);
    foreign[18..20].copy_from_slice(&[0, 22]);
    let here = std::env::consts::ARCH;
    refuse(foreign, &["s390x", here], "--binary");
    refuse(b"#!/bin/sh\n".to_vec(), &["ELF"], "--binary");
    // Built for this machine, and it does not come to its first word.
    let broken = built[..4096].to_vec();
    refuse(broken, &["does not run there"], "--binary");
    let nowhere = ["install", "--binary", "/nowhere", "server"];
    one_error(&run(machine, &nowhere), 2, &["/nowhere"], "--binary");
    site.stage.strike(vec![]);
}

#[test]
fn it_is_taken_away_but_not_from_under_a_session() {
    let site = Site::installed();
    let machine = &site.stage.machine;
    site.stage.new_session("job");
    let refused = run(machine, &["install", "--uninstall", "server"]);
    one_error(&refused, 255, &["1 sessions go on"], "--force");
    assert!(site.program.exists());
    let forced = run(machine, &["install", "--uninstall", "--force", "server"]);
    forced.success().stdout_has("server: removed: ");
    forced.stderr_has("nobody reaches them until it is installed again");
    assert_eq!(site.beside(), [""; 0]);
    run(machine, &["install", "server"]).success();
    run(machine, &["remove", "job"]).success();
    site.stage.sshd.wait_nothing_left();
    let before = tree(site.stage.sshd.home());
    let check = run(machine, &["install", "--uninstall", "--check", "server"]);
    check.success().stdout_has("server: would remove: ");
    assert_eq!(tree(site.stage.sshd.home()), before);
    let removed = run(machine, &["install", "--uninstall", "server"]);
    removed.success().stdout_has("server: removed: ");
    assert!(!site.program.exists());
    let absent = run(machine, &["install", "--uninstall", "server"]);
    absent.success().stdout_is("server: not installed\n");
}

#[test]
fn another_one_that_comes_first_on_the_path_is_named() {
    let sshd = Sshd::builder().subsystem(Subsystem::OnlyInPath).start();
    let machine = ClientMachine::knowing("server", &sshd);
    let output = run(&machine, &["install", "server"]);
    output.success().stderr_has("comes first on the PATH there");
}

/// The others get it, and the code says how bad it was.
#[test]
fn of_several_hosts_one_is_dead_and_one_has_no_room() {
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let mut servers = addresses.map(|address| {
        let builder = Sshd::builder()
            .address(address)
            .subsystem(Subsystem::Absent);
        builder.start()
    });
    let machine = ClientMachine::new();
    for (name, sshd) in ["one", "two", "three"].into_iter().zip(&servers) {
        machine.host(name, sshd).add();
    }
    servers[1].stop_listening();
    let args = ["install", "one,two,three", "--output", "json"];
    let output = run(&machine, &args);
    output.code(4).stderr_has("error: two: ");
    let all = output.json();
    let states: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(it, "state"))
        .collect();
    assert_eq!(states, ["changed", "failed", "changed"]);
    assert_eq!(all[1]["computer_name"], "two");
    assert!(all[1]["error"].is_string() && all[0]["error"].is_null());
    // A file where the directory should be.
    let local = servers[2].home().join(".local");
    fs::remove_dir_all(&local).unwrap();
    fs::write(&local, "").unwrap();
    let output = run(&machine, &["install", "one,three"]);
    output.code(3).stdout_is(&format!(
        "one: unchanged: {}\n",
        all[0]["files"][0].as_str().unwrap()
    ));
    output.stderr_has("error: three: cannot make");
}

/// What a person sees who waits: how far it is, and then one line a host.
#[test]
fn on_a_terminal_it_says_how_far_it_is() {
    let site = Site::bare();
    let mut on = site.stage.machine.on_pty(&["install", "server"]);
    let lines = on.expect_lines("the end", |lines| {
        let last = lines.last();
        last.is_some_and(|it| it.starts_with("server: changed: "))
    });
    // Nothing of that is left on the screen.
    let left = |it: &String| it.contains(" %") || it.contains("connecting");
    assert!(!lines.iter().any(left), "{lines:?}");
    let output = on.ended();
    output.code(0);
    let told = output.stdout_text();
    assert!(
        told.contains("server connecting") && told.contains(" %"),
        "{told}"
    );
    site.stage.strike(vec![]);
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let machine = ClientMachine::new();
    let local = run(&machine, &["install", "."]);
    one_error(&local, 2, &["`.`"], "other computers");
    bad_usage(&run(&machine, &["install"]), &["HOST"]);
    bad_usage(
        &run(&machine, &["install", "--force", "h"]),
        &["--uninstall"],
    );
    let directory = ["install", "--system", "--directory", "/a b", "h"];
    bad_usage(&run(&machine, &directory), &["only letters"]);
    bad_usage(
        &run(&machine, &["install", "--reload", "x", "h"]),
        &["--system"],
    );
}

/// A login shell that is no POSIX shell, start-up files that print, and a login that runs nothing.
#[test]
fn the_login_shell_may_be_any() {
    let site = Site::bare();
    let machine = &site.stage.machine;
    let output = run(machine, &["install", "server", "--output", "json"]);
    let one = only(&output.success().json());
    assert_eq!(text(&one, "state"), "changed");
    let sshd = Sshd::builder()
        .subsystem(Subsystem::Absent)
        .extra("ForceCommand echo no shell for you")
        .start();
    let machine = ClientMachine::knowing("closed", &sshd);
    let output = run(&machine, &["install", "closed"]);
    one_error(&output, 255, &["no POSIX shell"], "outlast doctor closed");
    site.stage.strike(vec![]);
}

/// It may have been made unexecutable, or a link to somewhere else.
#[test]
fn what_is_there_and_does_not_run_is_replaced() {
    let site = Site::installed();
    let machine = &site.stage.machine;
    fs::set_permissions(&site.program, Permissions::from_mode(0o644)).unwrap();
    let output = run(machine, &["install", "server"]);
    output.success().stdout_has("server: changed: ");
    let elsewhere = site.file("elsewhere", b"something of the user's");
    fs::remove_file(&site.program).unwrap();
    symlink(&elsewhere, &site.program).unwrap();
    let output = run(machine, &["install", "server"]);
    output.success().stdout_has("server: changed: ");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"something of the user's");
    assert!(site.program.symlink_metadata().unwrap().is_file());
    site.stage.strike(vec![]);
}
