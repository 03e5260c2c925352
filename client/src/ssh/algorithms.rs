//! Which algorithms to offer, and in which order.

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

use super::config::{HostConfig, matches_list};
use super::known_hosts::KnownHosts;
use super::overheard::Offer;

/// AES-GCM is 1.4 times as fast as ChaCha20 where the processor helps, as it does nearly everywhere.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// What OpenSSH 10 offers, as far as russh has it, in its order: whatever ssh can agree on with a
/// server is to be agreed on here.
const EXCHANGES: [kex::Name; 10] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];

/// ssh's too, without umac, which russh has not; SHA-1 is its last resort.
const MACS: [mac::Name; 6] = [
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA1_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
    mac::HMAC_SHA1,
];

const SNTRUP761: [&str; 2] = [
    "sntrup761x25519-sha512",
    "sntrup761x25519-sha512@openssh.com",
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
    let extensions = Preferred::DEFAULT.kex.iter().copied().filter(is_extension);
    let all_exchanges: Vec<kex::Name> = kex::ALL_KEX_ALGORITHMS
        .iter()
        .map(|name| **name)
        .filter(|name| !is_extension(name) && *name != kex::NONE)
        .collect();
    let mut kex = choose(
        "KexAlgorithms",
        &config.kex_algorithms,
        &EXCHANGES,
        &all_exchanges,
    )?;
    kex.extend(extensions);
    let macs: Vec<mac::Name> = mac::ALL_MAC_ALGORITHMS
        .iter()
        .map(|name| **name)
        .filter(|name| *name != mac::NONE)
        .collect();
    let (key, certified) = host_keys(config, known)?;
    Ok(Preferred {
        kex: kex.into(),
        host_key_certificates: certified.into(),
        key: key.into(),
        cipher: choose("Ciphers", &config.ciphers, &CIPHERS, &CIPHERS)?.into(),
        mac: choose("MACs", &config.macs, &MACS, &macs)?.into(),
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

/// In which way a recent ssh would agree on something stronger with a server that offers this; empty
/// for none. Its sntrup761 is lacking here, and a server of OpenSSH 8.5 to 9.8 has no mlkem768.
pub(super) fn weaker(config: &HostConfig, agreed: &str, offer: &Offer) -> String {
    let is_wanted = |name: &&str| match config.kex_algorithms.as_deref() {
        None => true,
        Some(list) => match list.strip_prefix('-') {
            Some(removed) => !matches_list(name, removed.split(',')),
            None => list.starts_with(['+', '^']) || matches_list(name, list.split(',')),
        },
    };
    let lacking = SNTRUP761
        .iter()
        .find(|name| offer.has(name) && is_wanted(name));
    match lacking {
        Some(name) if agreed != kex::MLKEM768X25519_SHA256.as_ref() => format!(
            "key exchange {agreed} where ssh would agree on {name}: what is recorded now could be \
             read by a quantum computer one day; OpenSSH 9.9 on the server brings \
             mlkem768x25519-sha256, which is used here too"
        ),
        _ => String::new(),
    }
}

/// The types recorded for the host come first, unless an order is configured; certificates are only
/// asked for where an authority is known, before all others. The two come apart.
fn host_keys(
    config: &HostConfig,
    known: &KnownHosts,
) -> Result<(Vec<Algorithm>, Vec<Algorithm>), NoneSupported> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash };
    let defaults = [
        Algorithm::Ed25519,
        ecdsa(EcdsaCurve::NistP256),
        ecdsa(EcdsaCurve::NistP384),
        ecdsa(EcdsaCurve::NistP521),
        rsa(Some(HashAlg::Sha512)),
        rsa(Some(HashAlg::Sha256)),
    ];
    let certified = defaults.iter().cloned().map(NamedKey::certified);
    let plain = defaults.iter().cloned().map(NamedKey::new);
    let defaults: Vec<NamedKey> = certified.chain(plain).collect();
    let mut all = defaults.clone();
    all.push(NamedKey::new(rsa(None)));
    let list = &config.host_key_algorithms;
    let mut chosen = choose("HostKeyAlgorithms", list, &defaults, &all)?;
    if !list.as_deref().is_some_and(is_ordered) {
        let types = known.key_types();
        let is_known = |algorithm: &Algorithm| {
            types.iter().any(|known| match (known, algorithm) {
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (known, algorithm) => known == algorithm,
            })
        };
        // The sort is stable: within both halves our order stays.
        chosen.sort_by_key(|named| !is_known(&named.algorithm));
    }
    let (certified, plain): (Vec<NamedKey>, Vec<NamedKey>) =
        chosen.into_iter().partition(|named| named.is_certified);
    let algorithms = |named: Vec<NamedKey>| named.into_iter().map(|named| named.algorithm);
    // With certificates alone none would be left for a bare key: ssh takes that for "none" too.
    let certified = match known.has_authorities() {
        true => algorithms(certified).collect(),
        false => Vec::new(),
    };
    Ok((algorithms(plain).collect(), certified))
}

/// Whether a list says in which order its members are wanted.
fn is_ordered(list: &str) -> bool {
    !list.starts_with(['+', '-'])
}

#[derive(Clone)]
struct NamedKey {
    algorithm: Algorithm,
    name: String,
    is_certified: bool,
}

impl NamedKey {
    fn new(algorithm: Algorithm) -> Self {
        Self {
            name: algorithm.to_string(),
            algorithm,
            is_certified: false,
        }
    }

    fn certified(algorithm: Algorithm) -> Self {
        Self {
            name: format!("{algorithm}-cert-v01@openssh.com"),
            algorithm,
            is_certified: true,
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
