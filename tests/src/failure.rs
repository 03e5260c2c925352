//! What a failing test shows besides its own message.

/// Prints a captured text when the current test is failing: for use in `Drop`.
pub fn show_if_failing(what: &str, text: impl FnOnce() -> String) {
    if std::thread::panicking() {
        eprintln!("{}", block(what, &text()));
    }
}

/// A captured text with a frame, so that it cannot be mistaken for the test's own words.
pub fn block(what: &str, text: &str) -> String {
    let mut shown = format!("┌── {what}\n");
    for line in excerpt(text).lines() {
        shown.push_str("│ ");
        shown.push_str(line);
        shown.push('\n');
    }
    shown.push_str("└──");
    shown
}

/// Both ends of a long text: a 64 MiB stream in a test report helps nobody.
fn excerpt(text: &str) -> String {
    const SHOWN_LINES: usize = 60;
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= 2 * SHOWN_LINES {
        return text.chars().take(100_000).collect();
    }
    let left_out = lines.len() - 2 * SHOWN_LINES;
    let (head, tail) = (&lines[..SHOWN_LINES], &lines[lines.len() - SHOWN_LINES..]);
    format!(
        "{}\n… {left_out} lines …\n{}",
        head.join("\n"),
        tail.join("\n")
    )
}
