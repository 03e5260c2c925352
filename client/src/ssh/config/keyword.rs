//! The keywords of ssh_config (OpenSSH 7 to 10): how the value of each reads, and what it is to us.

use super::form::Form;

/// What a keyword is to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It has its effect.
    Followed,
    /// What it governs is not there: a terminal, forwarded ports, a master connection.
    Moot,
    /// Left out, which is no difference if the value is one of these; else it is said.
    Without(&'static [&'static str]),
    /// As [`Standing::Without`], but the system's `ssh` would follow it and can be used instead.
    SystemSsh(&'static [&'static str]),
}

/// A keyword, in lower case as keywords are compared.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) standing: Standing,
}

const BOOL: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
]);
const YES_NO_ASK: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("ask", "ask"),
]);
const STRICT: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("off", "no"),
    ("ask", "ask"),
    ("accept-new", "accept-new"),
]);
const PUBLIC_KEY: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("unbound", "unbound"),
    ("host-bound", "host-bound"),
]);
const CANONICALIZE: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("always", "always"),
]);
const FAMILY: Form = Form::OneOf(&[("any", "any"), ("inet", "inet"), ("inet6", "inet6")]);
const COMPRESSION: Form = Form::OneOf(&[("yes", "yes"), ("no", "no")]);
const TUNNEL: Form = Form::OneOf(&[
    ("yes", "point-to-point"),
    ("true", "point-to-point"),
    ("no", "no"),
    ("false", "no"),
    ("ethernet", "ethernet"),
    ("point-to-point", "point-to-point"),
]);
const LOG_LEVEL: Form = Form::OneOf(&[
    ("quiet", "quiet"),
    ("fatal", "fatal"),
    ("error", "error"),
    ("info", "info"),
    ("verbose", "verbose"),
    ("debug", "debug"),
    ("debug1", "debug"),
    ("debug2", "debug2"),
    ("debug3", "debug3"),
]);
const WEAK: Form = Form::OneOf(&[
    ("yes", "yes"),
    ("true", "yes"),
    ("no", "no"),
    ("false", "no"),
    ("no-pq-kex", "no"),
]);

const FOLLOWED: &[(&str, Form)] = &[
    ("addkeystoagent", Form::AddKeys),
    ("addressfamily", FAMILY),
    ("batchmode", BOOL),
    ("bindaddress", Form::Word),
    ("bindinterface", Form::Word),
    ("canonicaldomains", Form::Names),
    ("canonicalizefallbacklocal", BOOL),
    ("canonicalizehostname", CANONICALIZE),
    ("canonicalizemaxdots", Form::Count),
    ("canonicalizepermittedcnames", Form::Names),
    ("casignaturealgorithms", Form::KeyTypes),
    ("certificatefile", Form::Each),
    ("checkhostip", BOOL),
    ("ciphers", Form::Ciphers),
    ("compression", COMPRESSION),
    ("connectionattempts", Form::Count),
    ("connecttimeout", Form::Time),
    ("forwardagent", Form::ForwardAgent),
    ("globalknownhostsfile", Form::Files),
    ("hashknownhosts", BOOL),
    ("hostkeyalgorithms", Form::KeyTypes),
    ("hostkeyalias", Form::Word),
    ("hostname", Form::Word),
    ("identitiesonly", BOOL),
    ("identityagent", Form::Agent),
    ("identityfile", Form::Each),
    ("ignoreunknown", Form::Word),
    ("ipqos", Form::IpQos),
    ("kbdinteractiveauthentication", BOOL),
    ("kbdinteractivedevices", Form::Word),
    ("kexalgorithms", Form::KeyExchanges),
    ("knownhostscommand", Form::Line),
    ("loglevel", LOG_LEVEL),
    ("macs", Form::Macs),
    ("nohostauthenticationforlocalhost", BOOL),
    ("numberofpasswordprompts", Form::Count),
    ("passwordauthentication", BOOL),
    ("port", Form::Port),
    ("preferredauthentications", Form::Word),
    ("proxycommand", Form::Line),
    ("proxyjump", Form::Jump),
    ("pubkeyacceptedalgorithms", Form::KeyTypes),
    ("pubkeyauthentication", PUBLIC_KEY),
    ("refuseconnection", Form::Word),
    ("rekeylimit", Form::Rekey),
    ("requiredrsasize", Form::Count),
    ("revokedhostkeys", Form::Files),
    ("sendenv", Form::SendEnv),
    ("serveralivecountmax", Form::Count),
    ("serveraliveinterval", Form::Time),
    ("setenv", Form::SetEnv),
    ("stricthostkeychecking", STRICT),
    ("tag", Form::Word),
    ("tcpkeepalive", BOOL),
    ("user", Form::Word),
    ("userknownhostsfile", Form::Files),
    ("warnweakcrypto", WEAK),
];

