//! For everybody: by sshd's configuration, as root or by sudo.

use std::fs;
use std::path::{Path, PathBuf};

use outlast_tests::pty::OnPty;
use outlast_tests::sshd::Builder;
use outlast_tests::{ClientMachine, Output, Sshd, Subsystem, Sudoer, binaries, process};

use super::site::tree;
use crate::stage::{new_session, one_error, run};

/// A computer whose sshd reads a directory of files, as distributions have it, and a client of it.
struct Site {
    sshd: Sshd,
    machine: ClientMachine,
    /// Where the program is to be.
    directory: tempfile::TempDir,
}

impl Site {
    fn of(builder: Builder) -> Self {
        let sshd = builder.subsystem(Subsystem::Absent).start();
        let site = Self {
            machine: ClientMachine::knowing("server", &sshd),
            directory: tempfile::tempdir().unwrap(),
            sshd,
        };
        fs::create_dir(site.drop_ins()).unwrap();
        let text = fs::read_to_string(site.config()).unwrap();
        let include = format!("Include {}/*.conf\n", site.drop_ins().display());
        fs::write(site.config(), include + &text).unwrap();
        // What lies there is for whoever logs in.
        use std::os::unix::fs::PermissionsExt;
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(site.directory.path(), open).unwrap();
        site
    }

    fn start() -> Self {
        Self::of(Sshd::builder())
    }

    fn config(&self) -> PathBuf {
        self.sshd.session_dir().with_file_name("sshd_config")
    }

    fn drop_ins(&self) -> PathBuf {
        self.config().with_file_name("sshd_config.d")
    }

    fn drop_in(&self) -> PathBuf {
        self.drop_ins().join("outlast.conf")
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("outlast-subsystem")
    }

    /// Tells sshd to read its configuration again, and leaves a trace of it.
    fn reload(&self) -> String {
        format!("kill -HUP {}", self.sshd.listener())
    }

    fn words(&self, options: &[&str]) -> Vec<String> {
        let mut words = vec!["install".to_owned(), "--system".to_owned()];
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        words.extend(["--sshd-config".to_owned(), path(&self.config())]);
        words.extend(["--directory".to_owned(), path(self.directory.path())]);
        if !options.contains(&"--reload") {
            words.extend(["--reload".to_owned(), self.reload()]);
        }
        words.extend(options.iter().map(|&option| option.to_owned()));
        words.push("server".to_owned());
        words
    }

    #[track_caller]
    fn install(&self, options: &[&str]) -> Output {
        let words = self.words(options);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        run(&self.machine, &words)
    }

    /// sshd has read its configuration again.
    fn wait_reloaded(&self) {
        self.sshd.wait_log("Received SIGHUP");
        self.sshd.wait_log("Server listening on");
    }

    /// What is there of it.
    fn files(&self) -> Vec<String> {
        let below = [self.drop_ins(), self.directory.path().to_owned()];
        let files = below.iter().flat_map(|it| tree(it).into_keys());
        let names = files.map(|it| it.file_name().unwrap().to_str().unwrap().to_owned());
        names.collect()
    }

    /// Sessions are made by sshd's subsystem: over a connection that began behind the reload.
    fn serves(&self) {
        run(&self.machine, &["mux", "stop"]).success();
        new_session(&self.machine, "server", "job");
        self.sshd.wait_log("Starting session: subsystem 'outlast'");
        run(&self.machine, &["remove", "job"]).success();
        self.sshd.wait_nothing_left();
    }
}

#[test]
fn sshd_starts_it_behind_a_reload() {
    let site = Site::start();
    let before = (site.files(), tree(&site.drop_ins()));
    let check = site.install(&["--check"]);
    check.success().stdout_has("server: would change: ");
    assert_eq!((site.files(), tree(&site.drop_ins())), before);
    let output = site.install(&[]);
    output.success().stdout_is(&format!(
        "server: changed: {}, {}\n",
        site.program().display(),
        site.drop_in().display()
    ));
    site.wait_reloaded();
    let line = format!("Subsystem outlast {}\n", site.program().display());
    assert!(fs::read_to_string(site.drop_in()).unwrap().ends_with(&line));
    assert_eq!(site.files(), ["outlast.conf", "outlast-subsystem"]);
    site.serves();
    let again = site.install(&[]);
    again.success().stdout_has("server: unchanged: ");
    let output = site.install(&["--uninstall"]);
    output.success().stdout_has("server: removed: ");
    site.wait_reloaded();
    assert_eq!(site.files(), [""; 0]);
    let output = site.install(&["--uninstall"]);
    output.success().stdout_is("server: not installed\n");
}

/// The line is there already, in another file: no second one, and no reload.
#[test]
fn a_line_that_is_there_is_left_alone() {
    let site = Site::start();
    let other = site.drop_ins().join("10-admin.conf");
    let line = format!("Subsystem outlast {}\n", site.program().display());
    fs::write(&other, &line).unwrap();
    let output = site.install(&["--reload", "false"]);
    output.success().stdout_has("outlast-subsystem\n");
    assert_eq!(site.files(), ["10-admin.conf", "outlast-subsystem"]);
    // It is not ours to take away, and sshd would start what is not there.
    let output = site.install(&["--uninstall"]);
    one_error(&output, 255, &["another line"], "Subsystem outlast");
    assert_eq!(site.files(), ["10-admin.conf", "outlast-subsystem"]);
    fs::write(&other, "Subsystem outlast /opt/outlast --some-option\n").unwrap();
    let before = tree(site.directory.path());
    let output = site.install(&[]);
    one_error(
        &output,
        255,
        &["/opt/outlast --some-option"],
        "--directory /opt",
    );
    assert_eq!(tree(site.directory.path()), before);
    assert_eq!(fs::read_dir(site.drop_ins()).unwrap().count(), 1);
}

