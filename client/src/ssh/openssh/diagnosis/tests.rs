//! What several versions of OpenSSH say when they fail, as their sources have it and `-v` shows it.

use super::*;
use crate::ssh::openssh::leg::Leg;

const WARNED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:new.
Please contact your system administrator.
Add correct host key in /home/ada/.ssh/known_hosts to get rid of this message.
Offending RSA key in /home/ada/.ssh/known_hosts:3
";

const REVOKED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@       WARNING: REVOKED HOST KEY DETECTED!               @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
The ED25519 host key for web is marked as revoked.
This could mean that a stolen key is being used to
impersonate this host.
ED25519 host key for web was revoked and you have requested strict checking.
Host key verification failed.
";

/// What is said until the server has presented its key.
const MET: &str = "\
debug1: Connecting to web [10.0.0.9] port 22.
debug1: Connection established.
debug1: Local version string SSH-2.0-OpenSSH_10.0
debug1: Remote protocol version 2.0, remote software version OpenSSH_9.9
debug1: Authenticating to web:22 as 'ada'
debug1: kex: algorithm: mlkem768x25519-sha256
debug1: kex: server->client cipher: aes128-ctr MAC: hmac-sha2-256 compression: none
debug1: Server host key: ssh-ed25519 SHA256:new
";

fn heard(text: &str) -> Words {
    let mut words = Words::default();
    text.lines().for_each(|line| words.take(line));
    words
}

fn asked(text: &str, asking: Asking) -> ConnectError {
    diagnose(&heard(text), asking, "web", 22, 15)
}

fn of(text: &str) -> ConnectError {
    asked(text, Asking::default())
}

/// The kind of a failure, in a word.
fn kind(error: &ConnectError) -> &'static str {
    use ConnectErrorKind as Kind;
    match &error.kind {
        Kind::NameNotFound { .. } => "name",
        Kind::Refused { .. } => "refused",
        Kind::Unreachable { .. } => "unreachable",
        Kind::TimedOut { phase, .. } => phase,
        Kind::Negotiation { .. } => "negotiation",
        Kind::HostKey(HostKeyError::Changed { .. }) => "changed",
        Kind::HostKey(HostKeyError::Revoked { .. }) => "revoked",
        Kind::HostKey(HostKeyError::Unknown { .. }) => "unknown",
        Kind::HostKey(HostKeyError::Declined { .. }) => "declined",
        Kind::AuthenticationRefused { .. } => "authentication",
        Kind::Disconnected { .. } => "disconnected",
        other => panic!("{other:?}"),
    }
}

#[test]
fn before_there_is_a_connection() {
    for (said, expected) in [
        // The same since 7.6.
        (
            "ssh: Could not resolve hostname web: Name or service not known",
            "name",
        ),
        (
            "ssh: Could not resolve hostname web: Temporary failure in name resolution",
            "name",
        ),
        (
            "ssh: connect to host web port 22: Connection refused",
            "refused",
        ),
        (
            "ssh: connect to host web port 22: No route to host",
            "unreachable",
        ),
        (
            "ssh: connect to host web port 22: Network is unreachable",
            "unreachable",
        ),
        (
            "ssh: connect to host web port 22: Connection timed out",
            "connecting",
        ),
        // 7.6, 9.2 and 10.0; since 8.0 with a second line.
        (
            "Connection timed out during banner exchange",
            "key exchange",
        ),
        (
            "Connection timed out during banner exchange\nConnection to 10.0.0.9 port 22 timed out",
            "key exchange",
        ),
    ] {
        let dialled = "debug1: Connecting to web [10.0.0.9] port 22.\n";
        let error = of(&format!("{dialled}{said}"));
        assert_eq!(kind(&error), expected, "{said}");
        assert_eq!((error.host.as_str(), error.port), ("web", 22));
    }
    let refused = "debug1: Connecting to web [10.0.0.9] port 22.\n\
                   ssh: connect to host web port 22: Connection refused";
    assert!(of(refused).to_string().contains("10.0.0.9"));
}

