//! The SSH transport against a real sshd: the gate for every upgrade of russh.

// clippy takes only the `#[test]` functions themselves for tests, not their helpers.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "ssh_conformance/authentication.rs"]
mod authentication;
#[path = "ssh_conformance/effects.rs"]
mod effects;
#[path = "ssh_conformance/host_keys.rs"]
mod host_keys;
#[path = "ssh_conformance/order.rs"]
mod order;
#[path = "ssh_conformance/plan.rs"]
mod plan;
#[path = "ssh_conformance/server.rs"]
mod server;
#[path = "ssh_conformance/token.rs"]
mod token;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use outlast::ssh::{
    Answer, ConnectErrorKind, Connection, HostKeyError, Link, NeverPrompt, NoTerminal, OpenError,
    Prompt, PromptFuture, Question, RemoteExit,
};
use server::{Agent, Server, keygen, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Long enough for a loaded machine; nothing waits this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers every question the same and remembers what was asked.
struct Scripted {
    answer: Option<Answer>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answer: Option<Answer>) -> Self {
        Self {
            answer,
            asked: Mutex::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Prompt for Scripted {
    fn ask<'a>(&'a self, question: Question<'a>) -> PromptFuture<'a> {
        let text = match question {
            Question::HostKey {
                key_type,
                fingerprint,
                ..
            } => format!("{key_type} {fingerprint}"),
            Question::Passphrase { attempt, .. } => format!("passphrase {attempt}"),
            Question::Password { attempt, .. } => format!("password {attempt}"),
            other => format!("{other:?}"),
        };
        self.asked.lock().unwrap().push(text);
        let answer = self.answer.clone();
        Box::pin(async move { answer.ok_or(NoTerminal) })
    }
}

async fn echoes(connection: &Connection, subsystem: &str) {
    let mut link = connection.open_link(subsystem, "false").await.unwrap();
    link.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    link.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[tokio::test]
async fn a_key_file_connects_and_the_connection_is_described() {
    let server = Server::start("");
    let start = Instant::now();
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    echoes(&connection, "echo").await;
    let elapsed = start.elapsed();
    let description = connection.description();
    assert_eq!(description.cipher, "aes128-gcm@openssh.com");
    let fingerprint = server.fingerprint("host.pub");
    assert_eq!(description.host_key, format!("ssh-ed25519 {fingerprint}"));
    assert!(description.strict_kex && description.mac.is_empty());
    assert_eq!(description.accepted.methods, ["publickey"]);
    let key = server.fingerprint("user.pub");
    assert!(description.accepted.key.contains(&key), "{description:?}");
    assert!(
        description.server.starts_with("SSH-2.0-OpenSSH"),
        "{description:?}"
    );
    assert!(!description.kex.is_empty() && !connection.is_closed());
    println!("cold connect, open, echo: {elapsed:?}");
}

#[tokio::test]
async fn an_encrypted_key_asks_for_its_passphrase() {
    let server = Server::start("");
    let key = server.path("locked");
    keygen(&["-t", "ed25519", "-N", "secret", "-f", key.to_str().unwrap()]);
    server.authorise("locked.pub");
    let config = server.config(&format!("IdentityFile {}\n", key.display()));
    let right = Scripted::new(Some(Answer::text("secret")));
    let connection = Connection::connect(&config, &right).await.unwrap();
    assert_eq!(right.asked(), ["passphrase 1"]);
    echoes(&connection, "echo").await;
    let wrong = Scripted::new(Some(Answer::text("wrong")));
    let error = Connection::connect(&config, &wrong).await.unwrap_err();
    assert!(
        error.is_auth_refused() && error.to_string().contains("wrong passphrase"),
        "{error}"
    );
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    assert!(error.hint().unwrap().contains("terminal"), "{error}");
}

#[tokio::test]
async fn no_passphrase_is_asked_for_a_key_the_server_does_not_take() {
    let server = Server::start("");
    let key = server.path("locked");
    keygen(&["-t", "ed25519", "-N", "secret", "-f", key.to_str().unwrap()]);
    let config = server.config(&format!("IdentityFile {}\n", key.display()));
    let prompt = Scripted::new(Some(Answer::text("secret")));
    Connection::connect(&config, &prompt).await.unwrap_err();
    assert!(
        !prompt
            .asked()
            .iter()
            .any(|asked| asked.starts_with("passphrase"))
    );
}

#[tokio::test]
async fn the_agent_signs_with_ed25519_and_rsa() {
    for kind in [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "2048"]] {
        let server = Server::start("");
        let key = server.path("agent-key");
        keygen(&[kind, &["-N", "", "-f", key.to_str().unwrap()]].concat());
        server.authorise("agent-key.pub");
        let agent = Agent::start(&server);
        agent.add(&key);
        std::fs::remove_file(&key).unwrap();
        let socket = format!("IdentityAgent {}\n", agent.socket.display());
        let config = server.config(&format!("IdentityFile none\n{socket}"));
        let connection = Connection::connect(&config, &NeverPrompt).await.unwrap();
        echoes(&connection, "echo").await;
        // With IdentitiesOnly a key needs to be named; its public half is enough.
        let only = format!("IdentitiesOnly yes\n{socket}");
        let config = server.config(&format!("{only}IdentityFile {}\n", key.display()));
        Connection::connect(&config, &NeverPrompt).await.unwrap();
        let config = server.config(&format!("{only}IdentityFile none\n"));
        assert!(
            Connection::connect(&config, &NeverPrompt)
                .await
                .unwrap_err()
                .is_auth_refused()
        );
    }
}

#[tokio::test]
async fn rsa_and_ecdsa_key_files_and_user_certificates_connect() {
    let server = Server::start("");
    for kind in [
        &["-t", "rsa", "-b", "2048"][..],
        &["-t", "ecdsa"],
        &["-t", "rsa", "-m", "PEM"],
    ] {
        let key = server.path("other");
        keygen(&[kind, &["-N", "", "-f", key.to_str().unwrap()]].concat());
        server.authorise("other.pub");
        let config = server.config(&format!("IdentityFile {}\n", key.display()));
        Connection::connect(&config, &NeverPrompt).await.unwrap();
        std::fs::remove_file(&key).unwrap();
    }
    keygen(&[
        "-t",
        "ed25519",
        "-N",
        "",
        "-f",
        server.path("ca").to_str().unwrap(),
    ]);
    let authority = std::fs::read_to_string(server.path("ca.pub")).unwrap();
    std::fs::write(
        server.path("authorized"),
        format!("cert-authority {authority}"),
    )
    .unwrap();
    let key = server.path("certified");
    keygen(&["-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let (ca, public) = (server.path("ca"), server.path("certified.pub"));
    keygen(&[
        "-s",
        ca.to_str().unwrap(),
        "-I",
        "me",
        "-n",
        "root",
        public.to_str().unwrap(),
    ]);
    let config = server.config(&format!("IdentityFile {}\n", key.display()));
    Connection::connect(&config, &NeverPrompt).await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_is_refused_naming_what_was_tried() {
    let server = Server::start("");
    let key = server.path("stranger");
    keygen(&["-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
    let config = server.config(&format!("IdentityFile {}\n", key.display()));
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    assert!(error.is_auth_refused() && !error.is_unreachable() && !error.may_retry());
    let text = error.to_string();
    assert!(
        text.contains("stranger") && text.contains("allows: publickey"),
        "{text}"
    );
}

#[tokio::test]
async fn jump_hosts_and_proxy_commands_lead_there() {
    let (jump, server) = (Server::start(""), Server::start(""));
    jump.authorise_from(&server);
    let hosts = format!(
        "Host jump\n{}Host target\n  ProxyJump jump\nHost command\n  ProxyCommand {} -F {} -W %h:%p jump\n",
        jump.lines(&server),
        "ssh",
        server.path("config").display(),
    );
    for host in ["target", "command"] {
        let mut environment = server.environment();
        environment
            .variables
            .insert("SHELL".into(), "/bin/sh".into());
        let config = server.config_for(host, &hosts, &environment);
        let connection = Connection::connect(&config, &NeverPrompt).await.unwrap();
        assert_eq!(connection.via().is_some(), host == "target");
        echoes(&connection, "echo").await;
    }
    // A jump host that cannot connect on says so.
    let closed = server::free_port();
    let config = server.config_for(
        "closed",
        &format!("{hosts}Host closed\n  ProxyJump jump\n  Port {closed}\n"),
        &server.environment(),
    );
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind, ConnectErrorKind::JumpRefused { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_changed_or_revoked_host_key_always_fails() {
    let (server, other) = (Server::start(""), Server::start(""));
    for strict in ["no", "ask", "accept-new", "yes"] {
        std::fs::write(server.path("known"), server.known_line(&other)).unwrap();
        let config = server.config(&format!("StrictHostKeyChecking {strict}\n"));
        let prompt = Scripted::new(Some(Answer::Yes));
        let error = Connection::connect(&config, &prompt).await.unwrap_err();
        assert!(
            matches!(
                &error.kind,
                ConnectErrorKind::HostKey(HostKeyError::Changed { line: 1, .. })
            ),
            "{error}"
        );
        assert!(prompt.asked().is_empty() && !error.may_retry());
        let line = server.known_line(&server);
        std::fs::write(server.path("known"), format!("{line}@revoked {line}")).unwrap();
        let error = Connection::connect(&config, &prompt).await.unwrap_err();
        assert!(
            matches!(
                &error.kind,
                ConnectErrorKind::HostKey(HostKeyError::Revoked { line: 2, .. })
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_unknown_host_is_asked_about_and_recorded() {
    let server = Server::start("");
    let known = server.path("known");
    let fingerprint = server.fingerprint("host.pub");
    for (answer, accepted) in [
        (Some(Answer::Yes), true),
        (Some(Answer::text(&fingerprint)), true),
        (Some(Answer::No), false),
        (None, false),
    ] {
        std::fs::remove_file(&known).unwrap();
        std::fs::write(&known, "").unwrap();
        let prompt = Scripted::new(answer);
        let config = server.config("StrictHostKeyChecking ask\n");
        let connected = Connection::connect(&config, &prompt).await;
        assert_eq!(prompt.asked(), [format!("ED25519 {fingerprint}")]);
        assert_eq!(connected.is_ok(), accepted);
        assert_eq!(
            !std::fs::read_to_string(&known).unwrap().is_empty(),
            accepted
        );
        match connected {
            // Recorded, so strict checking is content and nobody is asked again.
            Ok(_) => drop(
                Connection::connect(&server.config("StrictHostKeyChecking yes\n"), &prompt)
                    .await
                    .unwrap(),
            ),
            Err(error) if prompt.answer.is_none() => {
                assert!(error.hint().unwrap().contains("ssh-keyscan"), "{error}");
            }
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn accept_new_records_hashed_names_and_strict_refuses() {
    let server = Server::start("");
    std::fs::write(server.path("known"), "").unwrap();
    let config = server.config("StrictHostKeyChecking yes\n");
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind,
        ConnectErrorKind::HostKey(HostKeyError::Unknown { .. })
    ));
    let config = server.config("StrictHostKeyChecking accept-new\nHashKnownHosts yes\n");
    Connection::connect(&config, &NeverPrompt).await.unwrap();
    assert!(
        std::fs::read_to_string(server.path("known"))
            .unwrap()
            .starts_with("|1|")
    );
    // The real ssh finds the line too.
    let name = format!("[127.0.0.1]:{}", server.port);
    let found = run(
        "ssh-keygen",
        &["-F", &name, "-f", server.path("known").to_str().unwrap()],
    );
    assert!(found.contains("found: line 1"), "{found}");
}

#[tokio::test]
async fn a_certified_host_is_believed_if_the_certificate_fits() {
    let server = Server::start("HostCertificate @D/host-cert.pub\n");
    let line = |marker: &str| {
        let ca = std::fs::read_to_string(server.path("hostca.pub")).unwrap();
        format!("{marker} * {ca}")
    };
    std::fs::write(server.path("known"), line("@cert-authority")).unwrap();
    let config = server.config("StrictHostKeyChecking yes\n");
    Connection::connect(&config, &NeverPrompt).await.unwrap();
    let config = server.config("StrictHostKeyChecking yes\nHostKeyAlias elsewhere\n");
    Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    let both = line("@cert-authority") + &line("@revoked");
    std::fs::write(server.path("known"), both).unwrap();
    let config = server.config("StrictHostKeyChecking no\n");
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind,
        ConnectErrorKind::HostKey(HostKeyError::Revoked { .. })
    ));
}

#[tokio::test]
async fn refused_unknown_silent_and_mismatched_hosts_are_told_apart() {
    let server = Server::start("Ciphers chacha20-poly1305@openssh.com\n");
    let connect = async |lines: &str| {
        Connection::connect(&server.config(lines), &NeverPrompt)
            .await
            .unwrap_err()
    };
    let error = connect("Ciphers aes128-ctr\n").await;
    assert!(
        matches!(error.kind, ConnectErrorKind::Negotiation { .. }),
        "{error}"
    );
    assert!(
        !error.is_unreachable() && error.to_string().contains("chacha20"),
        "{error}"
    );
    let error = connect("Ciphers 3des-cbc\n").await;
    assert!(
        matches!(error.kind, ConnectErrorKind::Negotiation { .. }),
        "{error}"
    );
    let error = connect("HostName nosuch.invalid\n").await;
    assert!(
        matches!(error.kind, ConnectErrorKind::NameNotFound { .. }),
        "{error}"
    );
    let error = connect(&format!("Port {}\n", server::free_port())).await;
    assert!(
        matches!(error.kind, ConnectErrorKind::Refused { .. }),
        "{error}"
    );
    assert!(error.is_unreachable() && error.may_retry());
    // It accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = connect(&format!("Port {port}\nConnectTimeout 1\n")).await;
    assert!(
        matches!(error.kind, ConnectErrorKind::TimedOut { seconds: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn without_the_subsystem_the_command_runs() {
    let server = Server::start("MaxSessions 1\n");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let mut link = connection
        .open_link("absent", "echo out; echo err >&2; exit 3")
        .await
        .unwrap();
    let mut output = String::new();
    link.read_to_string(&mut output).await.unwrap();
    let diagnostics = link.remote_diagnostics();
    assert_eq!(output, "out\n");
    assert_eq!(diagnostics.stderr, b"err\n");
    assert_eq!(diagnostics.exit, Some(RemoteExit::Status(3)));
}

#[tokio::test]
async fn a_command_that_is_not_there_ends_with_127_and_its_message() {
    let server = Server::start("");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let mut link = connection
        .open_link("absent", "no-such-command")
        .await
        .unwrap();
    assert_eq!(link.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    let diagnostics = link.remote_diagnostics();
    assert_eq!(diagnostics.exit, Some(RemoteExit::Status(127)));
    let stderr = String::from_utf8_lossy(&diagnostics.stderr).into_owned();
    assert!(stderr.contains("not found"), "{stderr}");
    let command = "head -c 1000000 /dev/zero >&2; kill -9 $$";
    let noisy = connection.open_link("absent", command).await;
    let mut noisy = noisy.unwrap();
    assert_eq!(noisy.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    let diagnostics = noisy.remote_diagnostics();
    assert!(diagnostics.stderr_truncated && diagnostics.stderr.len() == 64 * 1024);
    assert_eq!(diagnostics.exit, Some(RemoteExit::Signal("KILL".into())));
}

#[tokio::test]
async fn max_sessions_is_a_refused_channel_and_a_closed_link_makes_room() {
    let server = Server::start("MaxSessions 1\n");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let mut link = connection.open_link("echo", "false").await.unwrap();
    let refused = connection.open_link("echo", "false").await.unwrap_err();
    assert!(
        matches!(refused, OpenError::ChannelRefused { .. }),
        "{refused}"
    );
    link.shutdown().await.unwrap();
    assert_eq!(link.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    assert_eq!(link.remote_diagnostics().exit, Some(RemoteExit::Status(0)));
    drop(link);
    drop(open_when_there_is_room(&connection).await);
}

/// sshd frees a session a moment after it closed the channel; a refusal meanwhile is right.
async fn open_when_there_is_room(connection: &Connection) -> Link {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connection.open_link("echo", "false").await {
            Ok(link) => return link,
            Err(OpenError::ChannelRefused { .. }) if Instant::now() < deadline => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn dropped_links_leave_no_sessions_behind() {
    let server = Server::start("MaxSessions 4\n");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    for _ in 0..20 {
        let link = open_when_there_is_room(&connection).await;
        drop(link);
    }
}

#[tokio::test]
async fn an_unread_link_does_not_stall_another() {
    let server = Server::start("");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let mut unread = connection
        .open_link("absent", "head -c 20000000 /dev/zero")
        .await
        .unwrap();
    // It flows from here on, and nobody reads on.
    unread.read_exact(&mut [0; 1]).await.unwrap();
    for _ in 0..20 {
        tokio::time::timeout(PATIENCE, echoes(&connection, "echo"))
            .await
            .unwrap();
    }
    let mut rest = Vec::new();
    unread.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 20_000_000 - 1);
}

#[tokio::test]
async fn sixty_four_mebibytes_come_back_byte_for_byte() {
    const LENGTH: usize = 64 << 20;
    let server = Server::start("");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let link = connection.open_link("echo", "false").await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(link);
    let byte = |index: usize| (index.wrapping_mul(2_654_435_761) >> 7) as u8;
    let sent: Vec<u8> = (0..LENGTH).map(byte).collect();
    let start = Instant::now();
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
        sent
    });
    let mut received = Vec::with_capacity(LENGTH);
    reader.read_to_end(&mut received).await.unwrap();
    println!("64 MiB there and back: {:?}", start.elapsed());
    assert!(writing.await.unwrap() == received);
}

#[tokio::test]
async fn a_killed_sshd_ends_the_link_and_the_connection() {
    let server = Server::start("");
    let connection = Connection::connect(&server.config(""), &NeverPrompt)
        .await
        .unwrap();
    let mut link = connection
        .open_link("absent", "echo $PPID; exec sleep 1000")
        .await
        .unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(link.read_u8().await.unwrap());
    }
    let pid = String::from_utf8(line).unwrap().trim().to_owned();
    run("kill", &["-9", &pid]);
    let ended = tokio::time::timeout(PATIENCE, link.read_u8())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(link.write_all(b"x").await.is_err());
    let reason = tokio::time::timeout(PATIENCE, connection.closed())
        .await
        .unwrap();
    assert!(connection.is_closed() && !reason.is_empty());
    let error = connection.open_link("echo", "false").await.unwrap_err();
    assert!(matches!(error, OpenError::Disconnected { .. }), "{error}");
}
