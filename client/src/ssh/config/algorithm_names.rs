//! The algorithms OpenSSH (7 to 10) knows by name, whether or not they can be used here: a name that
//! is none of them is a slip of the fingers, and ssh refuses it.

use super::pattern::matches_pattern;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    Ciphers,
    Macs,
    KeyExchanges,
    KeyTypes,
}

const CIPHERS: &str = "3des-cbc aes128-cbc aes192-cbc aes256-cbc rijndael-cbc@lysator.liu.se \
    aes128-ctr aes192-ctr aes256-ctr aes128-gcm@openssh.com aes256-gcm@openssh.com \
    chacha20-poly1305@openssh.com none";

const MACS: &str = "hmac-sha1 hmac-sha1-96 hmac-sha2-256 hmac-sha2-512 hmac-md5 hmac-md5-96 \
    umac-64@openssh.com umac-128@openssh.com hmac-sha1-etm@openssh.com hmac-sha1-96-etm@openssh.com \
    hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com hmac-md5-etm@openssh.com \
    hmac-md5-96-etm@openssh.com umac-64-etm@openssh.com umac-128-etm@openssh.com";

const KEY_EXCHANGES: &str = "diffie-hellman-group1-sha1 diffie-hellman-group14-sha1 \
    diffie-hellman-group14-sha256 diffie-hellman-group16-sha512 diffie-hellman-group18-sha512 \
    diffie-hellman-group-exchange-sha1 diffie-hellman-group-exchange-sha256 ecdh-sha2-nistp256 \
    ecdh-sha2-nistp384 ecdh-sha2-nistp521 curve25519-sha256 curve25519-sha256@libssh.org \
    sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com sntrup4591761x25519-sha512@tinyssh.org \
    mlkem768x25519-sha256 mlkem768nistp256-sha256";

/// Of keys, signatures and certificates.
const KEY_TYPES: &str = "ssh-ed25519 ssh-ed25519-cert-v01@openssh.com sk-ssh-ed25519@openssh.com \
    sk-ssh-ed25519-cert-v01@openssh.com ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 \
    ecdsa-sha2-nistp256-cert-v01@openssh.com ecdsa-sha2-nistp384-cert-v01@openssh.com \
    ecdsa-sha2-nistp521-cert-v01@openssh.com sk-ecdsa-sha2-nistp256@openssh.com \
    sk-ecdsa-sha2-nistp256-cert-v01@openssh.com webauthn-sk-ecdsa-sha2-nistp256@openssh.com \
    ssh-dss ssh-dss-cert-v01@openssh.com ssh-rsa ssh-rsa-cert-v01@openssh.com rsa-sha2-256 \
    rsa-sha2-512 rsa-sha2-256-cert-v01@openssh.com rsa-sha2-512-cert-v01@openssh.com ssh-xmss@openssh.com \
    ssh-xmss-cert-v01@openssh.com";

/// The list as it was given, if ssh would take it: `+`, `-` or `^`, then names, of which those of
/// keys, and those that are taken away, may be patterns.
pub(super) fn check(family: Family, list: String) -> Result<String, String> {
    let names = match list.strip_prefix('-') {
        Some(_) => return Ok(list),
        None => list.strip_prefix(['+', '^']).unwrap_or(&list),
    };
    match names.split(',').find(|name| !is_known(family, name)) {
        Some("") => Err(format!("a name is missing in `{list}`")),
        Some(name) => Err(format!("`{name}` is no algorithm of that kind")),
        None => Ok(list),
    }
}

fn is_known(family: Family, name: &str) -> bool {
    let known = match family {
        Family::Ciphers => CIPHERS,
        Family::Macs => MACS,
        Family::KeyExchanges => KEY_EXCHANGES,
        Family::KeyTypes => KEY_TYPES,
    };
    let mut known = known.split_whitespace();
    match family {
        Family::KeyTypes => known.any(|known| matches_pattern(known, name)),
        _ => known.any(|known| known == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_patterns_where_ssh_has_them() {
        let is_fine = |family, list: &str| check(family, list.to_owned()).is_ok();
        assert!(is_fine(Family::Ciphers, "aes128-ctr,aes256-ctr"));
        assert!(is_fine(Family::Ciphers, "+aes128-cbc") && is_fine(Family::Macs, "-hmac-*"));
        assert!(is_fine(Family::KeyTypes, "^ssh-ed25519,ecdsa-*"));
        assert!(!is_fine(Family::Ciphers, "aes128-ctr,"));
        assert!(!is_fine(Family::Ciphers, "aes*") && !is_fine(Family::KeyTypes, "+nonsense"));
    }
}
