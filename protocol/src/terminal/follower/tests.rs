use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::*;
use crate::terminal::sequence::Splitter;

/// What sets each mode, and what takes it back.
const EACH: [(&str, &str); 36] = [
    ("\x1b[?1h", "\x1b[?1l"),
    ("\x1b[?5h", "\x1b[?5l"),
    ("\x1b[?6h", "\x1b[?6l"),
    ("\x1b[?7l", "\x1b[?7h"),
    ("\x1b[?9h", "\x1b[?9l"),
    ("\x1b[?25l", "\x1b[?25h"),
    ("\x1b[?47h", "\x1b[?47l"),
    ("\x1b[?1047h", "\x1b[?1047l"),
    ("\x1b[?1049h", "\x1b[?1049l"),
    ("\x1b[?1000h", "\x1b[?1000l"),
    ("\x1b[?1001h", "\x1b[?1001l"),
    ("\x1b[?1002h", "\x1b[?1002l"),
    ("\x1b[?1003h", "\x1b[?1003l"),
    ("\x1b[?1004h", "\x1b[?1004l"),
    ("\x1b[?1005h", "\x1b[?1005l"),
    ("\x1b[?1006h", "\x1b[?1006l"),
    ("\x1b[?1015h", "\x1b[?1015l"),
    ("\x1b[?1016h", "\x1b[?1016l"),
    ("\x1b[?2004h", "\x1b[?2004l"),
    ("\x1b[?2026h", "\x1b[?2026l"),
    ("\x1b[?2027h", "\x1b[?2027l"),
    ("\x1b[?2031h", "\x1b[?2031l"),
    ("\x1b[?2048h", "\x1b[?2048l"),
    ("\x1b[4h", "\x1b[4l"),
    ("\x1b[20h", "\x1b[20l"),
    ("\x1b=", "\x1b>"),
    ("\x1b[5;9r", "\x1b[r"),
    ("\x1b(0", "\x1b(B"),
    ("\x1b)0", "\x1b)B"),
    ("\x0e", "\x0f"),
    ("\x1bn", "\x0f"),
    ("\x1b[5 q", "\x1b[0 q"),
    ("\x1b[>1u", "\x1b[<u"),
    ("\x1b[>4;2m", "\x1b[>4;0m"),
    ("\x1b]2;vim\x07", "\x1b]2;\x1b\\"),
    ("\x1b]0;é日本\x1b\\", "\x1b]2;\x07"),
];

fn told(pieces: &[&[u8]]) -> Follower {
    let mut follower = Follower::default();
    pieces.iter().for_each(|piece| follower.push(piece));
    follower
}

/// One that was only told what brings it there.
fn restored(from: &Follower) -> Follower {
    Follower {
        rows: from.rows,
        ..told(&[&from.restoring()])
    }
}

fn says(follower: &Follower) -> String {
    String::from_utf8_lossy(&follower.restoring()).into_owned()
}

#[test]
fn each_mode_is_followed_and_told_wherever_it_is_cut() {
    let nothing = Follower::default();
    assert_eq!(says(&nothing), "");
    for (set, back) in EACH {
        let whole = told(&[b"text ", set.as_bytes(), "more é".as_bytes()]);
        assert_ne!(whole, nothing, "{set:?}");
        assert_ne!(says(&whole), "", "{set:?}");
        for cut in 0..=set.len() {
            let (first, second) = set.as_bytes().split_at(cut);
            assert_eq!(told(&[first, second]), whole, "{set:?} cut at {cut}");
            // Somebody who comes in the middle of it sees the rest.
            let mut late = restored(&told(&[first]));
            late.push(second);
            assert_eq!(late, whole, "{set:?} entered at {cut}");
        }
        let undone = told(&[set.as_bytes(), back.as_bytes()]);
        assert_eq!(undone, nothing, "{back:?}");
    }
}

#[test]
fn lists_of_modes_are_followed() {
    let follower = told(&[b"\x1b[?1;1000;1006;2004;9999h\x1b[?1000;7l\x1b[4;20h"]);
    assert_eq!(
        says(&follower),
        "\x1b[4h\x1b[20h\x1b[?1h\x1b[?7l\x1b[?1006h\x1b[?2004h"
    );
    // A control character within is obeyed by itself.
    assert_eq!(says(&told(&[b"\x1b[?10\r\n49h"])), "\x1b[?1049h");
    // One that is given up is none, nor is one that another begins in.
    assert_eq!(
        says(&told(&[b"\x1b[?1049\x18h\x1b[?25\x1b[?1h"])),
        "\x1b[?1h"
    );
}

#[test]
fn resets_are_followed() {
    let all: String = EACH.iter().map(|(set, _)| *set).collect();
    let hard = told(&[all.as_bytes(), b"\x1b[?2004s\x1b[?1049s", b"\x1bc"]);
    assert_eq!(hard, Follower::default());
    let soft = told(&[all.as_bytes(), b"\x1b[!p"]);
    // The screen, newlines, mouse, pastes and the title are not its affair.
    assert_eq!(
        says(&soft),
        "\x1b[?47h\x1b[20h\x1b[?5h\x1b[?9h\x1b[?1000h\x1b[?1001h\x1b[?1002h\x1b[?1003h\x1b[?1004h\
         \x1b[?1005h\x1b[?1006h\x1b[?1015h\x1b[?1016h\x1b[?2004h\x1b[?2031h\x1b[?2026h\x1b[?2027h\
         \x1b[?2048h\x1b[5 q\x1b[>1u\x1b[>4;2m\x1b]2;é日本\x07"
    );
}

