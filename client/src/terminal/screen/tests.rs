use outlast_protocol::terminal::follower::Follower;

use super::*;

const SIZE: TerminalSize = TerminalSize {
    columns: 20,
    rows: 5,
};

/// What a terminal shows that was fed this: both its screens, cursor and modes.
fn seen(bytes: &[u8]) -> (String, Modes) {
    let mut screen = Screen::new(SIZE);
    screen.feed(bytes);
    // Those of the emulator are in its dump, and said in its own way.
    let mut modes = Modes::default();
    let setting = screen.modes.setting();
    Splitter::default().push(setting.as_bytes(), |sequence| modes.take(sequence));
    (screen.terminal.dump(), modes)
}

fn looks(bytes: &[u8]) -> (Vec<String>, avt::Cursor) {
    let mut screen = Screen::new(SIZE);
    screen.feed(bytes);
    (screen.terminal.screen().text(), screen.terminal.cursor())
}

fn assert_restores(said: &str) {
    let mut screen = Screen::new(SIZE);
    screen.feed(said.as_bytes());
    let restored = seen(screen.drawing().as_bytes());
    assert_eq!(restored, seen(said.as_bytes()), "{said:?}");
    // On the very terminal that shows it, too, whatever was put on its last line.
    let again = format!("{said}\x1b7\x1b[5;1Hlost\x1b8{}", screen.redrawing());
    assert_eq!(seen(again.as_bytes()), restored, "{said:?}");
}

#[test]
fn screens_are_restored_with_everything_that_can_be_seen() {
    assert_restores("");
    assert_restores("$ ls\r\nfile\r\n$ half a li");
    assert_restores("\x1b[1;31mred \x1b[38;2;1;2;3;48;5;9mexact\x1b[0m\r\n日本語 é");
    assert_restores("\x1b(0lqqk\x1b(B\x1b[2;3Hx\x1b[4mu");
    assert_restores("12345678901234567890");
    assert_restores("one\r\ntwo\r\nthree\r\nfour\r\nfive\r\nsix\r\n");
    assert_restores(
        "$ vim\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002;1006h\x1b[2;4r\x1b[H~\r\n~\r\n\
         \x1b[5;1H-- INSERT --\x1b[2;3H\x1b[?25l\x1b[2 q\x1b]2;vim\x07",
    );
}

/// Columns as a terminal has them, which gives a mark no column of its own.
#[test]
fn marks_stay_with_their_characters_and_take_no_column() {
    let drawn = |pieces: &[&str]| {
        let mut screen = Screen::new(SIZE);
        for piece in pieces {
            screen.feed(piece.as_bytes());
        }
        screen.drawing()
    };
    let plain = drawn(&["cafe ole|\x1b[2;1H日x"]);
    let marked = drawn(&["cafe\u{301} ole|\x1b[2;1H日\u{fe0f}x"]);
    assert_eq!(
        marked.replace(['\u{301}', '\u{fe0f}'], ""),
        plain,
        "the cursor is in the same column"
    );
    assert!(marked.contains("cafe\u{301} ole|") && marked.contains("日\u{fe0f}x"));
    assert_eq!(
        drawn(&["cafe", "\u{301} ole|\x1b[2;1H日", "\u{fe0f}x"]),
        marked
    );
    // At the end of a row, in a title, on nothing at all.
    let end = drawn(&["1234567890123456789e\u{301}\u{323}x\x1b]2;e\u{301}\x07"]);
    assert!(
        end.contains("9e\u{301}\u{323}") && end.contains("2;H") | end.contains("2;2H"),
        "{end:?}"
    );
    assert!(end.contains("\x1b]2;e\u{301}\x07"), "{end:?}");
    assert_eq!(drawn(&["\u{301}a"]), drawn(&["a"]));
}

#[test]
fn a_restored_screen_asks_nothing() {
    let mut screen = Screen::new(SIZE);
    screen.feed(b"a\x1b[c\x1b[>c\x1b[6n\x1b[5n\x1b]11;?\x07\x1b]4;1;?\x1b\\\x1bZ\x1bP+q544e\x1b\\\x1b[18t\x1b[?u\x05b");
    let drawing = screen.drawing();
    assert!(drawing.contains("ab"), "{drawing:?}");
    let mut splitter = Splitter::default();
    let whole = splitter.push(drawing.as_bytes(), |sequence| {
        let text = String::from_utf8_lossy(sequence);
        assert!(
            !text.starts_with("\x1b]") || text.starts_with("\x1b]2;"),
            "{text:?}"
        );
        assert!(!text.starts_with("\x1bP") && text != "\x1bZ", "{text:?}");
        let last = text.chars().last();
        assert!(!matches!(last, Some('c' | 'n' | 't' | 'u')), "{text:?}");
    });
    assert!(!whole.contains(&5), "no enquiry");
}

