use super::*;

fn after(sequences: &[&str]) -> Modes {
    let mut modes = Modes::default();
    for sequence in sequences {
        modes.take(sequence.as_bytes());
    }
    modes
}

#[test]
fn what_a_program_sets_can_be_set_again_and_taken_back() {
    let modes = after(&[
        "\x1b[?1000;1006h",
        "\x1b[?2004h",
        "\x1b[?1000l",
        "\x1b=",
        "\x1b[5 q",
        "\x1b]0;vim\x1b\\",
        "\x1b[>1u",
        "\x1b[>4;2m",
        "\x1b[?25l",
    ]);
    assert_eq!(
        modes.setting(),
        "\x1b[?1006h\x1b[?2004h\x1b=\x1b[5 q\x1b[>1u\x1b[>4;2m\x1b]2;vim\x07"
    );
    assert_eq!(
        modes.unsetting(),
        "\x1b[?1006l\x1b[?2004l\x1b>\x1b[0 q\x1b[<1u\x1b[>4;0m"
    );
    let mut same = Modes::default();
    let mut splitter = crate::terminal::sequence::Splitter::default();
    splitter.push(modes.restoring(24).as_bytes(), |sequence| {
        same.take(sequence);
    });
    assert_eq!(same, modes);
    splitter.push(modes.unsetting().as_bytes(), |sequence| same.take(sequence));
    assert_eq!(same.unsetting(), "");
}

#[test]
fn a_reset_forgets_everything_and_a_title_steers_nothing() {
    assert_eq!(after(&["\x1b[?2004h", "\x1bc"]), Modes::default());
    let modes = after(&["\x1b]2;a\x01b\x07"]);
    assert_eq!(modes.setting(), "\x1b]2;ab\x07");
    assert_eq!(after(&["\x1b[<9u", "\x1b[>u", "\x1b[<u"]).unsetting(), "");
}
