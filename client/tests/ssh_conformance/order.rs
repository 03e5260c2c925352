//! The same keys, the same agent, the same server: they are offered in the order of `ssh`.

use std::process::Stdio;

use outlast::ssh::{Connection, NeverPrompt};

use crate::server::{Agent, Server, keygen};

/// What it shows; what the agent has; the configuration, `@D` being the directory.
type Row = (&'static str, &'static [&'static str], &'static str);

const ROWS: &[Row] = &[
    (
        "files, as they are named",
        &[],
        "IdentityFile @D/c\nIdentityFile @D/a\nIdentityFile @D/rsa\n",
    ),
    ("the agent alone", &["b", "rsa", "a"], "IdentityFile none\n"),
    (
        "named keys first, in the agent's order",
        &["b", "a", "c"],
        "IdentityFile @D/c\nIdentityFile @D/a\n",
    ),
    (
        "the agent before a named file",
        &["a", "b"],
        "IdentityFile @D/c\nIdentityFile @D/b\n",
    ),
    (
        "only what is named",
        &["a", "b"],
        "IdentitiesOnly yes\nIdentityFile @D/c\nIdentityFile @D/b\n",
    ),
    (
        "a public half names a key of the agent",
        &["a", "b"],
        "IdentitiesOnly yes\nIdentityFile @D/b.pub\n",
    ),
    (
        "nothing is named",
        &["a"],
        "IdentitiesOnly yes\nIdentityFile none\n",
    ),
    (
        "a certificate beside the key",
        &[],
        "IdentityFile @D/d\nIdentityFile @D/a\n",
    ),
    (
        "a certificate beside a key in the agent",
        &["b", "plain"],
        "IdentityFile @D/d\n",
    ),
    (
        "a certificate in the agent",
        &["a", "d"],
        "IdentityFile none\n",
    ),
    (
        "a certificate in the agent and in a file",
        &["a", "d"],
        "IdentityFile @D/d\n",
    ),
    (
        "certificates in the agent, only what is named",
        &["a", "d"],
        "IdentitiesOnly yes\nIdentityFile @D/d\n",
    ),
    (
        "a named certificate comes first",
        &["a"],
        "CertificateFile @D/e-cert.pub\nIdentityFile @D/e\n",
    ),
    (
        "and hides the one beside the key",
        &[],
        "CertificateFile @D/e-cert.pub\nIdentityFile @D/d\nIdentityFile @D/e\n",
    ),
    (
        "a named certificate of a key in the agent",
        &["a", "plain"],
        "CertificateFile @D/d-cert.pub\nIdentityFile none\n",
    ),
    (
        "types that are not accepted",
        &["a", "rsa", "ec"],
        "PubkeyAcceptedAlgorithms ecdsa-*,rsa-sha2-256\nIdentityFile @D/b\n",
    ),
    (
        "types that are removed",
        &["a", "rsa", "ec"],
        "PubkeyAcceptedAlgorithms -ssh-ed25519\nIdentityFile @D/b\n",
    ),
    (
        "a file that is not there",
        &["a"],
        "IdentityFile @D/absent\nIdentityFile @D/b\n",
    ),
    (
        "a key of an old format",
        &[],
        "IdentityFile @D/pem\nIdentityFile @D/a\n",
    ),
    (
        "a full agent, and the right one named",
        &["a", "b", "c", "ec", "rsa"],
        "IdentitiesOnly yes\nIdentityFile @D/ec\n",
    ),
    (
        "no agent is wanted",
        &["a", "b"],
        "IdentityAgent none\nIdentityFile @D/c\n",
    ),
];

fn make_keys(server: &Server) {
    let path = |name: &str| server.path(name).display().to_string();
    for name in ["a", "b", "c", "d", "e", "ca"] {
        keygen(&["-t", "ed25519", "-N", "", "-C", name, "-f", &path(name)]);
    }
    keygen(&["-t", "ecdsa", "-N", "", "-f", &path("ec")]);
    keygen(&["-t", "rsa", "-b", "2048", "-N", "", "-f", &path("rsa")]);
    keygen(&[
        "-t",
        "rsa",
        "-b",
        "2048",
        "-m",
        "PEM",
        "-N",
        "",
        "-f",
        &path("pem"),
    ]);
    std::fs::remove_file(server.path("pem.pub")).unwrap();
    // The agent is to have it without the certificate beside it.
    std::fs::copy(server.path("d"), server.path("plain")).unwrap();
    for name in ["d", "e"] {
        let public = path(&format!("{name}.pub"));
        keygen(&["-s", &path("ca"), "-I", name, "-n", "root", &public]);
    }
    std::fs::write(server.path("authorized"), "").unwrap();
}

/// The keys sshd was asked about, behind `from` bytes of its log.
async fn offered(server: &Server, from: usize) -> Vec<String> {
    let log = server.wait_log(from, "Connection closed by ").await;
    let lines = log.lines().filter_map(|line| {
        // An old format shows its public half only by a signature, which ssh sends at once.
        let (_, asked) = line
            .split_once("querying public key ")
            .or_else(|| line.split_once("attempting public key "))?;
        let (kind, rest) = asked.split_once(' ')?;
        let blob = rest.split(' ').next()?;
        Some(format!("{kind} {blob}"))
    });
    lines.collect()
}

#[tokio::test]
async fn keys_are_offered_in_the_order_of_ssh() {
    let server = Server::start("LogLevel DEBUG2\nMaxAuthTries 50\n");
    make_keys(&server);
    let agent = Agent::start(&server);
    for (what, in_agent, lines) in ROWS {
        agent.forget();
        in_agent.iter().for_each(|key| agent.add(&server.path(key)));
        let socket = format!("IdentityAgent {}\n", agent.socket.display());
        let lines = lines.replace("@D", &server.path("").display().to_string());
        let config = server.config(&(lines + &socket));
        let from = server.log().len();
        Connection::connect(&config, &NeverPrompt)
            .await
            .unwrap_err();
        let own = offered(&server, from).await;
        let from = server.log().len();
        let ssh = std::process::Command::new("ssh")
            .arg("-F")
            .arg(server.path("config"))
            .args(["-o", "BatchMode=yes", "-s", "here", "echo"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ssh.stderr);
        assert!(said.contains("Permission denied"), "{what}: {said}");
        let theirs = offered(&server, from).await;
        assert_eq!(own, theirs, "{what}");
        let is_empty = what.contains("nothing is named");
        assert_eq!(own.is_empty(), is_empty, "{what}: nothing was compared");
    }
}
