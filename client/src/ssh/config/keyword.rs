//! The keywords of ssh_config: which we follow, which we know and leave out, and how each value is
//! checked and brought into the form in which `ssh -G` prints it.

/// How the value of a keyword reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Bool,
    /// One word.
    Word,
    /// The rest of the line as it stands.
    Line,
    Port,
    Count,
    /// Seconds, or `1h30m`.
    Time,
    TimeOrNone,
    /// Several words; the first line wins.
    Words,
    /// One word per line; all lines count.
    Each,
    StrictHostKey,
    Family,
}

/// The keywords that mean something here, in lower case as keywords are compared.
const FOLLOWED: &[(&str, Form)] = &[
    ("addkeystoagent", Form::Words),
    ("addressfamily", Form::Family),
    ("batchmode", Form::Bool),
    ("bindaddress", Form::Word),
    ("casignaturealgorithms", Form::Word),
    ("certificatefile", Form::Each),
    ("checkhostip", Form::Bool),
    ("ciphers", Form::Word),
    ("connectionattempts", Form::Count),
    ("connecttimeout", Form::TimeOrNone),
    ("globalknownhostsfile", Form::Words),
    ("hashknownhosts", Form::Bool),
    ("hostkeyalgorithms", Form::Word),
    ("hostkeyalias", Form::Word),
    ("hostname", Form::Word),
    ("identitiesonly", Form::Bool),
    ("identityagent", Form::Word),
    ("identityfile", Form::Each),
    ("kbdinteractiveauthentication", Form::Bool),
    ("kbdinteractivedevices", Form::Word),
    ("kexalgorithms", Form::Word),
    ("knownhostscommand", Form::Line),
    ("macs", Form::Word),
    ("nohostauthenticationforlocalhost", Form::Bool),
    ("numberofpasswordprompts", Form::Count),
    ("passwordauthentication", Form::Bool),
    ("port", Form::Port),
    ("preferredauthentications", Form::Word),
    ("proxycommand", Form::Line),
    ("proxyjump", Form::Line),
    ("pubkeyacceptedalgorithms", Form::Word),
    ("pubkeyauthentication", Form::Word),
    ("requiredrsasize", Form::Count),
    ("revokedhostkeys", Form::Words),
    ("serveralivecountmax", Form::Count),
    ("serveraliveinterval", Form::Time),
    ("stricthostkeychecking", Form::StrictHostKey),
    ("user", Form::Word),
    ("userknownhostsfile", Form::Words),
    ("warnweakcrypto", Form::Bool),
];

