//! `CheckHostIP`, which no test on loopback can show: there ssh checks no address.

use std::sync::Mutex;

use super::*;
use crate::ssh::prompt::{NeverPrompt, PromptFuture};
use crate::ssh::{Environment, SshOptions, resolve};

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";
const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

struct Answers(Mutex<Vec<Answer>>);

impl Prompt for Answers {
    fn ask<'a>(&'a self, _: Question<'a>) -> PromptFuture<'a> {
        let answer = self.0.lock().unwrap().pop();
        Box::pin(async move { answer.ok_or(crate::ssh::NoTerminal) })
    }
}

/// Presents `A` as `web` at that address; what came of it, and the file afterwards.
async fn check(
    known: &str,
    lines: &[&str],
    prompt: &dyn Prompt,
) -> (Result<Notes, HostKeyError>, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known");
    std::fs::write(&file, known).unwrap();
    let files = format!("UserKnownHostsFile={}", file.display());
    let lines = lines.iter().map(|line| (*line).to_owned());
    let fixed = ["GlobalKnownHostsFile=none", "HostName=web", &files].map(str::to_owned);
    let options = SshOptions {
        config_file: Some("none".into()),
        options: lines.chain(fixed).collect(),
        ..SshOptions::default()
    };
    let environment = Environment::of_process();
    let config = resolve(&"web".parse().unwrap(), &options, &environment).unwrap();
    let mut policy = HostKeyPolicy::read(&config, Some(IP)).await.unwrap();
    let presented = PublicKey::from_openssh(A).unwrap().into();
    let checked = policy.check(&presented, prompt).await;
    (checked, std::fs::read_to_string(&file).unwrap())
}

const CHECK: &str = "CheckHostIP=yes";
const YES: &str = "StrictHostKeyChecking=yes";
const NEW: &str = "StrictHostKeyChecking=accept-new";
const NO: &str = "StrictHostKeyChecking=no";

#[tokio::test]
async fn the_address_is_not_looked_at_unless_it_is_wanted() {
    let known = format!("web {A}\n10.0.0.1 {B}\n");
    let (checked, after) = check(&known, &[YES], &NeverPrompt).await;
    assert_eq!((checked.unwrap(), after), (Notes::new(), known));
}

#[tokio::test]
async fn a_new_address_of_a_known_host_is_recorded() {
    let known = format!("web {A}\n");
    let (checked, after) = check(&known, &[CHECK, YES], &NeverPrompt).await;
    assert!(checked.unwrap()[0].contains("'10.0.0.1' (ED25519)"));
    assert_eq!(after, format!("{known}10.0.0.1 {A}\n"));
    let (checked, after) = check("", &[CHECK, NEW], &NeverPrompt).await;
    assert!(checked.unwrap()[0].contains("'web,10.0.0.1' (ED25519)"));
    assert_eq!(after, format!("web,10.0.0.1 {A}\n"));
}

#[tokio::test]
async fn an_address_with_another_key_is_asked_about_or_refused() {
    let known = format!("web {A}\n10.0.0.1 {B}\n");
    for strict in [YES, NEW] {
        let (checked, after) = check(&known, &[CHECK, strict], &NeverPrompt).await;
        let error = checked.unwrap_err();
        assert!(
            matches!(error, HostKeyError::Changed { line: 2, .. }),
            "{error}"
        );
        assert_eq!(after, known);
    }
    let (checked, _) = check(&known, &[CHECK, NO], &NeverPrompt).await;
    assert!(checked.unwrap()[0].contains("differs from the key for the IP address '10.0.0.1'"));
    let (checked, _) = check(&known, &[CHECK], &NeverPrompt).await;
    assert!(matches!(checked, Err(HostKeyError::Changed { .. })));
    // Answered from the end: something, then yes.
    let answers = vec![Answer::Yes, Answer::text("what")];
    let (checked, _) = check(&known, &[CHECK], &Answers(Mutex::new(answers))).await;
    assert_eq!(checked.unwrap(), Notes::new());
    let answers = vec![Answer::No];
    let (checked, _) = check(&known, &[CHECK], &Answers(Mutex::new(answers))).await;
    assert!(matches!(checked, Err(HostKeyError::Declined { .. })));
    let revoked = format!("web {A}\n@revoked 10.0.0.1 {A}\n");
    let (checked, _) = check(&revoked, &[CHECK, NO], &NeverPrompt).await;
    assert!(matches!(
        checked,
        Err(HostKeyError::Revoked { line: 2, .. })
    ));
}
