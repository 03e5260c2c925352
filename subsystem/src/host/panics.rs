//! A host that panics says why in its log and is gone: its session's state may be half changed,
//! and nothing may go on with it.

use std::panic::PanicHookInfo;

const PANIC: &str = "panic: ";
/// How the Rust runtime says that it ends the process, when it is not by a panic.
const RUNTIME: [&str; 3] = [
    "memory allocation of ",
    "fatal runtime error: ",
    "thread caused non-unwinding panic",
];

/// Makes every panic of this process its last line on standard error, and its end.
pub(super) fn end_the_process() {
    std::panic::set_hook(Box::new(|info| {
        super::complain(&format!("{PANIC}{}", sentence(info)));
        std::process::abort();
    }));
}

/// On one line: it is read back from there.
fn sentence(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let fixed = payload.downcast_ref::<&str>().copied();
    let made = payload.downcast_ref::<String>().map(String::as_str);
    let said = fixed.or(made).unwrap_or("without a message");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match info.location() {
        Some(place) => format!("{said} ({}:{})", place.file(), place.line()),
        None => said,
    }
}

/// What a host's last line says of why it died; none if it says something else.
#[must_use]
pub fn cause_of_death(line: &str) -> Option<&str> {
    let line = line.trim();
    let own = line.strip_prefix(PANIC);
    own.or_else(|| {
        RUNTIME
            .iter()
            .any(|start| line.starts_with(start))
            .then_some(line)
    })
}
