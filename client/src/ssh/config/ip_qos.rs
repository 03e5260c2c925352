//! Classes of service (`IPQoS`) as OpenSSH names them.

const NAMES: [(&str, u8); 25] = [
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
    ("cs0", 0x00),
    ("cs1", 0x20),
    ("cs2", 0x40),
    ("cs3", 0x60),
    ("cs4", 0x80),
    ("cs5", 0xa0),
    ("cs6", 0xc0),
    ("cs7", 0xe0),
    ("ef", 0xb8),
    ("le", 0x04),
    ("lowdelay", 0x10),
    ("throughput", 0x08),
    ("reliability", 0x04),
];

/// The name of a class given by name or number; `none` leaves the choice to the system.
pub(super) fn named(word: &str) -> Result<String, String> {
    let lower = word.to_ascii_lowercase();
    if lower == "none" {
        return Ok(lower);
    }
    let number = match NAMES.iter().find(|(name, _)| *name == lower) {
        Some((_, number)) => Some(*number),
        None => parsed(&lower),
    };
    let number = number.ok_or_else(|| format!("`{word}` is no class of service such as af21"))?;
    let name = NAMES.iter().find(|(_, value)| *value == number);
    Ok(name.map_or_else(|| format!("0x{number:02x}"), |(name, _)| (*name).to_owned()))
}

/// What [`named`] gave, for the socket.
pub(super) fn value(name: &str) -> Option<u8> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).or_else(|| parsed(name))
}

fn parsed(lower: &str) -> Option<u8> {
    match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => u8::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => u8::from_str_radix(octal, 8).ok(),
        _ => lower.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_one() {
        assert_eq!(named("AF21").as_deref(), Ok("af21"));
        assert_eq!(named("0x48").as_deref(), Ok("af21"));
        assert_eq!(named("16").as_deref(), Ok("lowdelay"));
        assert_eq!(named("3").as_deref(), Ok("0x03"));
        assert!(named("256").is_err() && named("af99").is_err());
        assert_eq!((value("af21"), value("0x03")), (Some(0x48), Some(3)));
        assert_eq!(value("none"), None);
    }
}