/// What nothing here could follow or fail to follow.
const MOOT: &[(&str, Form)] = &[
    ("afstokenpassing", Form::Anything),
    ("channeltimeout", Form::Names),
    ("cipher", Form::Anything),
    ("clearallforwardings", BOOL),
    ("compressionlevel", Form::Anything),
    ("controlmaster", Form::Word),
    ("controlpath", Form::Word),
    ("controlpersist", Form::Word),
    ("enableescapecommandline", BOOL),
    ("enablesshkeysign", BOOL),
    ("escapechar", Form::Word),
    ("exitonforwardfailure", BOOL),
    ("fallbacktorsh", Form::Anything),
    ("forkafterauthentication", BOOL),
    ("forwardx11timeout", Form::Time),
    ("forwardx11trusted", BOOL),
    ("gatewayports", BOOL),
    ("globalknownhostsfile2", Form::Anything),
    ("hostbasedacceptedalgorithms", Form::KeyTypes),
    ("kerberosauthentication", Form::Anything),
    ("kerberostgtpassing", Form::Anything),
    ("localcommand", Form::Line),
    ("logverbose", Form::Names),
    ("obscurekeystroketiming", Form::Word),
    ("permitremoteopen", Form::Names),
    ("protocol", Form::Anything),
    ("requesttty", Form::Word),
    ("rhostsauthentication", Form::Anything),
    ("rhostsrsaauthentication", Form::Anything),
    ("rsaauthentication", Form::Anything),
    ("sessiontype", Form::Word),
    ("stdinnull", BOOL),
    ("streamlocalbindmask", Form::Word),
    ("streamlocalbindunlink", BOOL),
    ("syslogfacility", Form::Word),
    ("tunneldevice", Form::Word),
    ("usekeychain", Form::Word),
    ("useprivilegedport", Form::Anything),
    ("userknownhostsfile2", Form::Anything),
    ("useroaming", Form::Anything),
    ("usersh", Form::Anything),
    ("versionaddendum", Form::Line),
    ("visualhostkey", BOOL),
    ("xauthlocation", Form::Word),
];

const NO: &[&str] = &["no", "none"];

/// What is left out, and the values that say as much.
const WITHOUT: &[(&str, Form, &[&str])] = &[
    ("dynamicforward", Form::Anything, &[]),
    ("fingerprinthash", Form::Word, &["sha256"]),
    ("forwardx11", BOOL, NO),
    ("localforward", Form::Anything, &[]),
    ("permitlocalcommand", BOOL, NO),
    ("remotecommand", Form::Line, NO),
    ("remoteforward", Form::Anything, &[]),
    ("tunnel", TUNNEL, NO),
    ("updatehostkeys", YES_NO_ASK, NO),
    ("verifyhostkeydns", YES_NO_ASK, NO),
];

/// What russh cannot do, and the system's `ssh` can.
const NEEDS_SYSTEM_SSH: &[(&str, Form, &[&str])] = &[
    ("gssapiauthentication", BOOL, NO),
    ("gssapiclientidentity", Form::Word, &[]),
    ("gssapidelegatecredentials", BOOL, NO),
    ("gssapikexalgorithms", Form::Word, &[]),
    ("gssapikeyexchange", BOOL, NO),
    ("gssapirenewalforcesrekey", BOOL, NO),
    ("gssapiserveridentity", Form::Word, &[]),
    ("gssapitrustdns", BOOL, NO),
    ("hostbasedauthentication", BOOL, NO),
    ("pkcs11provider", Form::Word, NO),
    ("proxyusefdpass", BOOL, NO),
    ("securitykeyprovider", Form::Word, &["internal", "none"]),
];

const ALIASES: &[(&str, &str)] = &[
    (
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
    ),
    ("dsaauthentication", "pubkeyauthentication"),
    ("hostbasedkeytypes", "hostbasedacceptedalgorithms"),
    ("identityfile2", "identityfile"),
    ("keepalive", "tcpkeepalive"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("smartcarddevice", "pkcs11provider"),
    ("tisauthentication", "kbdinteractiveauthentication"),
];

/// Looks a keyword up; it must be in lower case.
pub(super) fn find(lower: &str) -> Option<Keyword> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == lower);
    let wanted = alias.map_or(lower, |(_, name)| name);
    all().find(|keyword| keyword.name == wanted)
}

fn all() -> impl Iterator<Item = Keyword> {
    let with = |standing| {
        move |&(name, form): &(&'static str, Form)| Keyword {
            name,
            form,
            standing,
        }
    };
    let without = WITHOUT.iter().map(|&(name, form, harmless)| Keyword {
        name,
        form,
        standing: Standing::Without(harmless),
    });
    let needs = NEEDS_SYSTEM_SSH
        .iter()
        .map(|&(name, form, harmless)| Keyword {
            name,
            form,
            standing: Standing::SystemSsh(harmless),
        });
    let followed = FOLLOWED.iter().map(with(Standing::Followed));
    let moot = MOOT.iter().map(with(Standing::Moot));
    followed.chain(moot).chain(without).chain(needs)
}

/// The known keyword that is spelled most like `lower`, if one is.
pub(super) fn nearest(lower: &str) -> Option<&'static str> {
    let distance = |name: &str| strsim::damerau_levenshtein(lower, name);
    let (away, name) = all()
        .map(|keyword| (distance(keyword.name), keyword.name))
        .min()?;
    (away <= 2.max(lower.len() / 4)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_has_one_place_and_is_in_lower_case() {
        let mut names: Vec<_> = all().map(|keyword| keyword.name).collect();
        names.extend(ALIASES.iter().map(|(alias, _)| *alias));
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        assert!(ALIASES.iter().all(|(_, name)| find(name).is_some()));
    }

    #[test]
    fn a_slip_of_the_fingers_is_recognised() {
        assert_eq!(nearest("hostnam"), Some("hostname"));
        assert_eq!(nearest("identityfil"), Some("identityfile"));
        assert_eq!(nearest("proxyjmup"), Some("proxyjump"));
        assert_eq!(nearest("nonsense"), None);
    }
}
