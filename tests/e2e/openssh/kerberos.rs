//! GSSAPI, which only the system's `ssh` has: a KDC of the test's own, a ticket, and no other way in.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use outlast_tests::transcript::Transcript;
use outlast_tests::{ClientMachine, Running, Sshd};

use crate::stage::{command, one_error, run};

const REALM: &str = "OUTLAST.TEST";
const PASSWORD: &str = "of the realm";
const PROGRAMS: [&str; 4] = ["krb5kdc", "kdb5_util", "kadmin.local", "kinit"];

/// A Kerberos realm on loopback.
struct Realm {
    directory: tempfile::TempDir,
    kdc: Child,
    _log: Transcript,
}

impl Realm {
    /// None where its programs are not installed.
    fn start() -> Option<Self> {
        if let Some(absent) = PROGRAMS.iter().find(|program| !is_installed(program)) {
            skipped(absent);
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        // Should somebody else take it in between, the KDC says so and ends.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let here = directory.path().display();
        let client = format!(
            "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n \
             dns_lookup_realm = false\n dns_canonicalize_hostname = false\n rdns = false\n\
             [realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n\
             [domain_realm]\n localhost = {REALM}\n"
        );
        let server = format!(
            "[kdcdefaults]\n kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n\
             [realms]\n {REALM} = {{\n  database_name = {here}/principals\n  \
             key_stash_file = {here}/stash\n  acl_file = {here}/acl\n }}\n\
             [logging]\n kdc = STDERR\n"
        );
        fs::write(directory.path().join("krb5.conf"), client).unwrap();
        fs::write(directory.path().join("kdc.conf"), server).unwrap();
        let prepare = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            let done = command
                .args(args)
                .envs(environment(directory.path()))
                .output();
            let done = done.unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{program} {args:?}: {said}");
        };
        prepare("kdb5_util", &["create", "-s", "-r", REALM, "-P", "master"]);
        let user = outlast_tests::account::Account::current().name;
        for query in [
            &format!("addprinc -pw \"{PASSWORD}\" {user}"),
            "addprinc -randkey host/localhost",
            &format!("ktadd -k {here}/keytab host/localhost"),
        ] {
            prepare("kadmin.local", &["-r", REALM, "-q", query]);
        }
        let mut kdc = Command::new("krb5kdc")
            .arg("-n")
            .envs(environment(directory.path()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Transcript::of("log of the KDC", kdc.stderr.take().unwrap());
        log.wait_line("commencing operation");
        Some(Self {
            directory,
            kdc,
            _log: log,
        })
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        environment(self.directory.path())
    }

    /// Gets a ticket.
    fn log_in(&self) {
        let mut kinit = Command::new("kinit")
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = kinit.stdin.take().unwrap();
        writeln!(input, "{PASSWORD}").unwrap();
        drop(input);
        assert!(kinit.wait().unwrap().success(), "kinit");
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let _ = self.kdc.kill();
        let _ = self.kdc.wait();
    }
}

fn environment(directory: &Path) -> Vec<(&'static str, PathBuf)> {
    [
        ("KRB5_CONFIG", "krb5.conf"),
        ("KRB5_KDC_PROFILE", "kdc.conf"),
        ("KRB5CCNAME", "tickets"),
        ("KRB5_KTNAME", "keytab"),
    ]
    .map(|(name, file)| (name, directory.join(file)))
    .to_vec()
}

fn is_installed(program: &str) -> bool {
    let directories = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let mut files = directories
        .iter()
        .map(|directory| Path::new(directory).join(program));
    files.any(|file| file.is_file())
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not check anything says so"
)]
fn skipped(program: &str) {
    eprintln!("not checked: {program} is not installed; `cargo xtask test` installs it");
}

#[test]
fn a_ticket_lets_in_and_nothing_else_does() {
    let Some(realm) = Realm::start() else { return };
    let mut server = Sshd::builder()
        .extra("GSSAPIAuthentication yes")
        .extra("GSSAPIStrictAcceptorCheck no");
    for (name, path) in realm.environment() {
        server = server.daemon(name, path.to_str().unwrap());
    }
    let sshd = server.start();
    let machine = ClientMachine::new();
    machine.set_transport("openssh");
    machine.host("server", &sshd).unauthorized().add();
    let key = sshd.known_hosts_line(sshd.address());
    machine.trust(&key.replacen("127.0.0.1", "localhost", 1));
    machine.configure(
        "Host server\n  HostName localhost\n  AddressFamily inet\n  GSSAPIAuthentication yes\n",
    );
    let invoke = |script: &str| {
        let mut outlast = command(&machine, &["invoke", "-n", "-c", "server", script]);
        Running::start(outlast.envs(realm.environment())).wait()
    };
    let refused = invoke("true");
    let says = ["refused the authentication", "gssapi-with-mic"];
    one_error(&refused, 255, &says, "");
    realm.log_in();
    invoke("echo in").success().stdout_is("in\n");
    let mut outlast = command(&machine, &["new", "server", "-n", "job"]);
    let made = Running::start(outlast.envs(realm.environment())).wait();
    made.success();
    let shown = run(&machine, &["get", "-v"]);
    shown
        .success()
        .stdout_has("authenticated by gssapi-with-mic");
    // Our own SSH does not have it, and says which transport does.
    let mut outlast = command(&machine, &["new", "server", "--transport", "native"]);
    let native = Running::start(outlast.envs(realm.environment())).wait();
    native.no_panic().code(255);
    native.stderr_has("gssapiauthentication has no effect here; it needs the system's ssh");
    run(&machine, &["remove", "job"]).success();
    sshd.wait_nothing_left();
}
