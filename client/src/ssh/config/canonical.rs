//! The host that is meant in the end: `HostName`, addresses in one form, `CanonicalizeHostname`.

use std::net::{IpAddr, Ipv4Addr};

use super::error::ConfigError;
use super::openssh;
use super::tokens::{Tokens, at};
use super::values::Values;
use crate::ssh::{Destination, Environment, SshOptions};

/// The host after the first reading of the files.
pub(super) fn host(
    values: &Values,
    destination: &Destination,
    options: &SshOptions,
    environment: &Environment,
) -> Result<String, ConfigError> {
    if is_on(values) {
        // Which names exist, and which are aliases of others, the resolver of ssh says: the one
        // answer that is taken from it here, so that the values keep their lines.
        let location = values.location("canonicalizehostname");
        let what = "CanonicalizeHostname";
        return openssh::host(destination, options, environment, what, &location);
    }
    let name = match values.first("hostname") {
        Some(name) => {
            let tokens = Tokens::of_host(environment, &destination.host);
            let location = values.location("hostname");
            at("HostName", name, location, tokens.percent(name))?
        }
        None => destination.host.clone(),
    };
    let (bare, interface) = match name.split_once('%') {
        Some((bare, interface)) => (bare, Some(interface)),
        None => (name.as_str(), None),
    };
    Ok(match (address(bare), interface) {
        (Some(address), None) => address.to_string(),
        (Some(address), Some(interface)) => format!("{address}%{interface}"),
        (None, Some(_)) => name,
        (None, None) => name.to_ascii_lowercase(),
    })
}

/// Whether the name is to be completed, and the files read once more with the host it leads to.
pub(super) fn is_on(values: &Values) -> bool {
    matches!(values.first("canonicalizehostname"), Some("yes" | "always"))
}

/// An address in any form that the resolver takes for one, such as `127.1` and `0::1`.
fn address(name: &str) -> Option<IpAddr> {
    if let Ok(address) = name.parse() {
        return Some(address);
    }
    let parts: Option<Vec<u32>> = name.split('.').map(number).collect();
    let parts = parts.filter(|parts| (1..=4).contains(&parts.len()))?;
    let (last, bytes) = parts.split_last()?;
    let room = 32 - 8 * u32::try_from(bytes.len()).ok()?;
    let fits = bytes.iter().all(|byte| *byte < 256);
    if !fits || room < 32 && *last >> room != 0 {
        return None;
    }
    let high = bytes
        .iter()
        .zip([24, 16, 8])
        .fold(0, |sum, (byte, shift)| sum | byte << shift);
    Some(Ipv4Addr::from(high | last).into())
}

/// As `inet_aton` reads it: decimal, 0x for hexadecimal, 0 for octal.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (text, 10),
    };
    let is_digits = digits.chars().all(|c| c.is_digit(radix));
    u32::from_str_radix(digits, radix)
        .ok()
        .filter(|_| is_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_is_one() {
        for (name, expected) in [
            ("127.1", "127.0.0.1"),
            ("0x7f.0.0.1", "127.0.0.1"),
            ("10.0.256", "10.0.1.0"),
            ("2130706433", "127.0.0.1"),
            ("0::1", "::1"),
            ("FE80::0001", "fe80::1"),
        ] {
            assert_eq!(address(name).unwrap().to_string(), expected);
        }
        for name in [
            "web",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "",
            ".",
            "1.",
            "+1",
        ] {
            assert_eq!(address(name), None, "{name}");
        }
    }
}
