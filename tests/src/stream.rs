//! Numbered lines: a stream in which every loss, repetition and exchange shows.

use std::fmt::Write as _;

/// The lines `line 1` to `line COUNT`, as [`numbered_script`] prints them.
pub fn numbered(count: usize) -> String {
    let mut lines = String::new();
    for number in 1..=count {
        let _ = writeln!(lines, "line {number}");
    }
    lines
}

/// Shell text that prints [`numbered`].
pub fn numbered_script(count: usize) -> String {
    format!("i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo \"line $i\"; done")
}

/// Like [`numbered_script`], but waits at `gate` after line `pause`, so that a test can act in the
/// middle of the stream.
pub fn numbered_script_with_pause(count: usize, pause: usize, gate: &crate::Gate) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo \"line $i\"; \
         if [ $i -eq {pause} ]; then read -r _ <{}; fi; done",
        gate.word()
    )
}

/// Compares byte for byte and names the first difference.
pub fn assert_stream(received: &[u8], expected: &[u8]) {
    if received == expected {
        return;
    }
    let same = received
        .iter()
        .zip(expected)
        .take_while(|(a, b)| a == b)
        .count();
    let line = received[..same]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1;
    let from = same.saturating_sub(40);
    let near = |bytes: &[u8]| {
        let end = bytes.len().min(same + 40);
        String::from_utf8_lossy(&bytes[from.min(end)..end]).into_owned()
    };
    panic!(
        "the stream differs at byte {same} (line {line}): {} bytes received, {} expected\n\
         received …{:?}…\nexpected …{:?}…",
        received.len(),
        expected.len(),
        near(received),
        near(expected),
    );
}

/// Bytes that no text path leaves alone: NULs, invalid UTF-8, no final newline.
pub fn binary(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64: reproducible without a dependency.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    if let Some(last) = bytes.last_mut() {
        *last = 0;
    }
    bytes
}

/// Lines of one length, each with its number: any piece of the stream tells where it is from.
pub mod ruler {
    /// The first line's number.
    const FIRST: u64 = 1_000_000_000;
    /// Bytes of a line.
    pub const LINE: u64 = 11;

    /// Shell text that prints that many lines, as fast as anything prints numbers.
    pub fn script(lines: u64) -> String {
        format!("seq {FIRST} {}", FIRST + lines - 1)
    }

    /// The stream's bytes from `offset` on.
    pub fn bytes(offset: u64, length: usize) -> Vec<u8> {
        let mut line = format!("{}\n", FIRST + offset / LINE).into_bytes();
        let skip = (offset % LINE) as usize;
        let mut bytes = Vec::with_capacity(skip + length + line.len());
        while bytes.len() < skip + length {
            bytes.extend_from_slice(&line);
            count_up(&mut line);
        }
        bytes.drain(..skip);
        bytes.truncate(length);
        bytes
    }

    /// The next number, in place: a stream of hundreds of megabytes is compared with this.
    fn count_up(line: &mut [u8]) {
        for digit in line.iter_mut().rev().skip(1) {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn it_is_what_the_script_prints() {
            let script = script(12_345);
            let shell = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            let printed = shell.unwrap().stdout;
            assert_eq!(printed.len() as u64, 12_345 * LINE);
            for offset in [0, 1, 10, 11, 12, 98_765] {
                let rest = &printed[offset..];
                assert_eq!(bytes(offset as u64, rest.len()), rest);
            }
        }
    }
}
