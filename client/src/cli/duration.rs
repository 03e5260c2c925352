//! Durations as users type them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use outlast_protocol::limits::MIN_IDLE_TIMEOUT;
use outlast_protocol::session::IdleTimeout;

/// A length of time: `90`, `90s`, `10m`, `2h`, `7d` or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// It has no end.
    Never,
    /// This many seconds.
    Seconds(u64),
}

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// No number in front, or something behind the unit.
    #[error("`{0}` is not a duration: write 90, 90s, 10m, 2h, 7d or never")]
    Form(String),
    /// More seconds than can be counted.
    #[error("`{0}` is too long")]
    TooLong(String),
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
        let unit = match text.get(digits.len()..).unwrap_or_default() {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => return Err(SpanError::Form(text.to_owned())),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SpanError::Form(text.to_owned()));
        }
        let number: Option<u64> = digits.parse().ok();
        number
            .and_then(|number| number.checked_mul(unit))
            .filter(|&seconds| u32::try_from(seconds).is_ok())
            .map(Self::Seconds)
            .ok_or_else(|| SpanError::TooLong(text.to_owned()))
    }
}

impl Span {
    /// The milliseconds, if there is an end.
    #[must_use]
    pub fn milliseconds(self) -> Option<u64> {
        self.duration()
            .and_then(|duration| u64::try_from(duration.as_millis()).ok())
    }

    /// The duration, if there is an end.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Seconds(seconds) => Some(Duration::from_secs(seconds)),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Never => f.write_str("never"),
            Self::Seconds(s) if s > 0 && s % 3600 == 0 => write!(f, "{} h", s / 3600),
            Self::Seconds(s) if s > 0 && s % 60 == 0 => write!(f, "{} min", s / 60),
            Self::Seconds(s) => write!(f, "{s} s"),
        }
    }
}

/// Reads an idle timeout.
pub fn idle_timeout(text: &str) -> Result<IdleTimeout, String> {
    match text.parse().map_err(|error: SpanError| error.to_string())? {
        Span::Never => Ok(IdleTimeout::Never),
        Span::Seconds(seconds) => match u32::try_from(seconds) {
            Ok(seconds) if seconds >= MIN_IDLE_TIMEOUT => Ok(IdleTimeout::Seconds(seconds)),
            Ok(_) => Err(format!("an idle timeout is at least {MIN_IDLE_TIMEOUT} s")),
            Err(_) => Err(SpanError::TooLong(text.to_owned()).to_string()),
        },
    }
}

/// Reads a duration that has an end and is not nothing.
pub fn positive(text: &str) -> Result<Span, String> {
    match text.parse().map_err(|error: SpanError| error.to_string())? {
        Span::Seconds(0) => Err("it must be at least 1 s".to_owned()),
        Span::Never => Err("it must have an end: leave the option away for none".to_owned()),
        span @ Span::Seconds(_) => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7200),
            ("7d", 604_800),
        ] {
            assert_eq!(text.parse(), Ok(Span::Seconds(seconds)), "{text}");
        }
        assert_eq!("never".parse(), Ok(Span::Never));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "1.5h", "-1", "10 m", "1hh", "1sm", "m5", "Never"] {
            assert_eq!(
                text.parse::<Span>(),
                Err(SpanError::Form(text.into())),
                "{text}"
            );
        }
        for text in ["99999999999999999999", "60000d"] {
            assert_eq!(
                text.parse::<Span>(),
                Err(SpanError::TooLong(text.into())),
                "{text}"
            );
        }
        assert_eq!(
            idle_timeout("59").unwrap_err(),
            "an idle timeout is at least 60 s"
        );
        assert!(positive("0").is_err() && positive("never").is_err());
    }
}
