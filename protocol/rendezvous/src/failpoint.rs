//! Named places at which a test stops a process, to let it go on or to kill it exactly there.
//!
//! Compiled into debug builds only; in a release build [`reach`] is nothing. A debug build looks
//! into the directory that the environment variable [`DIRECTORY`] names. A FIFO there with the
//! place's name stops whoever comes by: it writes its process ID into that FIFO, as a line, and
//! waits for a line from the FIFO `NAME.go`. The whole process stands still meanwhile, as with
//! SIGSTOP but at a known place. A line that begins with `!` lets it go on into a panic. The harness crate's `Failpoint` is the other end.

/// Environment variable that names the directory of the FIFOs.
pub const DIRECTORY: &str = "OUTLAST_FAILPOINTS";

/// Stops here if a test wants it.
#[cfg(debug_assertions)]
pub fn reach(name: &str) {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FIFOS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let fifos = FIFOS.get_or_init(|| std::env::var_os(DIRECTORY).map(PathBuf::from));
    if let Some(fifos) = fifos {
        stop(fifos, name);
    }
}

/// Stops here if a test wants it.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reach(_name: &str) {}

#[cfg(debug_assertions)]
fn stop(fifos: &std::path::Path, name: &str) {
    use std::fs::OpenOptions;
    use std::io::{Read, Write};
    use std::os::unix::fs::FileTypeExt;

    let reached = fifos.join(name);
    let waits = reached
        .symlink_metadata()
        .is_ok_and(|found| found.file_type().is_fifo());
    if !waits {
        return;
    }
    let line = format!("{}\n", std::process::id());
    let told = OpenOptions::new()
        .write(true)
        .open(&reached)
        .and_then(|mut fifo| fifo.write_all(line.as_bytes()));
    if told.is_err() {
        return;
    }
    if let Ok(mut go) = OpenOptions::new()
        .read(true)
        .open(fifos.join(format!("{name}.go")))
    {
        let mut order = [0];
        if matches!(go.read(&mut order), Ok(1)) && order == *b"!" {
            panic!("at failpoint {name}");
        }
    }
}