#[test]
fn a_server_that_lets_go() {
    for said in [
        // 7.6
        "ssh_exchange_identification: Connection closed by remote host",
        "ssh_exchange_identification: read: Connection reset by peer",
        // 9.2, and 9.6 and 10.0, whose first line only `-v` shows
        "kex_exchange_identification: Connection closed by remote host\n\
         Connection closed by 10.0.0.9 port 22",
        "kex_exchange_identification: read: Connection reset by peer\n\
         Connection reset by 10.0.0.9 port 22",
        "Connection closed by 10.0.0.9 port 22",
        "Connection closed by UNKNOWN port 65535",
        "client_loop: send disconnect: Broken pipe",
        // Something that is no SSH server.
        "kex_exchange_identification: banner line contains invalid characters\n\
         banner exchange: Connection to 10.0.0.9 port 22: invalid format",
        "ssh_dispatch_run_fatal: Connection to 10.0.0.9 port 22: message authentication code incorrect",
        "Received disconnect from 10.0.0.9 port 22:11: Not today\nDisconnected from 10.0.0.9 port 22",
    ] {
        let error = of(said);
        assert_eq!(kind(&error), "disconnected", "{said}");
        let first = said.lines().next().unwrap_or_default();
        assert!(error.to_string().contains(first), "{error}");
    }
}

#[test]
fn no_algorithm_in_common() {
    for what in [
        "key exchange method",
        "host key type",
        "cipher",
        "MAC",
        "compression method",
    ] {
        let said = format!(
            "Unable to negotiate with 10.0.0.9 port 22: no matching {what} found. Their offer: x1,x2"
        );
        let error = of(&said);
        assert_eq!(kind(&error), "negotiation");
        let expected = format!("no matching {what} found. Their offer: x1,x2");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

#[test]
fn a_host_key_that_is_not_believed() {
    let strict = "ED25519 host key for web has changed and you have requested strict checking.\n\
                  Host key verification failed.\n";
    // 7.6 says it with `RSA`, the type of the key that is recorded; later versions do too.
    let error = of(&format!("{MET}{WARNED}{strict}"));
    let ConnectErrorKind::HostKey(HostKeyError::Changed {
        host,
        key_type,
        fingerprint,
        file,
        line,
    }) = &error.kind
    else {
        panic!("{error}");
    };
    assert_eq!((host.as_str(), key_type.as_str()), ("web", "ssh-ed25519"));
    assert_eq!((fingerprint.as_str(), *line), ("SHA256:new", 3));
    assert_eq!(file, std::path::Path::new("/home/ada/.ssh/known_hosts"));
    assert_eq!(kind(&of(&format!("{MET}{REVOKED}"))), "revoked");
    for said in [
        "No ED25519 host key is known for web and you have requested strict checking.\n\
         Host key verification failed.",
        "Host key verification failed.",
    ] {
        assert_eq!(kind(&of(&format!("{MET}{said}"))), "unknown");
    }
    let no = Asking {
        declined: true,
        no_terminal: false,
    };
    let error = asked(&format!("{MET}Host key verification failed."), no);
    assert_eq!(kind(&error), "declined");
}

#[test]
fn a_login_that_is_refused() {
    let tried = "\
debug1: Next authentication method: publickey
debug1: Offering public key: /home/ada/.ssh/id ED25519 SHA256:mine agent
debug1: Next authentication method: password
Permission denied, please try again.
";
    let error = of(&format!(
        "{MET}{tried}ada@web: Permission denied (publickey,password)."
    ));
    let ConnectErrorKind::AuthenticationRefused {
        tried,
        allowed,
        detail,
        ..
    } = &error.kind
    else {
        panic!("{error}");
    };
    let key = "publickey /home/ada/.ssh/id ED25519 SHA256:mine agent";
    assert_eq!(tried, &[key, "password"]);
    assert_eq!(allowed, &["publickey", "password"]);
    assert_eq!(detail, &None);
    // 10.0; 7.6 has no second line.
    for said in [
        "Received disconnect from 10.0.0.9 port 22:2: Too many authentication failures\n\
         Disconnected from 10.0.0.9 port 22",
        "Received disconnect from 10.0.0.9 port 22:2: Too many authentication failures",
    ] {
        let error = of(&format!("{MET}{said}"));
        assert_eq!(kind(&error), "authentication");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("IdentitiesOnly"))
        );
    }
}

