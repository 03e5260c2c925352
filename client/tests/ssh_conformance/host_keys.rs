//! The same files, the same server: `ssh` believes a host exactly where we do.

use std::process::Stdio;

use outlast::ssh::{ConnectErrorKind, Connection, NeverPrompt};

use crate::server::{Server, keygen, run};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Accepted,
    Refused,
    /// By us; ssh goes on without passwords.
    RefusedHere,
}
use Expected::{Accepted, Refused, RefusedHere};

/// A row: what it shows, the user's known_hosts, lines of configuration, and what comes of it.
/// `$N` is the name the server is recorded under, `$K` its key, `$O` another of its type, `$E` one
/// of another type, `$CA` and `$CB` two authorities, `@D` the directory.
type Row = (&'static str, &'static str, &'static str, Expected);

const YES: &str = "StrictHostKeyChecking yes\n";
const NEW: &str = "StrictHostKeyChecking accept-new\n";
const NO: &str = "StrictHostKeyChecking no\n";

const PLAIN: &[Row] = &[
    ("the key under the name", "$N $K", YES, Accepted),
    ("nothing, strict", "", YES, Refused),
    (
        "nothing, nobody to ask",
        "",
        "StrictHostKeyChecking ask\n",
        Refused,
    ),
    ("nothing, accept-new", "", NEW, Accepted),
    ("nothing, no", "", NO, Accepted),
    ("no file at all", "-", NEW, Accepted),
    ("another key", "$N $O", NEW, Refused),
    ("another key, no", "$N $O", NO, RefusedHere),
    ("a key of another type", "$N $E", NEW, Refused),
    (
        "a key of another type, and the right one",
        "$N $E\n$N $K",
        YES,
        Accepted,
    ),
    (
        "two keys of a type, the second fits",
        "$N $O\n$N $K",
        YES,
        Accepted,
    ),
    ("the bare name confirms", "127.0.0.1 $K", YES, Accepted),
    (
        "the bare name denies nothing",
        "127.0.0.1 $O",
        NEW,
        Accepted,
    ),
    ("the bare name is not enough", "127.0.0.1 $O", YES, Refused),
    ("another port", "[127.0.0.1]:1 $K", YES, Refused),
    ("wildcards", "[127.0.?.*]:* $K", YES, Accepted),
    ("a list", "a,b,$N $K", YES, Accepted),
    (
        "negated, and the bare name is not",
        "*,!$N $K",
        YES,
        Accepted,
    ),
    ("negated", "!$N,*,!127.0.0.1 $K", YES, Refused),
    ("another negated", "*,!a $K", YES, Accepted),
    ("only negated", "!a $K", YES, Refused),
    ("hashed", "# $N $K", YES, Accepted),
    ("hashed, another name", "# [127.0.0.1]:1 $K", YES, Refused),
    ("hashed, another key", "# $N $O", NEW, Refused),
    ("tabs", "$N\t$K", YES, Accepted),
    ("spaces in front", "   $N   $K", YES, Accepted),
    ("a comment behind", "$N $K somebody # once", YES, Accepted),
    (
        "bad lines",
        "$N\n$N ssh-ed25519\n$N ssh-ed25519 !!\n|1|x\n# $N\n$N $K",
        YES,
        Accepted,
    ),
    ("only bad lines", "$N ssh-ed25519 !!\n#$N $K", YES, Refused),
    ("a marker nobody knows", "@what $N $K", YES, Refused),
    ("revoked", "$N $K\n@revoked $N $K", YES, Refused),
    ("revoked before", "@revoked * $K\n$N $K", YES, Refused),
    ("revoked, no", "$N $K\n@revoked $N $K", NO, RefusedHere),
    ("another is revoked", "$N $K\n@revoked $N $O", YES, Accepted),
    (
        "revoked for another host",
        "$N $K\n@revoked a $K",
        YES,
        Accepted,
    ),
    (
        "an authority is no host key",
        "@cert-authority $N $K",
        YES,
        Refused,
    ),
    (
        "an authority beside it",
        "@cert-authority $N $CA\n$N $K",
        YES,
        Accepted,
    ),
    (
        "an alias",
        "Web $K",
        "HostKeyAlias web\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "an alias has no port",
        "[web]:22 $K",
        "HostKeyAlias web\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "an alias has no other name",
        "$N $K",
        "HostKeyAlias web\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "another alias' key",
        "web $O",
        "HostKeyAlias web\nStrictHostKeyChecking accept-new\n",
        Refused,
    ),
    (
        "the second file",
        "$N $O",
        "UserKnownHostsFile @D/known @D/good\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "the system's file",
        "",
        "GlobalKnownHostsFile @D/good\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "the system's file, against the user's",
        "$N $O",
        "GlobalKnownHostsFile @D/good\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "revoked by the system",
        "$N $K",
        "GlobalKnownHostsFile @D/revoking\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "loopback is believed",
        "$N $O",
        "NoHostAuthenticationForLocalhost yes\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "a command that knows",
        "",
        "KnownHostsCommand /bin/cat @D/good\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "a command by tokens",
        "",
        "KnownHostsCommand /bin/echo %H %t %K\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "a command that knows nothing",
        "",
        "KnownHostsCommand /bin/true\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "a command that fails",
        "$N $K",
        "KnownHostsCommand /bin/false\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "a list of revoked keys",
        "$N $K",
        "RevokedHostKeys @D/host.pub\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "a list of others",
        "$N $K",
        "RevokedHostKeys @D/other.pub\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "a list that is not there",
        "$N $K",
        "RevokedHostKeys @D/absent\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "a revocation list",
        "$N $K",
        "RevokedHostKeys @D/krl\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "a revocation list of others",
        "$N $K",
        "RevokedHostKeys @D/krl-other\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "no algorithm in common",
        "$N $K",
        "HostKeyAlgorithms ecdsa-sha2-nistp256\n",
        Refused,
    ),
];

const CERTIFIED: &[Row] = &[
    ("its authority", "@cert-authority * $CA", YES, Accepted),
    (
        "its authority for others",
        "@cert-authority *.example $CA",
        YES,
        Refused,
    ),
    ("another authority", "@cert-authority * $CB", YES, Refused),
    (
        "another authority, and the key",
        "@cert-authority * $CB\n$N $K",
        YES,
        Accepted,
    ),
    ("the bare key", "$N $K", YES, Accepted),
    (
        "the authority is revoked",
        "@cert-authority * $CA\n@revoked * $CA",
        YES,
        Refused,
    ),
    (
        "the key is revoked",
        "@cert-authority * $CA\n@revoked * $K",
        YES,
        Refused,
    ),
    (
        "the certificate is for another name",
        "@cert-authority * $CA",
        "HostKeyAlias web\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "the certificate is for this alias",
        "@cert-authority * $CA",
        "HostKeyAlias 127.0.0.9\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "signed by an algorithm not wanted",
        "@cert-authority * $CA",
        "CASignatureAlgorithms rsa-sha2-512\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "certificates are not wanted",
        "@cert-authority * $CA",
        "HostKeyAlgorithms ssh-ed25519\nStrictHostKeyChecking yes\n",
        Refused,
    ),
    (
        "only certificates are wanted",
        "@cert-authority * $CA",
        "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com\nStrictHostKeyChecking yes\n",
        Accepted,
    ),
    (
        "another key, and the authority",
        "$N $O\n@cert-authority * $CA",
        YES,
        Accepted,
    ),
];

fn key(server: &Server, name: &str) -> String {
    let text = std::fs::read_to_string(server.path(name)).unwrap();
    let mut words = text.split(' ');
    format!("{} {}", words.next().unwrap(), words.next().unwrap())
}

/// Writes the files a row is about.
fn set(server: &Server, known: &str) {
    let name = format!("[127.0.0.1]:{}", server.port);
    let fill = |text: &str| {
        let mut text = text.replace("$N", &name);
        for (token, file) in [
            ("$CA", "hostca.pub"),
            ("$CB", "other.pub"),
            ("$K", "host.pub"),
            ("$O", "other.pub"),
            ("$E", "ecdsa.pub"),
        ] {
            text = text.replace(token, &key(server, file));
        }
        text
    };
    std::fs::write(server.path("good"), fill("$N $K\n")).unwrap();
    std::fs::write(server.path("revoking"), fill("@revoked $N $K\n")).unwrap();
    let file = server.path("known");
    let _ = std::fs::remove_file(&file);
    match known.strip_prefix("# ") {
        Some(hidden) => {
            std::fs::write(&file, fill(hidden) + "\n").unwrap();
            run("ssh-keygen", &["-q", "-Hf", file.to_str().unwrap()]);
        }
        None if known == "-" => {}
        // Without an end of the last line, which is worth as much.
        None => std::fs::write(&file, fill(known)).unwrap(),
    }
}

fn prepare(lines: &str) -> Server {
    let server = Server::start(lines);
    let path = |name: &str| server.path(name).display().to_string();
    keygen(&["-t", "ed25519", "-N", "", "-f", &path("other")]);
    keygen(&["-t", "ecdsa", "-N", "", "-f", &path("ecdsa")]);
    keygen(&["-k", "-f", &path("krl"), &path("host.pub")]);
    keygen(&["-k", "-f", &path("krl-other"), &path("other.pub")]);
    server
}

async fn holds(server: &Server, rows: &[Row]) {
    for (what, known, lines, expected) in rows {
        let lines = lines.replace("@D", &server.path("").display().to_string());
        set(server, known);
        let config = server.config(&lines);
        let connected = Connection::connect(&config, &NeverPrompt).await;
        let own = match &connected {
            Ok(_) => Accepted,
            Err(error) => {
                let is_about_keys = matches!(
                    error.kind,
                    ConnectErrorKind::HostKey(_) | ConnectErrorKind::Negotiation { .. }
                );
                assert!(is_about_keys, "{what}: {error}");
                Refused
            }
        };
        set(server, known);
        let ssh = std::process::Command::new("ssh")
            .arg("-F")
            .arg(server.path("config"))
            .args(["-o", "BatchMode=yes"])
            .args(["-o", "IdentityAgent=none", "-s", "here", "echo"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let theirs = match ssh.status.success() {
            true => Accepted,
            false => Refused,
        };
        let said = String::from_utf8_lossy(&ssh.stderr);
        match expected {
            RefusedHere => assert_eq!((own, theirs), (Refused, Accepted), "{what}\n{said}"),
            expected => assert_eq!((own, theirs), (*expected, *expected), "{what}\n{said}"),
        }
    }
}

#[tokio::test]
async fn a_host_is_believed_where_ssh_believes_it() {
    holds(&prepare(""), PLAIN).await;
}

#[tokio::test]
async fn a_certified_host_is_believed_where_ssh_believes_it() {
    holds(&prepare("HostCertificate @D/host-cert.pub\n"), CERTIFIED).await;
}
