//! How the value of a keyword reads: checked, and brought into one form.

use super::algorithm_names::{self as names, Family};
use super::ip_qos;
use super::line;
use crate::ssh::Destination;

/// How the value of a keyword reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// Not looked at.
    Anything,
    /// One of these words, in any case; what it means stands beside it.
    OneOf(&'static [(&'static str, &'static str)]),
    /// One word.
    Word,
    /// The rest of the line as it stands.
    Line,
    /// Jump hosts, separated by commas.
    Jump,
    Port,
    Count,
    /// Seconds, or `1h30m`; `none` leaves it open.
    Time,
    /// Several words; the first line wins.
    Names,
    /// File names; the first line wins.
    Files,
    /// One word per line; all lines count.
    Each,
    /// Patterns; all lines count, and `-PATTERN` takes away.
    SendEnv,
    /// `NAME=value`s; the first line wins.
    SetEnv,
    /// Bytes and perhaps seconds, each of which the first line with one decides.
    Rekey,
    /// One or two classes of service.
    IpQos,
    /// yes, no, or an agent.
    ForwardAgent,
    /// A socket or the variable with its name.
    Agent,
    /// yes, no, ask, confirm, and how long.
    AddKeys,
    Ciphers,
    Macs,
    KeyExchanges,
    KeyTypes,
}

impl Form {
    /// Checks the value and brings it into one form.
    pub(super) fn read(self, rest: &str, words: Vec<String>) -> Result<Vec<String>, String> {
        match self {
            Self::Anything => Ok(vec![rest.to_owned()]),
            Self::Line => Ok(vec![line::tail(rest).to_owned()]),
            Self::Jump => jump(line::tail(rest)),
            Self::Names | Self::Files => list(words),
            Self::SendEnv => each(words, |word| !word.contains('='), "is not a name"),
            Self::SetEnv => each(words, |word| word.contains('='), "is not NAME=value"),
            Self::Rekey => rekey(&words),
            Self::IpQos => two(&words, ip_qos::named),
            Self::AddKeys => add_keys(&words),
            _ => self.word(one(words)?),
        }
    }

    fn word(self, word: String) -> Result<Vec<String>, String> {
        let value = match self {
            Self::OneOf(words) => one_of(&word, words)?.to_owned(),
            Self::Port => match word.parse::<u16>() {
                Ok(port) if port > 0 => port.to_string(),
                _ => return Err(format!("`{word}` is not a port number")),
            },
            Self::Count => number(&word)?.to_string(),
            Self::Time if word == "none" => return Ok(Vec::new()),
            Self::Time => time(&word)?.to_string(),
            Self::ForwardAgent => match word.to_ascii_lowercase().as_str() {
                "yes" | "true" => "yes".to_owned(),
                "no" | "false" => "no".to_owned(),
                _ => agent(word)?,
            },
            Self::Agent => agent(word)?,
            Self::Ciphers => names::check(Family::Ciphers, word)?,
            Self::Macs => names::check(Family::Macs, word)?,
            Self::KeyExchanges => names::check(Family::KeyExchanges, word)?,
            Self::KeyTypes => names::check(Family::KeyTypes, word)?,
            _ => word,
        };
        Ok(vec![value])
    }
}

fn one(words: Vec<String>) -> Result<String, String> {
    let mut words = words.into_iter();
    let word = words
        .next()
        .filter(|word| !word.is_empty())
        .ok_or("the value is missing")?;
    match words.next() {
        Some(extra) => Err(format!(
            "`{extra}` is too much; a value with spaces is quoted"
        )),
        None => Ok(word),
    }
}

fn two(
    words: &[String],
    read: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    match words {
        [one] => Ok(vec![read(one)?; 2]),
        [one, two] => Ok(vec![read(one)?, read(two)?]),
        [] => Err("the value is missing".into()),
        [_, _, extra, ..] => Err(format!("`{extra}` is too much")),
    }
}

fn list(words: Vec<String>) -> Result<Vec<String>, String> {
    if words.is_empty() || words.iter().any(String::is_empty) {
        return Err("a value is missing".into());
    }
    let none = words.iter().any(|word| word.eq_ignore_ascii_case("none"));
    if none && words.len() > 1 {
        return Err("`none` stands alone".into());
    }
    Ok(words)
}

fn each(
    words: Vec<String>,
    is_valid: impl Fn(&str) -> bool,
    otherwise: &str,
) -> Result<Vec<String>, String> {
    match words.iter().find(|word| word.is_empty() || !is_valid(word)) {
        Some(word) => Err(format!("`{word}` {otherwise}")),
        None if words.is_empty() => Err("the value is missing".into()),
        None => Ok(words),
    }
}