const ALIASES: &[(&str, &str)] = &[
    (
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
    ),
    ("dsaauthentication", "pubkeyauthentication"),
    ("globalknownhostsfile2", "globalknownhostsfile2"),
    ("identityfile2", "identityfile"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("tisauthentication", "kbdinteractiveauthentication"),
];

/// What OpenSSH (7 to 10) takes besides: valid there, without effect here.
const KNOWN: &str = "afstokenpassing canonicaldomains canonicalizefallbacklocal \
    canonicalizehostname canonicalizemaxdots canonicalizepermittedcnames \
    channeltimeout cipher clearallforwardings compression compressionlevel controlmaster \
    controlpath controlpersist dynamicforward enableescapecommandline enablesshkeysign escapechar \
    exitonforwardfailure fallbacktorsh fingerprinthash forkafterauthentication forwardagent \
    forwardx11 forwardx11timeout forwardx11trusted gatewayports globalknownhostsfile2 \
    gssapiauthentication gssapiclientidentity gssapidelegatecredentials gssapikexalgorithms \
    gssapikeyexchange gssapirenewalforcesrekey gssapiserveridentity gssapitrustdns \
    hostbasedacceptedalgorithms hostbasedauthentication hostbasedkeytypes ignoreunknown \
    keepalive kerberosauthentication kerberostgtpassing \
    localcommand localforward loglevel logverbose \
    obscurekeystroketiming permitlocalcommand permitremoteopen pkcs11provider proxyusefdpass \
    protocol refuseconnection rekeylimit \
    remotecommand remoteforward requesttty rhostsauthentication \
    rhostsrsaauthentication rsaauthentication securitykeyprovider sendenv sessiontype setenv \
    smartcarddevice stdinnull streamlocalbindmask streamlocalbindunlink syslogfacility tag \
    tcpkeepalive tunnel tunneldevice updatehostkeys useprivilegedport usekeychain \
    userknownhostsfile2 usersh useroaming verifyhostkeydns versionaddendum visualhostkey \
    xauthlocation ipqos";

pub(super) enum Keyword {
    Followed(&'static str, Form),
    Known,
    Unknown,
}

/// Looks a keyword up; it must be in lower case.
pub(super) fn find(lower: &str) -> Keyword {
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == lower)
        .map_or(lower, |(_, name)| name);
    match FOLLOWED.iter().find(|(followed, _)| *followed == name) {
        Some((name, form)) => Keyword::Followed(name, *form),
        None if KNOWN.split_whitespace().any(|known| known == name) => Keyword::Known,
        None => Keyword::Unknown,
    }
}

/// Checks the value and brings it into one form.
pub(super) fn normalise(form: Form, rest: &str, words: Vec<String>) -> Result<Vec<String>, String> {
    if form == Form::Line {
        return if rest.is_empty() {
            Err("the value is missing".into())
        } else {
            Ok(vec![rest.into()])
        };
    }
    if form == Form::Words {
        return if words.is_empty() {
            Err("the value is missing".into())
        } else {
            Ok(words)
        };
    }
    let mut words = words.into_iter();
    let word = words
        .next()
        .filter(|word| !word.is_empty())
        .ok_or("the value is missing")?;
    if let Some(extra) = words.next() {
        return Err(format!("extra argument `{extra}`"));
    }
    let value = match form {
        Form::Bool => bool_value(&word)?.to_owned(),
        Form::StrictHostKey => strict_host_key(&word)?.to_owned(),
        Form::Family => family(&word)?.to_owned(),
        Form::Port => match word.parse::<u16>() {
            Ok(port) if port > 0 => port.to_string(),
            _ => return Err(format!("`{word}` is not a port number")),
        },
        Form::Count => word
            .parse::<u32>()
            .map_err(|_| format!("`{word}` is not a number"))?
            .to_string(),
        Form::TimeOrNone if word == "none" => word,
        Form::Time | Form::TimeOrNone => seconds(&word)
            .ok_or_else(|| format!("`{word}` is not a duration"))?
            .to_string(),
        Form::Word | Form::Each | Form::Line | Form::Words => word,
    };
    Ok(vec![value])
}

fn bool_value(word: &str) -> Result<&'static str, String> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok("yes"),
        "no" | "false" => Ok("no"),
        _ => Err(format!("`{word}` is neither yes nor no")),
    }
}

fn strict_host_key(word: &str) -> Result<&'static str, String> {
    match word.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok("yes"),
        "no" | "false" | "off" => Ok("no"),
        "ask" => Ok("ask"),
        "accept-new" => Ok("accept-new"),
        _ => Err(format!("`{word}` is none of yes, no, ask, accept-new")),
    }
}

fn family(word: &str) -> Result<&'static str, String> {
    match word.to_ascii_lowercase().as_str() {
        "any" => Ok("any"),
        "inet" => Ok("inet"),
        "inet6" => Ok("inet6"),
        _ => Err(format!("`{word}` is none of any, inet, inet6")),
    }
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
    if digits.is_empty() {
        return (!text.is_empty()).then_some(total);
    }
    total.checked_add(digits.parse().ok()?)
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
            ("99999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn tables_are_in_lower_case_and_disjoint() {
        for (name, _) in FOLLOWED {
            assert_eq!(*name, name.to_ascii_lowercase());
            assert!(
                !KNOWN.split_whitespace().any(|known| known == *name),
                "{name}"
            );
        }
    }
}
