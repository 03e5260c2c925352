use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCo9+BpMRYQ/dL3DS2CyJxRF+j6ctbT3/Qp84+KeFhnii7NT7fELilKUSnxS30WAvQCCo2yU1orfgqr41mM70MBM6f4mXIJZgDIl5n0uPVCRoR4A2n0oQ6R7M/vYgC0fY2CyJ2zQg2JvMwYtLIp2SQJjIhPK9xBfzBq/1Qk8gAIlQ==";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn read(text: &str, host: &str, port: u16) -> KnownHosts {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, text).unwrap();
    KnownHosts::read([&file], RecordedName::new(host, port))
}

fn verdict(text: &str, host: &str, port: u16) -> Verdict {
    read(text, host, port).verdict(key(A).key_data())
}

fn is_known(text: &str, host: &str, port: u16) -> bool {
    matches!(verdict(text, host, port), Verdict::Known(_))
}

#[test]
fn names_patterns_ports_and_tabs() {
    assert!(is_known(&format!("web {A}\n"), "web", 22));
    assert!(is_known(&format!("web {A}\n"), "WEB", 22));
    assert!(is_known(
        &format!("web\t{}\n", A.replace(' ', "\t")),
        "web",
        22
    ));
    assert!(is_known(&format!("*.x,!b.x {A} note # more\n"), "a.x", 22));
    assert_eq!(
        verdict(&format!("*.x,!b.x {A}\n"), "b.x", 22),
        Verdict::Unknown
    );
    assert!(is_known(&format!("[web]:2222 {A}\n"), "web", 2222));
    assert_eq!(
        verdict(&format!("[web]:2222 {A}\n"), "web", 22),
        Verdict::Unknown
    );
}

#[test]
fn on_another_port_the_bare_name_can_only_confirm() {
    assert!(is_known(&format!("web {A}\n"), "web", 2222));
    assert_eq!(
        verdict(&format!("web {B}\n"), "web", 2222),
        Verdict::Unknown
    );
}

#[test]
fn a_second_key_of_the_same_type_is_known_too() {
    assert!(is_known(&format!("web {B}\nweb {A}\n"), "web", 22));
    let changed = verdict(&format!("# note\nweb {B}\n"), "web", 22);
    assert!(matches!(changed, Verdict::Changed(place) if place.line == 2));
}

#[test]
fn a_revoked_key_fails_whatever_else_is_recorded() {
    let text = format!("web {A}\n@revoked * {A}\n");
    assert!(matches!(verdict(&text, "web", 22), Verdict::Revoked(place) if place.line == 2));
}

#[test]
fn bad_lines_are_skipped() {
    let text = format!("web\nweb ssh-ed25519\nweb ssh-ed25519 !!!\n|1|x\n@what web {A}\nweb {A}\n");
    assert!(is_known(&text, "web", 22));
}

#[test]
fn authorities_are_no_host_keys() {
    let hosts = read(&format!("@cert-authority *.x {A}\n"), "a.x", 22);
    assert_eq!(hosts.verdict(key(A).key_data()), Verdict::Unknown);
    assert!(hosts.is_authority(key(A).key_data()) && !hosts.is_authority(key(B).key_data()));
    assert!(hosts.key_types().is_empty());
}

#[test]
fn what_is_remembered_is_known_hashed_or_not() {
    for hash in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new").join("known_hosts");
        let name = RecordedName::new("web", 2222);
        remember(&file, &[&name.own], &key(A), hash).unwrap();
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap().trim_end()).unwrap();
        remember(&file, &["other"], &key(B), hash).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(text.contains("[web]:2222"), !hash);
        let known = KnownHosts::read([&file], name).verdict(key(A).key_data());
        assert!(matches!(known, Verdict::Known(_)), "{known:?}");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn lines_hashed_by_ssh_keygen_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    std::fs::write(&file, format!("web.example {A}\n")).unwrap();
    let status = std::process::Command::new("ssh-keygen")
        .arg("-Hf")
        .arg(&file)
        .output()
        .unwrap();
    assert!(status.status.success());
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("|1|"));
    let hosts = KnownHosts::read([&file], RecordedName::new("web.example", 22));
    let known = hosts.verdict(key(A).key_data());
    assert!(matches!(known, Verdict::Known(_)), "{known:?}");
}

#[test]
fn a_key_of_another_type_is_a_changed_key_as_in_ssh() {
    let changed = verdict(&format!("web {RSA}\n"), "web", 22);
    assert!(matches!(changed, Verdict::Changed(_)), "{changed:?}");
}

#[test]
fn other_names_of_a_key_are_found_with_their_places() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    let text = format!("old,10.0.0.1 {A}\nelse {B}\n@revoked x {A}\n");
    std::fs::write(&file, text).unwrap();
    remember(&file, &["hidden"], &key(A), true).unwrap();
    let names = other_names([&file], key(A).key_data());
    let place = file.display();
    let expected = [
        format!("{place}:1: old,10.0.0.1"),
        format!("{place}:4: [hashed name]"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn nothing_is_left_behind_where_there_is_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let full = directory.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let error = remember(&full, &["web"], &key(A), false).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    // A link to a file elsewhere is followed, as people keep their files in repositories.
    let (target, link) = (directory.path().join("real"), directory.path().join("link"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    remember(&link, &["web"], &key(A), false).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(
        std::fs::read_to_string(&target)
            .unwrap()
            .starts_with("web ssh-ed25519 ")
    );
}

#[test]
fn many_who_learn_at_once_all_keep_their_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("known_hosts");
    let threads: Vec<_> = (0..8)
        .map(|writer| {
            let file = file.clone();
            std::thread::spawn(move || {
                for line in 0..50 {
                    remember(&file, &[&format!("h{writer}-{line}")], &key(A), false).unwrap();
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text.lines().filter(|line| fields(line).is_some()).count(),
        400
    );
}