fn one_of(word: &str, words: &[(&'static str, &'static str)]) -> Result<&'static str, String> {
    let found = words
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        format!("`{word}` is none of {}", names.join(", "))
    })
}

fn number(word: &str) -> Result<u32, String> {
    let number = word.parse().ok().filter(|number| *number <= MAX);
    number.ok_or_else(|| format!("`{word}` is not a number"))
}

fn time(word: &str) -> Result<u32, String> {
    seconds(word).ok_or_else(|| format!("`{word}` is not a duration such as 90 or 1m30s"))
}

fn agent(word: String) -> Result<String, String> {
    let variable = word.strip_prefix('$').filter(|name| !name.starts_with('{'));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    match variable {
        Some(name) if !is_name(name) => Err(format!("`{word}` is not the name of a variable")),
        _ => Ok(word),
    }
}

fn jump(text: &str) -> Result<Vec<String>, String> {
    let text = text.split('#').next().unwrap_or_default().trim_end();
    if text.eq_ignore_ascii_case("none") {
        return Ok(vec!["none".to_owned()]);
    }
    for hop in text.split(',') {
        // A token can stand in it, so the characters of names are looked at when it is replaced.
        let hop = hop.replace('%', "x");
        hop.parse::<Destination>()
            .map_err(|error| error.to_string())?;
    }
    Ok(vec![text.to_owned()])
}

/// ssh takes numbers up to here.
const MAX: u32 = i32::MAX as u32;

fn rekey(words: &[String]) -> Result<Vec<String>, String> {
    let (limit, interval) = match words {
        [limit] => (limit, None),
        [limit, interval] => (limit, Some(interval)),
        [] => return Err("the value is missing".into()),
        [_, _, extra, ..] => return Err(format!("`{extra}` is too much")),
    };
    let bytes = match limit.as_str() {
        "default" => 0,
        _ => scaled(limit).ok_or_else(|| format!("`{limit}` is not an amount such as 512M"))?,
    };
    if (1..16).contains(&bytes) {
        return Err(format!("`{limit}` is too small"));
    }
    let mut values = vec![bytes.to_string()];
    if let Some(interval) = interval.filter(|interval| *interval != "none") {
        values.push(time(interval)?.to_string());
    }
    Ok(values)
}

/// An amount with K, M or G behind it.
fn scaled(text: &str) -> Option<u64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let one = 1_u64 << shift;
    let mut bytes = whole.parse::<u64>().ok()?.checked_mul(one)?;
    let mut place = one;
    for digit in fraction.chars() {
        place /= 10;
        bytes = bytes.checked_add(u64::from(digit.to_digit(10)?).checked_mul(place)?)?;
    }
    Some(bytes)
}

fn add_keys(words: &[String]) -> Result<Vec<String>, String> {
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    Ok(match lower.as_slice() {
        ["yes" | "true"] => vec!["yes".to_owned()],
        ["no" | "false"] => vec!["no".to_owned()],
        ["ask"] => vec!["ask".to_owned()],
        ["confirm"] => vec!["confirm".to_owned()],
        ["confirm", span] => vec!["confirm".to_owned(), time(span)?.to_string()],
        [span] => vec![time(span)?.to_string()],
        [] => return Err("the value is missing".into()),
        _ => return Err("only `confirm` takes a duration behind it".into()),
    })
}

/// ssh's time format: `90`, `1m30s`, `1w2d3h4m5s`.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut digits) = (0_u32, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        let number: u32 = std::mem::take(&mut digits).parse().ok()?;
        total = total.checked_add(number.checked_mul(unit)?)?;
    }
    let total = match digits.is_empty() {
        true => (!text.is_empty()).then_some(total)?,
        false => total.checked_add(digits.parse().ok()?)?,
    };
    (total <= MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("90", Some(90)),
            ("1m30s", Some(90)),
            ("1h", Some(3600)),
            ("1w2d", Some(777_600)),
            ("1M30", Some(90)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("99999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn amounts() {
        for (text, expected) in [
            ("16", Some(16)),
            ("1K", Some(1024)),
            ("512M", Some(512 << 20)),
            ("1g", Some(1 << 30)),
            ("", None),
            ("G", None),
            ("1X", None),
            ("99999999999G", None),
        ] {
            assert_eq!(scaled(text), expected, "{text}");
        }
    }
}