#[test]
fn a_sequence_that_is_cut_goes_on_behind_the_restored_screen() {
    let mut screen = Screen::new(SIZE);
    screen.feed(b"a\x1b[3");
    let mut shown = screen.drawing().into_bytes();
    shown.extend(screen.feed(b"1mred"));
    assert_eq!(seen(&shown), seen(b"a\x1b[31mred"));
}

#[test]
fn the_terminal_is_left_sane_below_everything() {
    let mut screen = Screen::new(SIZE);
    let said = "$ htop\r\n\x1b[?1049h\x1b[?1000h\x1b[?25l\x1b[41m\x1b[3;1Hload";
    screen.feed(said.as_bytes());
    let left = format!("{said}{}", screen.farewell());
    assert_eq!(looks(left.as_bytes()), looks(b"$ htop\r\n"));
    assert_eq!(seen(left.as_bytes()).1.unsetting(), "");
    let mut screen = Screen::new(SIZE);
    screen.feed(b"$ half");
    let left = format!("$ half{}x", screen.farewell());
    assert_eq!(looks(left.as_bytes()), looks(b"$ half\r\nx"));
    // A line of two rows, and the cursor above its end.
    let long = format!("{}\x1b[H", "x".repeat(30));
    let mut screen = Screen::new(SIZE);
    screen.feed(long.as_bytes());
    let left = format!("{long}{}$", screen.farewell());
    assert_eq!(
        looks(left.as_bytes()),
        looks(format!("{long}\r\n\n$").as_bytes())
    );
}

/// Drawn from the end of what was said and the modes before it, it is what is drawn from all.
#[test]
fn with_the_modes_before_it_the_end_of_what_was_said_is_enough() {
    let said = "$ vim\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002;1006h\x1b[2;4r\x1b)0\x1b[4h\
                \x1b[2 q\x1b]2;é日\x07\x1b[?25l\x1b[2J\x1b[H~\x0eq\x0f\r\n\x1b[5;1H-- INSERT --";
    let from = said.find("\x1b[2J").unwrap();
    let mut all = Screen::new(SIZE);
    all.feed(said.as_bytes());
    for cut in 0..=from {
        let (first, second) = said.as_bytes().split_at(cut);
        let mut before = Follower::default();
        before.resized(SIZE.rows);
        before.push(first);
        let mut late = Screen::new(SIZE);
        late.restart(&before.restoring());
        assert_eq!(late.is_partial(), cut > said.find('h').unwrap(), "{cut}");
        late.feed(second);
        let (late, all) = (late.drawing(), all.drawing());
        // What the shell showed before is gone.
        let other = |drawing: &str| drawing[drawing.find("\x1b[?1047h").unwrap()..].to_owned();
        assert_eq!(other(&late), other(&all), "cut at {cut}");
    }
}

#[test]
fn a_screen_is_whole_again_when_its_program_is_gone() {
    let mut screen = Screen::new(SIZE);
    assert!(!screen.is_partial());
    screen.restart(b"\x1b[?1049h");
    screen.feed(b"some of it");
    assert!(screen.is_partial());
    screen.feed(b"\x1b[?1049l\x1b[?1049h");
    assert!(!screen.is_partial());
    screen.restart(b"\x1b[?2004h");
    assert!(!screen.is_partial(), "the shell's");
}

/// The emulator cannot save modes, and has some of those that are saved.
#[test]
fn saved_modes_are_restored_on_the_screen_too() {
    let mut screen = Screen::new(SIZE);
    screen.feed(b"shell\x1b[?1049;25s\x1b[?1049h\x1b[?25lprogram\x1b[?1049;2");
    screen.feed(b"5r");
    let drawing = screen.drawing();
    assert!(
        drawing.contains("shell") && !drawing.contains("program"),
        "{drawing:?}"
    );
    assert_eq!(screen.terminal.active_screen_kind(), ScreenKind::Primary);
    assert!(screen.terminal.cursor().visible);
}

#[test]
fn no_size_harms_it() {
    for (columns, rows) in [(0, 0), (0, 9), (1, 1), (u16::MAX, 1), (3, 2)] {
        let mut screen = Screen::new(TerminalSize { columns, rows });
        screen.feed("some text\r\n\x1b[10;10Hmore 日本".as_bytes());
        screen.resize(TerminalSize {
            columns: rows,
            rows: columns.min(50),
        });
        screen.feed(b"\x1b[?1049h\x1b[99;99Hx\x1b[r");
        assert!(!screen.drawing().is_empty());
        assert!(!screen.farewell().is_empty());
    }
}
