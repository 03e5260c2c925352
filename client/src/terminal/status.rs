//! A line of ours on the last line of the user's terminal, over what is shown there.

use outlast_protocol::link::TerminalSize;

use crate::output::clean;

/// What shows `text` there and puts the cursor back where it was.
#[must_use]
pub fn line(text: &str, size: TerminalSize) -> String {
    let text = clean(&text.replace(['\n', '\t'], " "));
    // Every character as wide as two: the last column stays free, or the screen would scroll.
    let room = usize::from(size.columns).saturating_sub(1);
    let mut width = 0usize;
    let fits = |c: &char| {
        width = width.saturating_add(if c.is_ascii() { 1 } else { 2 });
        width <= room
    };
    let shown: String = text.chars().take_while(fits).collect();
    format!(
        "\x1b7\x1b[?6l\x1b[{};1H\x1b[0;7m{shown}\x1b[0m\x1b[K\x1b8",
        size.rows.max(1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_cut_to_the_terminal_and_steers_nothing() {
        let size = TerminalSize {
            columns: 10,
            rows: 3,
        };
        assert_eq!(
            line("[outlast: lost\x1b[2J]", size),
            "\x1b7\x1b[?6l\x1b[3;1H\x1b[0;7m[outlast:\x1b[0m\x1b[K\x1b8"
        );
        assert!(line("a\x1bb", size).contains("a\u{fffd}b"));
    }
}
