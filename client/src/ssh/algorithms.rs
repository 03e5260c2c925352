//! Which algorithms to offer, and in which order.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

use super::config::{HostConfig, matches_list};
use super::known_hosts::KnownHosts;

/// AES-GCM is 1.4 times as fast as ChaCha20 where the processor helps, as it does nearly everywhere.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// No algorithm of a configured list is there to be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NoneSupported {
    pub(super) option: &'static str,
    pub(super) configured: String,
}

pub(super) fn preferred(
    config: &HostConfig,
    known: &KnownHosts,
) -> Result<Preferred, NoneSupported> {
    let is_extension = |name: &kex::Name| {
        name.as_ref().starts_with("ext-info") || name.as_ref().starts_with("kex-strict")
    };
    let (extensions, exchanges): (Vec<kex::Name>, Vec<kex::Name>) = Preferred::DEFAULT
        .kex
        .iter()
        .copied()
        .partition(is_extension);
    let all_exchanges: Vec<kex::Name> = kex::ALL_KEX_ALGORITHMS
        .iter()
        .map(|name| **name)
        .filter(|name| !is_extension(name) && *name != kex::NONE)
        .collect();
    let mut kex = choose(
        "KexAlgorithms",
        &config.kex_algorithms,
        &exchanges,
        &all_exchanges,
    )?;
    kex.extend(extensions);
    let macs: Vec<mac::Name> = mac::ALL_MAC_ALGORITHMS
        .iter()
        .map(|name| **name)
        .filter(|name| *name != mac::NONE)
        .collect();
    let key = host_keys(config, known)?;
    Ok(Preferred {
        kex: kex.into(),
        host_key_certificates: match known.has_authorities() {
            true => key.clone().into(),
            false => Vec::new().into(),
        },
        key: key.into(),
        cipher: choose("Ciphers", &config.ciphers, &CIPHERS, &CIPHERS)?.into(),
        mac: choose("MACs", &config.macs, &Preferred::DEFAULT.mac, &macs)?.into(),
        compression: match config.compression {
            true => vec![
                compression::ZLIB_LEGACY,
                compression::ZLIB,
                compression::NONE,
            ],
            // As ssh: a server that insists on it is not turned away.
            false => vec![
                compression::NONE,
                compression::ZLIB_LEGACY,
                compression::ZLIB,
            ],
        }
        .into(),
    })
}

/// The types recorded for the host come first, unless an order is configured.
fn host_keys(config: &HostConfig, known: &KnownHosts) -> Result<Vec<Algorithm>, NoneSupported> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    let supported = [
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ];
    let named: Vec<NamedKey> = supported.into_iter().map(NamedKey::new).collect();
    let chosen = choose(
        "HostKeyAlgorithms",
        &config.host_key_algorithms,
        &named,
        &named,
    )?;
    let mut chosen: Vec<Algorithm> = chosen.into_iter().map(|named| named.algorithm).collect();
    if config.host_key_algorithms.is_none() {
        let types = known.key_types();
        let is_known = |algorithm: &Algorithm| {
            types.iter().any(|known| match (known, algorithm) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (known, algorithm) => known == algorithm,
            })
        };
        // The sort is stable: within both halves our order stays.
        chosen.sort_by_key(|algorithm| !is_known(algorithm));
    }
    Ok(chosen)
}

#[derive(Clone)]
struct NamedKey {
    algorithm: Algorithm,
    name: String,
}

impl NamedKey {
    fn new(algorithm: Algorithm) -> Self {
        Self {
            name: algorithm.to_string(),
            algorithm,
        }
    }
}

impl AsRef<str> for NamedKey {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

/// Applies a configured list: `+` appends, `-` removes, `^` puts first, else it replaces. Names we
/// do not have are passed over, as long as one remains.
fn choose<T: AsRef<str> + Clone>(
    option: &'static str,
    configured: &Option<String>,
    defaults: &[T],
    all: &[T],
) -> Result<Vec<T>, NoneSupported> {
    let Some(list) = configured.as_deref() else {
        return Ok(defaults.to_vec());
    };
    let (mode, names) = match list.chars().next() {
        Some(mode @ ('+' | '-' | '^')) => (Some(mode), list.get(1..).unwrap_or_default()),
        _ => (None, list),
    };
    let named = || {
        names
            .split(',')
            .filter_map(|name| all.iter().find(|a| a.as_ref() == name))
    };
    let is_named = |item: &T| matches_list(item.as_ref(), names.split(','));
    let chosen: Vec<T> = match mode {
        Some('+') => {
            let is_default = |item: &T| defaults.iter().any(|d| d.as_ref() == item.as_ref());
            defaults
                .iter()
                .chain(named().filter(|item| !is_default(item)))
                .cloned()
                .collect()
        }
        Some('-') => defaults
            .iter()
            .filter(|item| !is_named(item))
            .cloned()
            .collect(),
        Some(_) => named()
            .chain(defaults.iter().filter(|item| !is_named(item)))
            .cloned()
            .collect(),
        None => named().cloned().collect(),
    };
    if chosen.is_empty() {
        return Err(NoneSupported {
            option,
            configured: list.to_owned(),
        });
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: &str) -> Vec<&'static str> {
        let list = Some(list.to_owned());
        choose("Ciphers", &list, &["a", "b", "c"], &["a", "b", "c", "d"]).unwrap_or_default()
    }

    #[test]
    fn lists_replace_append_remove_and_prepend() {
        assert_eq!(chosen("d,x,a"), ["d", "a"]);
        assert_eq!(chosen("+d,a"), ["a", "b", "c", "d"]);
        assert_eq!(chosen("-b,x*"), ["a", "c"]);
        assert_eq!(chosen("^c,d"), ["c", "d", "a", "b"]);
        assert!(chosen("x,y").is_empty());
        assert!(chosen("-*").is_empty());
    }
}
