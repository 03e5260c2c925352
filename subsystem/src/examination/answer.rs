//! What a program of the system answers, if it does in time.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A D-Bus that hangs must not hang us.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than any answer asked for here.
const MOST: usize = 16 * 1024;

/// Its standard output, if it ends well within a second.
pub(super) fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut said = Vec::new();
    let complete = child
        .stdout
        .take()
        .is_some_and(|mut output| read_until(&mut output, &mut said, Instant::now() + PATIENCE));
    if !complete {
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    (complete && status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

/// Reads to the end; false if that does not come in time.
fn read_until(
    output: &mut std::process::ChildStdout,
    said: &mut Vec<u8>,
    deadline: Instant,
) -> bool {
    let mut piece = [0; 4096];
    while said.len() < MOST {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else {
            return false;
        };
        let mut ready = [PollFd::new(&*output, PollFlags::IN)];
        match poll(&mut ready, Some(&left)) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return false,
        }
        match output.read(&mut piece) {
            Ok(0) => return true,
            Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_and_timely_answer_counts() {
        assert_eq!(answer("echo", &["hi"]).as_deref(), Some("hi\n"));
        assert_eq!(answer("sh", &["-c", "echo hi; exit 1"]), None);
        assert_eq!(answer("outlast-no-such-program", &[]), None);
        assert_eq!(answer("cat", &["/dev/zero"]), None);
        // It never ends, and says nothing.
        assert_eq!(answer("tail", &["-f", "/dev/null"]), None);
    }
}
