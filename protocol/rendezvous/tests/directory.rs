//! Every way a directory can be wrong is refused, by a sentence that says what to do.
#![allow(clippy::expect_used)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use outlast_rendezvous::{DirectoryError, PrivateDirectory};
use tempfile::TempDir;

fn scratch() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().expect("tempdir");
    let path = root.path().join("state");
    (root, path)
}

fn mode(path: &PathBuf) -> u32 {
    fs::symlink_metadata(path)
        .expect("stat")
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn a_missing_directory_is_made_private_with_its_parents() {
    let (_root, path) = scratch();
    let deep = path.join("a/b");
    PrivateDirectory::open_or_create(&deep).expect("create");
    PrivateDirectory::open_or_create(&deep).expect("open");
    for made in [&path, &path.join("a"), &deep] {
        assert_eq!(mode(made), 0o700);
    }
}

#[test]
fn open_makes_nothing() {
    let (_root, path) = scratch();
    assert!(
        PrivateDirectory::open(&path)
            .expect_err("absent")
            .is_absent()
    );
    assert!(!path.exists());
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let (_root, path) = scratch();
    fs::create_dir(&path).expect("mkdir");
    for loose in [0o755, 0o710, 0o701] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).expect("chmod");
        let error = PrivateDirectory::open_or_create(&path).expect_err("loose");
        assert_eq!(
            error.to_string(),
            format!(
                "{0} has mode {loose:04o}, which lets other users in: run `chmod 700 {0}`",
                path.display()
            )
        );
    }
}

#[test]
fn another_users_directory_is_refused() {
    let (_root, path) = scratch();
    fs::create_dir(&path).expect("mkdir");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
    let other = rustix::process::geteuid().as_raw() + 1;
    if chown(&path, Some(other), None).is_err() {
        println!("skipped: only root can make a directory somebody else's");
        return;
    }
    let error = PrivateDirectory::open_or_create(&path).expect_err("foreign");
    assert!(matches!(error, DirectoryError::Owner { owner, .. } if owner == other));
    assert!(
        error
            .to_string()
            .contains(&format!("belongs to uid {other}"))
    );
}

#[test]
fn a_symbolic_link_is_refused_also_with_a_trailing_slash() {
    let (root, path) = scratch();
    PrivateDirectory::open_or_create(root.path().join("real")).expect("create");
    symlink("real", &path).expect("symlink");
    for spelled in [path.clone(), path.join(""), path.join(".")] {
        let error = PrivateDirectory::open_or_create(&spelled).expect_err("link");
        assert!(matches!(error, DirectoryError::Symlink { .. }), "{error}");
    }
    fs::remove_file(&path).expect("rm");
    symlink("nowhere", &path).expect("symlink");
    let error = PrivateDirectory::open_or_create(&path).expect_err("dangling link");
    assert!(matches!(error, DirectoryError::Symlink { .. }), "{error}");
}

#[test]
fn a_file_in_the_way_is_refused() {
    let (_root, path) = scratch();
    fs::write(&path, "").expect("write");
    let error = PrivateDirectory::open_or_create(&path).expect_err("file");
    assert!(matches!(error, DirectoryError::NotADirectory { .. }));
}

#[test]
fn children_are_held_to_the_same_rules() {
    let (root, path) = scratch();
    let parent = PrivateDirectory::open_or_create(&path).expect("create");
    let child = parent.create_dir("child").expect("create");
    assert_eq!(child.path(), path.join("child"));
    symlink(root.path(), path.join("link")).expect("symlink");
    assert!(matches!(
        parent.create_dir("link"),
        Err(DirectoryError::Symlink { .. })
    ));
    for name in ["", ".", "..", "a/b", "/etc", "nul\0"] {
        assert!(matches!(
            parent.create_dir(name),
            Err(DirectoryError::Name { .. })
        ));
    }
}

#[test]
fn a_file_is_replaced_whole_and_private() {
    let (_root, path) = scratch();
    let directory = PrivateDirectory::open_or_create(&path).expect("create");
    directory.atomic_write("meta", b"one").expect("write");
    directory.atomic_write("meta", b"two").expect("write");
    assert_eq!(directory.read("meta", 3).expect("read"), b"two");
    assert_eq!(mode(&path.join("meta")), 0o600);
    assert_eq!(directory.names().expect("list"), ["meta"]);
    assert!(matches!(
        directory.read("meta", 2),
        Err(DirectoryError::TooLong { limit: 2, .. })
    ));
}

#[test]
fn a_failed_write_leaves_nothing_behind_and_names_the_file() {
    let (_root, path) = scratch();
    let directory = PrivateDirectory::open_or_create(&path).expect("create");
    fs::create_dir(path.join("meta")).expect("mkdir");
    let error = directory
        .atomic_write("meta", b"x")
        .expect_err("in the way");
    assert!(
        error
            .to_string()
            .contains(&path.join("meta").display().to_string())
    );
    assert_eq!(directory.names().expect("list"), ["meta"]);
}

#[test]
fn only_regular_files_are_read() {
    let (_root, path) = scratch();
    let directory = PrivateDirectory::open_or_create(&path).expect("create");
    symlink("/etc/passwd", path.join("link")).expect("symlink");
    fs::create_dir(path.join("dir")).expect("mkdir");
    rustix::fs::mknodat(
        directory.fd(),
        "fifo",
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("mkfifo");
    for name in ["link", "dir", "fifo"] {
        assert!(matches!(
            directory.read(name, 10),
            Err(DirectoryError::NotAFile { .. })
        ));
    }
}

#[test]
fn a_tree_is_removed_and_links_in_it_are_not_followed() {
    let (root, path) = scratch();
    let outside = root.path().join("outside");
    fs::create_dir(&outside).expect("mkdir");
    fs::write(outside.join("precious"), "").expect("write");
    let directory = PrivateDirectory::open_or_create(&path).expect("create");
    let child = directory.create_dir("spool").expect("create");
    child.atomic_write("segment", b"x").expect("write");
    symlink(&outside, path.join("link")).expect("symlink");
    directory.remove_tree().expect("remove");
    assert!(!path.exists());
    assert!(outside.join("precious").exists());
}
