//! A SIGINT in the one moment at which bash cannot bear it.

use std::process::Command;

use outlast_protocol::outcome::ExitStatus::Code;

use super::runspace::{Bench, Home, PROGRAMS};

/// A home whose bash has the code beside this file preloaded.
pub(crate) fn home() -> Home {
    let home = Home::new();
    home.write("late_signal.c", include_str!("late_signal.c"));
    let mut compiler = Command::new("cc");
    let compiled = compiler
        .args(["-shared", "-fPIC", "-o", "late_signal.so", "late_signal.c"])
        .current_dir(home.path())
        .status();
    assert!(compiled.unwrap().success());
    let bash = Command::new("sh").args(["-c", "command -v bash"]).output();
    let bash = String::from_utf8(bash.unwrap().stdout).unwrap();
    let wrapper = format!("{PROGRAMS}/bash");
    let library = home.path().join("late_signal.so");
    home.write(
        &wrapper,
        &format!(
            "#!/bin/sh\nLD_PRELOAD={} exec {bash}",
            library.display(),
            bash = bash.trim().to_owned() + " \"$@\"\n"
        ),
    );
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(home.path().join(wrapper), executable).unwrap();
    home
}

/// Stops a script of which a copy of the shell was hit before.
pub(crate) async fn stop(bench: &mut Bench, script: &str) {
    let mut started = bench.start(&format!("export LATE_SIGNAL=1; {script}"), false);
    tokio::select! {
        () = started.read_error_until("go\n") => {}
        end = bench.completion() => panic!("it has ended: {end:?}"),
    }
    bench.runspace.interrupt();
    assert_eq!(bench.completion().await, Ok(Code(130)), "{script}");
    assert_eq!(bench.read_to_end(&mut started).await.0, b"", "{script}");
}