/// Only what is missing is done: the line alone, or another line in place of an earlier one.
#[test]
fn a_line_that_is_missing_or_names_another_place_is_written() {
    let site = Site::start();
    site.install(&[]).success();
    site.wait_reloaded();
    let program = tree(site.directory.path());
    fs::remove_file(site.drop_in()).unwrap();
    let only_the_line = format!("server: changed: {}\n", site.drop_in().display());
    let output = site.install(&[]);
    output.success().stdout_is(&only_the_line);
    site.wait_reloaded();
    fs::write(site.drop_in(), "Subsystem outlast /opt/earlier\n").unwrap();
    let output = site.install(&[]);
    output.success().stdout_is(&only_the_line);
    site.wait_reloaded();
    assert_eq!(tree(site.directory.path()), program);
    assert_eq!(site.files(), ["outlast.conf", "outlast-subsystem"]);
    site.serves();
}

/// A file of that name may be somebody's, for whatever.
#[test]
fn a_file_with_other_lines_is_left_alone() {
    let site = Site::start();
    fs::write(site.drop_in(), "MaxSessions 7\n").unwrap();
    let before = (tree(&site.drop_ins()), site.files());
    let output = site.install(&[]);
    one_error(&output, 255, &["somebody else"], "another name");
    assert_eq!((tree(&site.drop_ins()), site.files()), before);
    let line = format!("Subsystem outlast {}\n", site.program().display());
    fs::write(site.drop_in(), format!("MaxSessions 7\n{line}")).unwrap();
    site.install(&["--reload", "false"]).success();
    let before = (tree(&site.drop_ins()), site.files());
    let output = site.install(&["--uninstall"]);
    one_error(&output, 255, &["another line"], "Subsystem outlast");
    assert_eq!((tree(&site.drop_ins()), site.files()), before);
}

/// Each way in which it can go wrong behind the program's arrival.
#[test]
fn what_goes_wrong_is_undone() {
    let site = Site::start();
    fs::write(site.program(), "an older one").unwrap();
    let before = (tree(&site.drop_ins()), tree(site.directory.path()));
    let undone = |output: &Output, says: &[&str], hint: &str| {
        one_error(output, 255, says, hint);
        let now = (tree(&site.drop_ins()), tree(site.directory.path()));
        assert_eq!(now, before, "{output}");
    };
    let failing = site.install(&["--reload", "echo no such unit >&2; false"]);
    undone(&failing, &["no such unit"], "as it was before");
    let config = fs::read_to_string(site.config()).unwrap();
    let write = |text: &str| fs::write(site.config(), text).unwrap();
    write(&format!("{config}NoSuchKeyword yes\n"));
    undone(
        &site.install(&[]),
        &["NoSuchKeyword"],
        "nothing was changed",
    );
    // sshd refuses the line only where it stands: within a Match block.
    let (include, rest) = config.split_once('\n').unwrap();
    write(&format!("{rest}Match User nobody\n{include}\n"));
    undone(&site.install(&[]), &["Subsystem"], "as it was before");
    write(rest);
    undone(&site.install(&[]), &["does not read"], "Include");
    write(&config);
    site.install(&[]).success();
    site.wait_reloaded();
    // As little on the way back.
    let before = (tree(&site.drop_ins()), tree(site.directory.path()));
    let failing = site.install(&["--uninstall", "--reload", "false"]);
    one_error(&failing, 255, &["no reason"], "--reload");
    let now = (tree(&site.drop_ins()), tree(site.directory.path()));
    assert_eq!(now, before);
    site.serves();
}

/// Whoever logs in is not root, and sudo wants a password.
fn of_a_sudoer() -> Option<Site> {
    let become_her = Sudoer::command("sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let line = format!("ForceCommand {become_her}");
    let site = Site::of(Sshd::builder().sudoer().extra(&line));
    if !site.sshd.hides_real_home() {
        skipped();
        return None;
    }
    Some(site)
}

/// Without a mount namespace there is no user who may use sudo.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn skipped() {
    eprintln!("not checked: no mount namespace here");
}

#[test]
fn by_sudo_with_a_password_that_is_asked_for_here() {
    let Some(site) = of_a_sudoer() else { return };
    let words = site.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut on: OnPty = site.machine.on_pty(&words);
    on.expect("[sudo] password for ada on server: ");
    assert!(!on.is_cooked(), "what is typed is not shown");
    on.send("wrong\r");
    on.expect("not accepted, please try again");
    on.expect("[sudo] password for ada on server: ");
    on.send(&format!("{}\r", Sudoer::PASSWORD));
    let output = on.ended();
    output.code(0).stdout_has("server: changed: ");
    assert!(!output.stdout_text().contains(Sudoer::PASSWORD));
    site.wait_reloaded();
    let built = fs::read(binaries::outlast_subsystem()).unwrap();
    assert!(fs::read(site.program()).unwrap() == built);
    for process in process::all() {
        assert!(!process.command.contains(Sudoer::PASSWORD), "{process:?}");
    }
}

#[test]
fn by_sudo_where_nobody_can_be_asked() {
    let Some(site) = of_a_sudoer() else { return };
    let output = site.install(&[]);
    one_error(&output, 255, &["sudo wants a password"], "-l root");
    assert_eq!(site.files(), [""; 0]);
    // Three wrong ones are as many as sudo itself takes.
    let words = site.words(&[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut on = site.machine.on_pty(&words);
    for attempt in 0..3 {
        on.expect("[sudo] password for ada on server: ");
        on.send(&format!("wrong {attempt}\r"));
    }
    on.ended().code(255).stdout_has("none of 3 passwords");
    assert_eq!(site.files(), [""; 0]);
}