#[test]
fn saved_modes_come_back_also_for_who_was_not_there_when_they_were_saved() {
    let all = b"\x1b[?1000h\x1b[?1000;1001;1049;66s\x1b[?1001;1049;66h\x1b[?1000l\
                |\x1b[?1000;1001;1049;66r";
    for cut in 0..=all.len() {
        let (first, second) = all.split_at(cut);
        let mut late = restored(&told(&[first]));
        late.push(second);
        assert_eq!(late, told(&[all]), "cut at {cut}");
        assert_eq!(late.modes().setting(), "\x1b[?1000h");
        assert!(!late.modes().is_alternate());
    }
    let screen = told(&[b"\x1b[?1049h\x1b[?1049s\x1b[?1049l\x1b[?25h\x1b[?1049r"]);
    assert!(screen.modes().is_alternate());
    assert_eq!(restored(&screen), screen);
    // What was never saved is not restored.
    assert_eq!(
        says(&told(&[b"\x1b[?2004h\x1b[?2004;1049r"])),
        "\x1b[?2004h"
    );
}

/// As a terminal with so many lines has them.
#[test]
fn margins_are_those_of_a_terminal_of_that_size() {
    assert_eq!(says(&told(&[b"\x1b[1;23r"])), "\x1b[1;23r");
    assert_eq!(says(&told(&[b"\x1b[1;24r"])), "", "all of it");
    assert_eq!(says(&told(&[b"\x1b[1;23r\x1b[7;7r"])), "\x1b[1;23r");
    assert_eq!(says(&told(&[b"\x1b[1;23r\x1b[0;1r"])), "\x1b[1;23r");
    let mut larger = told(&[b"\x1b[1;23r"]);
    larger.resized(40);
    assert_eq!(says(&larger), "");
    larger.push(b"\x1b[2r");
    assert_eq!(says(&larger), "\x1b[2r");
}

/// What is not kept of a sequence must not make another of its rest.
#[test]
fn in_the_middle_of_a_picture_the_rest_of_it_is_no_text() {
    for (begin, end) in [("\x1bPq", "\x1b\\"), ("\x1b]52;c;", "\x07"), ("\x1b[", "m")] {
        let mut picture = Vec::from(begin);
        picture.resize(LONGEST * 3, b'1');
        let follower = told(&[&picture]);
        assert!(follower.kept.len() <= LONGEST && follower.cut);
        assert!(follower.restoring().len() < 16);
        let mut late = restored(&follower);
        late.push(b"0;no title");
        late.push(end.as_bytes());
        assert_eq!(late, Follower::default(), "{begin:?}");
    }
}

/// Anything, but mostly what means something.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        // Knuth's; the low bits are the worst.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn stream(&mut self) -> Vec<u8> {
        const PARTS: [&str; 22] = [
            "\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x07", "\x18", "?", ";", "h", "l", "s",
            "r", "!p", "\x1bc", "2;", "é", "日", "😀", "text\r\n", ">", " q",
        ];
        let mut stream = Vec::new();
        for _ in 0..self.below(40) {
            match self.below(5) {
                0 => stream.push(u8::try_from(self.below(256)).unwrap()),
                1 => {
                    let (set, back) = EACH[self.below(EACH.len())];
                    let one = if self.below(3) == 0 { back } else { set };
                    stream.extend_from_slice(one.as_bytes());
                }
                2 => stream.extend_from_slice(self.below(2050).to_string().as_bytes()),
                _ => stream.extend_from_slice(PARTS[self.below(PARTS.len())].as_bytes()),
            }
        }
        stream
    }
}

#[test]
fn whatever_comes_it_is_the_same_wherever_it_is_cut_and_entered() {
    let mut random = Random(7);
    for round in 0..20_000 {
        let stream = random.stream();
        let whole = told(&[&stream]);
        let mut cut = Follower::default();
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(1 + random.below(rest.len()));
            cut.push(now);
            rest = later;
        }
        assert_eq!(cut, whole, "round {round}: {}", stream.escape_ascii());
        let (first, second) = stream.split_at(random.below(stream.len() + 1));
        let mut late = restored(&told(&[first]));
        late.push(second);
        // Margins beyond the end are none to who is told of them.
        assert_eq!(
            says(&late),
            says(&whole),
            "round {round}: {}",
            stream.escape_ascii()
        );
    }
}

/// Two ways of cutting sequences that must not differ: the client's, which keeps everything, and
/// this one, which keeps next to nothing.
#[test]
fn it_sees_the_sequences_that_the_client_sees() {
    let mut random = Random(8);
    for round in 0..20_000 {
        let mut stream = random.stream();
        // The client leaves these to its emulator.
        stream.retain(|byte| !matches!(*byte, SHIFT_OUT | SHIFT_IN));
        let mut modes = Modes::default();
        let mut splitter = Splitter::default();
        splitter.push(&stream, |sequence| modes.take(sequence));
        assert_eq!(*told(&[&stream]).modes(), modes, "round {round}");
    }
}

#[test]
fn what_it_keeps_is_bounded_whatever_comes() {
    let mut random = Random(9);
    let mut follower = Follower::default();
    for _ in 0..200 {
        let push = match random.below(4) {
            0 => "\x1b[>1u".repeat(1000),
            1 => "\x1b]2;".to_string() + &"t".repeat(random.below(100_000)),
            2 => "\x1b[?".to_string() + &"1049;".repeat(random.below(10_000)),
            _ => "\x1bP".to_string() + &"\x07".repeat(random.below(100_000)),
        };
        follower.push(push.as_bytes());
        follower.push(&random.stream());
        assert!(follower.kept.capacity() <= 2 * LONGEST);
        assert!(follower.restoring().len() <= 2 * LONGEST);
    }
}
