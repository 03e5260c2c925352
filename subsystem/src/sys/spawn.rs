//! Starting a process as the leader of its own session on a terminal, inheriting nothing else.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::fs::Mode;
use rustix::io::FdFlags;

/// The highest signal number of Linux.
const SIGNALS: i32 = 64;
const SIG_DFL: usize = 0;

mod ffi {
    use core::ffi::c_int;

    // SAFETY: this is signal(2) as every libc of Linux has it; a handler is as wide as a
    // pointer, and its failure value is all ones.
    unsafe extern "C" {
        pub(super) safe fn signal(number: c_int, handler: usize) -> usize;
    }
}

/// Starts `command` as a session leader with `terminal` as its controlling terminal and its
/// descriptors 0, 1 and 2. It gets default signal dispositions, an empty signal mask, `umask`,
/// and no other descriptor of ours.
pub fn on_terminal(command: &mut Command, terminal: OwnedFd, umask: u32) -> io::Result<Child> {
    seal_descriptors()?;
    command
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(Stdio::from(terminal.try_clone()?))
        .stderr(Stdio::from(terminal));
    let prepare = move || {
        rustix::process::setsid()?;
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        rustix::process::umask(Mode::from_raw_mode(umask));
        // A signal that was ignored when bash started can never be trapped in it. The mask is
        // emptied by the standard library.
        for number in 1..=SIGNALS {
            ffi::signal(number, SIG_DFL);
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it takes no lock and does not allocate.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// Marks every descriptor above 2 close-on-exec: whoever started us may have left some open,
/// and an ssh channel hangs for as long as anybody holds one of its pipes.
fn seal_descriptors() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number: &i32| *number > 2) else {
            continue;
        };
        // SAFETY: the number was just listed as open. Were it closed since, the two calls fail
        // with EBADF; were it reused, it becomes close-on-exec, as all of ours are.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = rustix::io::fcntl_getfd(descriptor) {
            let _ = rustix::io::fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC);
        }
    }
    Ok(())
}