#[test]
fn a_key_that_could_not_be_used_is_told() {
    for said in [
        // 9.2 and 10.0
        "sign_and_send_pubkey: signing failed for ED25519 \"/k\" from agent: agent refused operation",
        "sign_and_send_pubkey: no mutual signature supported",
        // 7.6
        "sign_and_send_pubkey: signing failed: agent refused operation",
        "Load key \"/k\": invalid format",
        "no such identity: /k: No such file or directory",
    ] {
        let error = of(&format!(
            "{MET}{said}\nada@web: Permission denied (publickey)."
        ));
        assert_eq!(kind(&error), "authentication");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn words_that_are_not_known_are_told_whole() {
    let unheard_of = "The quantum channel has collapsed.\nPlease observe it again.";
    let whole = "The quantum channel has collapsed.; Please observe it again.";
    let before = of(unheard_of);
    assert_eq!(kind(&before), "unreachable");
    let behind = of(&format!("{MET}{unheard_of}"));
    assert_eq!(kind(&behind), "disconnected");
    for error in [before, behind] {
        assert!(error.to_string().ends_with(whole), "{error}");
        assert!(error.may_retry());
    }
    let silent = of("");
    assert!(silent.to_string().contains("without a word"), "{silent}");
}

#[test]
fn of_a_jump_host_it_is_the_jump_host_that_is_named() {
    let said = "\
debug1: Executing proxy command: exec ssh -v -W '[web]:22' gate
debug1: Connecting to gate [10.0.0.1] port 2222.
debug1: Remote protocol version 2.0, remote software version OpenSSH_9.9
debug1: Authenticating to gate:2222 as 'ada'
ada@gate: Permission denied (publickey).
kex_exchange_identification: Connection closed by remote host
Connection closed by UNKNOWN port 65535
";
    let error = of(said);
    assert_eq!(kind(&error), "authentication");
    assert_eq!((error.host.as_str(), error.port), ("gate", 2222));
}

/// 9.2 of Debian, shortened: the `ssh` of the jump host and the one that it is started by.
const ROUTE: &str = "\
debug1: Executing proxy command: exec ssh -v -W '[web]:22' gate
debug1: Local version string SSH-2.0-OpenSSH_9.2p1
debug1: Connecting to gate [10.0.0.1] port 2222.
debug1: Local version string SSH-2.0-OpenSSH_9.2p1
debug1: Remote protocol version 2.0, remote software version OpenSSH_7.6p1 Ubuntu-4
debug1: Authenticating to gate:2222 as 'eve'
debug1: kex: algorithm: curve25519-sha256
debug1: kex: server->client cipher: aes128-ctr MAC: umac-64@openssh.com compression: none
debug1: kex: client->server cipher: aes128-ctr MAC: umac-64@openssh.com compression: none
debug1: Server host key: ssh-rsa SHA256:gate
debug1: Offering public key: /k ED25519 SHA256:mine explicit
debug1: Server accepts key: /k ED25519 SHA256:mine explicit
Authenticated using \"publickey\" with partial success.
debug1: Next authentication method: password
Authenticated to gate ([10.0.0.1]:2222) using \"password\".
debug1: pledge: fork
debug1: Remote protocol version 2.0, remote software version OpenSSH_10.0
debug1: Authenticating to web:22 as 'ada'
debug1: kex: algorithm: mlkem768x25519-sha256
debug1: kex: server->client cipher: chacha20-poly1305@openssh.com MAC: <implicit> compression: none
debug1: Server host key: ssh-ed25519 SHA256:web
debug1: ssh_packet_send2_wrapped: resetting send seqnr 3
debug1: Offering public key: ED25519 SHA256:other agent
debug1: Next authentication method: keyboard-interactive
Authenticated to web (via proxy) using \"keyboard-interactive\".
debug1: forking to background
";

#[test]
fn the_connections_on_the_way_are_told_apart() {
    let words = heard(ROUTE);
    let [gate, web] = &words.legs[..] else {
        panic!("{:#?}", words.legs);
    };
    let place = |leg: &Leg| (leg.host.clone(), leg.port, leg.user.clone());
    assert_eq!(place(gate), ("gate".into(), 2222, "eve".into()));
    assert_eq!(place(web), ("web".into(), 22, "ada".into()));
    let (first, last) = (&gate.description, &web.description);
    assert_eq!(first.server, "SSH-2.0-OpenSSH_7.6p1");
    assert_eq!(first.kex, "curve25519-sha256");
    assert_eq!(
        (first.cipher.as_str(), first.mac.as_str()),
        ("aes128-ctr", "umac-64@openssh.com")
    );
    assert_eq!(first.host_key, "ssh-rsa SHA256:gate");
    assert!(!first.strict_kex && last.strict_kex);
    assert_eq!(first.accepted.methods, ["publickey", "password"]);
    assert_eq!(first.accepted.key, "/k ED25519 SHA256:mine explicit");
    assert_eq!(
        (last.cipher.as_str(), last.mac.as_str()),
        ("chacha20-poly1305@openssh.com", "")
    );
    // A key that was only offered is not what let us in.
    assert_eq!(last.accepted.methods, ["keyboard-interactive"]);
    assert_eq!(last.accepted.key, "");
    assert_eq!(words.complaints, "");
}
