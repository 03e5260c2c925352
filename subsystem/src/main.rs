//! `outlast-subsystem`: registered with sshd as `Subsystem outlast /path/outlast-subsystem`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use outlast_subsystem::audit::Settings;

const USAGE: &str = "\
outlast-subsystem hosts Outlast sessions. It is started by sshd, not by hand:

    Subsystem outlast /usr/lib/outlast/outlast-subsystem

in sshd_config. On the client, `outlast new HOST` then makes a session.

Options: --version, --help
         --audit=POLICY       what the system's log is told: off, events (the default), or
                              commands: events with the text of commands, secrets included
         --audit-socket=PATH  who is told (default: /dev/log)
Environment: OUTLAST_SESSION_DIR  directory of the sessions
                                  (default: ~/.local/state/outlast/<machine-id>)
             OUTLAST_SESSION_QUOTA  output a session keeps on disk, in bytes or with
                                  K, M, G (powers of 1024) behind (default: 64M)
             OUTLAST_USER_QUOTA   the same for all sessions of the user together
                                  (default: 1G)
";

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // A relay tells its client what is wrong with it; a host has it from a relay.
    let told = Settings::take(&mut arguments);
    let audit = told.clone().unwrap_or_default();
    let words: Vec<_> = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or_default())
        .collect();
    let code = match (words.as_slice(), arguments.as_slice()) {
        ([], _) => outlast_subsystem::relay::run(&told),
        (["host", instance, _], [_, _, directory]) => {
            outlast_subsystem::host::run(instance, Path::new(directory), &audit)
        }
        (["host", "--recovered", instance, _], [_, _, _, directory]) => {
            outlast_subsystem::host::recover(instance, Path::new(directory), &audit)
        }
        (["--version"], _) => {
            let version = concat!("outlast-subsystem ", env!("CARGO_PKG_VERSION"), "\n");
            return print(&mut std::io::stdout(), version, 0);
        }
        (["--help"], _) => return print(&mut std::io::stdout(), USAGE, 0),
        _ => return print(&mut std::io::stderr(), USAGE, 2),
    };
    ExitCode::from(code)
}

fn print(to: &mut dyn Write, text: &str, code: u8) -> ExitCode {
    match to.write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::from(1),
    }
}
