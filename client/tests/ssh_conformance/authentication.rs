//! The ways in: agents, key files, certificates, passwords, questions, and several of them.

use std::collections::VecDeque;
use std::sync::Mutex;

use outlast::ssh::{
    Answer, Connection, HostConfig, NeverPrompt, NoTerminal, Prompt, PromptFuture, Question,
};

use crate::plan::{Planned, Wanted};
use crate::server::{Agent, Server, keygen};
use crate::token;

/// Gives its answers one after the other, and then none.
struct Person {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

impl Person {
    fn new<const N: usize>(answers: [Answer; N]) -> Self {
        Self {
            answers: Mutex::new(answers.into()),
            asked: Mutex::default(),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Prompt for Person {
    fn ask<'a>(&'a self, question: Question<'a>) -> PromptFuture<'a> {
        let text = match question {
            Question::Passphrase { attempt, .. } => format!("passphrase {attempt}"),
            Question::Password {
                user,
                host,
                attempt,
            } => {
                format!("password {user}@{host} {attempt}")
            }
            Question::KeyboardInteractive {
                instructions,
                prompts,
                ..
            } => format!("{instructions}: {prompts:?}"),
            Question::AddKey { path } => format!("add {}", path.display()),
            other => format!("{other:?}"),
        };
        self.asked.lock().unwrap().push(text);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.ok_or(NoTerminal) })
    }
}

async fn succeeds(config: &HostConfig, prompt: &dyn Prompt) -> Connection {
    match Connection::connect(config, prompt).await {
        Ok(connection) => connection,
        Err(error) => panic!("{error}"),
    }
}

const TWO_STEPS: &[Wanted] = &[Wanted::Rounds(&[
    &[("Password: ", false, "geheim"), ("Code: ", true, "123")],
    &[("Token: ", false, "abc")],
])];

#[tokio::test]
async fn several_prompts_and_several_rounds_are_answered() {
    let keys = Server::start("");
    let server = Planned::start(&keys, TWO_STEPS).await;
    let both = || Answer::Texts(vec!["geheim".into(), "123".into()]);
    let person = Person::new([both(), Answer::text("abc")]);
    let connection = succeeds(&server.config(&keys, ""), &person).await;
    assert_eq!(
        connection.description().accepted.methods,
        ["keyboard-interactive"]
    );
    assert_eq!(connection.description().kex, "mlkem768x25519-sha256");
    assert_eq!(connection.description().weaker, "");
    assert_eq!(
        person.asked(),
        [
            r#"round 1: [("Password: ", false), ("Code: ", true)]"#,
            r#"round 2: [("Token: ", false)]"#
        ]
    );
    // A wrong code begins anew, as often as passwords may be asked for.
    let wrong = || Answer::Texts(vec!["geheim".into(), "1".into()]);
    let person = Person::new([wrong(), both(), Answer::text("x"), wrong(), both()]);
    let config = server.config(&keys, "NumberOfPasswordPrompts 3\n");
    let error = Connection::connect(&config, &person).await.unwrap_err();
    assert!(
        error.is_auth_refused() && person.asked().len() == 4,
        "{error}"
    );
    // Whoever gives up is not asked on, and nothing is sent for them.
    let before = server.tried().len();
    let error = Connection::connect(&config, &Person::new([Answer::No])).await;
    assert!(error.unwrap_err().is_auth_refused());
    assert_eq!(server.tried()[before..], ["publickey"]);
}

#[tokio::test]
async fn a_key_is_followed_by_a_password_or_by_questions() {
    let keys = Server::start("");
    for (wanted, name, answer) in [
        (
            &[Wanted::Key, Wanted::Password("geheim")][..],
            "password",
            "geheim",
        ),
        (
            &[Wanted::Key, Wanted::Rounds(&[&[("Code: ", true, "7")]])],
            "keyboard-interactive",
            "7",
        ),
    ] {
        let server = Planned::start(&keys, wanted).await;
        let config = server.config(&keys, "");
        let connection = succeeds(&config, &Person::new([Answer::text(answer)])).await;
        let accepted = connection.description().accepted;
        assert_eq!(accepted.methods, ["publickey", name]);
        assert!(accepted.key.contains(&keys.fingerprint("user.pub")));
        assert_eq!(
            server.tried(),
            ["publickey".to_owned(), format!("{name} {answer}")]
        );
        let error = Connection::connect(&config, &NeverPrompt)
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("accepted, but not enough: publickey"),
            "{text}"
        );
        assert!(error.hint().unwrap().contains("terminal"), "{text}");
    }
}

#[tokio::test]
async fn passwords_are_asked_for_as_often_as_configured_and_methods_in_their_order() {
    let keys = Server::start("");
    let server = Planned::start(&keys, &[Wanted::Password("geheim")]).await;
    let config = server.config(&keys, "NumberOfPasswordPrompts 2\nHostKeyAlias web\n");
    let person = Person::new(["a", "b", "geheim"].map(Answer::text));
    Connection::connect(&config, &person).await.unwrap_err();
    assert_eq!(person.asked(), ["password me@web 1", "password me@web 2"]);
    let person = Person::new([Answer::text("a"), Answer::text("geheim")]);
    succeeds(&config, &person).await;
    for lines in [
        "BatchMode yes\n",
        "PasswordAuthentication no\n",
        "PreferredAuthentications publickey\n",
    ] {
        let person = Person::new([Answer::text("geheim")]);
        let config = server.config(&keys, lines);
        Connection::connect(&config, &person).await.unwrap_err();
        assert_eq!(person.asked(), [""; 0], "{lines}");
    }
    // The key is not shown to a server that should first be asked for a password.
    let before = server.tried().len();
    let config = server.config(&keys, "PreferredAuthentications password,publickey\n");
    succeeds(&config, &Person::new([Answer::text("geheim")])).await;
    assert_eq!(server.tried()[before..], ["password geheim"]);
}

#[tokio::test]
async fn key_files_are_opened_whatever_locks_them() {
    let server = Server::start("");
    let key = server.path("locked");
    let file = key.to_str().unwrap();
    let ed25519 = &["-t", "ed25519"][..];
    let mut kinds: Vec<Vec<&str>> = [
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ]
    .map(|cipher| [ed25519, &["-Z", cipher]].concat())
    .into();
    kinds.push(vec!["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    kinds.push(vec!["-t", "rsa", "-b", "2048", "-m", "PKCS8"]);
    kinds.push(vec!["-t", "ecdsa", "-m", "PKCS8"]);
    kinds.push(vec!["-t", "ecdsa", "-b", "521"]);
    let mut unopened = Vec::new();
    for kind in kinds {
        for beside in [true, false] {
            keygen(&[&kind[..], &["-a", "1", "-N", "secret", "-f", file]].concat());
            server.authorise("locked.pub");
            if !beside {
                std::fs::remove_file(server.path("locked.pub")).unwrap();
            }
            let config = server.config(&format!("IdentityFile {file}\n"));
            let person = Person::new(["wrong", "secret"].map(Answer::text));
            match Connection::connect(&config, &person).await {
                Ok(_) => assert_eq!(person.asked(), ["passphrase 1", "passphrase 2"]),
                Err(error) => unopened.push(format!("{kind:?} {beside}: {error}")),
            }
            std::fs::remove_file(&key).unwrap();
            let _ = std::fs::remove_file(server.path("locked.pub"));
        }
    }
    assert!(unopened.is_empty(), "{unopened:#?}");
    // What is not known here is named, and nobody types a passphrase for it.
    keygen(&[
        "-t", "ed25519", "-Z", "3des-cbc", "-N", "secret", "-f", file,
    ]);
    server.authorise("locked.pub");
    let config = server.config(&format!("IdentityFile {file}\n"));
    let person = Person::new([Answer::text("secret")]);
    let error = Connection::connect(&config, &person).await.unwrap_err();
    assert!(error.to_string().contains("3des-cbc"), "{error}");
    assert_eq!(person.asked(), [""; 0]);
}

#[tokio::test]
async fn no_passphrase_goes_on_to_the_next_key() {
    let server = Server::start("");
    let key = server.path("locked");
    keygen(&["-t", "ed25519", "-N", "secret", "-f", key.to_str().unwrap()]);
    let both =
        ["locked.pub", "user.pub"].map(|name| std::fs::read_to_string(server.path(name)).unwrap());
    std::fs::write(server.path("authorized"), both.concat()).unwrap();
    let files = format!(
        "IdentityFile {}\nIdentityFile {}\n",
        key.display(),
        server.path("user").display()
    );
    let config = server.config(&files);
    let person = Person::new([Answer::text("")]);
    let connection = succeeds(&config, &person).await;
    assert_eq!(person.asked(), ["passphrase 1"]);
    let used = connection.description().accepted.key;
    assert!(used.contains(&server.fingerprint("user.pub")), "{used}");
}

#[tokio::test]
async fn a_full_agent_does_not_burn_the_tries_where_a_key_is_named() {
    let server = Server::start("MaxAuthTries 6\n");
    let agent = Agent::start(&server);
    for index in 0..10 {
        let key = server.path(&format!("k{index}"));
        keygen(&["-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
        agent.add(&key);
    }
    server.authorise("k9.pub");
    let socket = format!("IdentityAgent {}\n", agent.socket.display());
    let named = format!("{socket}IdentityFile {}\n", server.path("k9.pub").display());
    // Named keys come first.
    succeeds(&server.config(&named), &NeverPrompt).await;
    succeeds(
        &server.config(&format!("{named}IdentitiesOnly yes\n")),
        &NeverPrompt,
    )
    .await;
    let config = server.config(&format!("{socket}IdentityFile none\n"));
    let error = Connection::connect(&config, &NeverPrompt)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_auth_refused() && text.contains("Too many authentication failures"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("IdentitiesOnly"), "{text}");
    // The sixth is the last one that counts, as for ssh.
    server.authorise("k5.pub");
    succeeds(&config, &NeverPrompt).await;
}

#[tokio::test]
async fn certificates_are_used_wherever_their_keys_are() {
    let server = Server::start("");
    let path = |name: &str| server.path(name).display().to_string();
    keygen(&["-t", "ed25519", "-N", "", "-f", &path("ca")]);
    let authority = std::fs::read_to_string(server.path("ca.pub")).unwrap();
    std::fs::write(
        server.path("authorized"),
        format!("cert-authority {authority}"),
    )
    .unwrap();
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "ecdsa"],
    ] {
        keygen(&[kind, &["-N", "", "-f", &path("k")]].concat());
        keygen(&["-s", &path("ca"), "-I", "me", "-n", "root", &path("k.pub")]);
        // Beside the key; named; in the agent; the key in the agent and the certificate in a file.
        let file = format!("IdentityFile {}\n", path("k"));
        succeeds(&server.config(&file), &NeverPrompt).await;
        std::fs::rename(server.path("k-cert.pub"), server.path("elsewhere.pub")).unwrap();
        let named = format!("CertificateFile {}\n", path("elsewhere.pub"));
        let connection = succeeds(&server.config(&(named.clone() + &file)), &NeverPrompt).await;
        let used = connection.description().accepted.key;
        assert!(used.contains("-CERT"), "{used}");
        let agent = Agent::start(&server);
        agent.add(&server.path("k"));
        let socket = format!(
            "IdentityAgent {}\nIdentityFile none\n",
            agent.socket.display()
        );
        succeeds(&server.config(&(named + &socket)), &NeverPrompt).await;
        let config = server.config(&socket);
        Connection::connect(&config, &NeverPrompt)
            .await
            .unwrap_err();
        std::fs::rename(server.path("elsewhere.pub"), server.path("k-cert.pub")).unwrap();
        agent.add(&server.path("k"));
        succeeds(&config, &NeverPrompt).await;
        for name in ["k", "k.pub", "k-cert.pub", "agent.sock"] {
            std::fs::remove_file(server.path(name)).unwrap();
        }
    }
}

#[tokio::test]
async fn the_agent_gets_a_key_as_it_is_configured() {
    let server = Server::start("");
    for (value, answers, listed) in [
        ("no", vec![], false),
        ("yes", vec![], true),
        ("1h", vec![], true),
        ("confirm", vec![], true),
        ("ask", vec![Answer::Yes], true),
        ("ask", vec![Answer::No], false),
    ] {
        let agent = Agent::start(&server);
        let lines = format!(
            "AddKeysToAgent {value}\nIdentityAgent {}\n",
            agent.socket.display()
        );
        let person = Person::new([]);
        person.answers.lock().unwrap().extend(answers);
        let connected = Connection::connect(&server.config(&lines), &person).await;
        connected.unwrap();
        assert_eq!(person.asked().len(), usize::from(value == "ask"), "{value}");
        assert_eq!(
            agent.list().contains(&server.fingerprint("user.pub")),
            listed,
            "{value}"
        );
        std::fs::remove_file(&agent.socket).unwrap();
    }
}

#[tokio::test]
async fn a_security_key_signs_through_the_agent() {
    let server = Server::start("");
    let socket = server.path("token.sock");
    token::start(
        socket.clone(),
        &server.path("user"),
        &server.path("token.pub"),
    );
    server.authorise("token.pub");
    let lines = format!("IdentityFile none\nIdentityAgent {}\n", socket.display());
    let connection = succeeds(&server.config(&lines), &NeverPrompt).await;
    let used = connection.description().accepted.key;
    assert!(used.starts_with("token ED25519-SK SHA256:"), "{used}");
}

#[tokio::test]
async fn an_agent_is_left_alone_or_found_by_a_variable() {
    let server = Server::start("");
    let agent = Agent::start(&server);
    agent.add(&server.path("user"));
    for (line, works) in [
        ("", true),
        ("IdentityAgent none\n", false),
        ("IdentityAgent SSH_AUTH_SOCK\n", true),
        ("IdentityAgent $OTHER\n", true),
        ("IdentityAgent $ABSENT\n", false),
        ("IdentityAgent @D/agent.sock\n", true),
    ] {
        let mut environment = server.environment();
        let socket = agent.socket.display().to_string();
        for name in ["SSH_AUTH_SOCK", "OTHER"] {
            environment.variables.insert(name.into(), socket.clone());
        }
        let line = line.replace("@D", &server.path("").display().to_string());
        let lines = format!("Host *\n{line}IdentityFile none\n");
        let config = server.config_in(&lines, &environment);
        let connected = Connection::connect(&config, &NeverPrompt).await;
        assert_eq!(connected.is_ok(), works, "{line}");
    }
}

#[tokio::test]
async fn a_weaker_exchange_than_that_of_ssh_is_told() {
    for (server, lines, kex, weaker) in [
        ("", "", "curve25519-sha256", true),
        (
            "KexAlgorithms curve25519-sha256\n",
            "",
            "curve25519-sha256",
            false,
        ),
        (
            "KexAlgorithms ecdh-sha2-nistp384\n",
            "",
            "ecdh-sha2-nistp384",
            false,
        ),
        ("", "KexAlgorithms -sntrup*\n", "curve25519-sha256", false),
        (
            "",
            "KexAlgorithms curve25519-sha256\n",
            "curve25519-sha256",
            false,
        ),
        (
            "",
            "KexAlgorithms ^ecdh-sha2-nistp256\n",
            "ecdh-sha2-nistp256",
            true,
        ),
    ] {
        let server = Server::start(server);
        let connection = succeeds(&server.config(lines), &NeverPrompt).await;
        let about = connection.description();
        assert_eq!(about.kex, kex, "{lines}");
        // A server of OpenSSH 9.9 has mlkem768 and is not weaker.
        let has_mlkem = about.kex.starts_with("mlkem");
        assert_eq!(
            about.weaker.contains("sntrup761"),
            weaker && !has_mlkem,
            "{lines}: {about:?}"
        );
    }
}
