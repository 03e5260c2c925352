//! Configurations as people have them, and as nobody should: each is read by us and by `ssh -G`.

/// Configuration, arguments, destination. `@D` is the directory with `inc/a.conf`, `inc/b.conf`.
pub(crate) type Case = (&'static str, &'static [&'static str], &'static str);

pub(crate) const CASES: &[Case] = &[
    // Destinations and options.
    ("", &[], "web"),
    ("", &[], "me@web"),
    ("", &[], "WEB.Example"),
    ("Host web\n  User alice\n", &[], "bob@web"),
    ("Host web\n  User alice\n", &["-l", "carol"], "web"),
    ("Host web\n  Port 1\n", &["-p", "3"], "web"),
    ("Host web\n  Port 1\n", &["-o", "Port=4"], "web"),
    (
        "User late\n",
        &["-o", "User = early", "-o", "User later"],
        "web",
    ),
    ("Host web\n  User alice\n", &["-l", "carol"], "bob@web"),
    ("", &["-o", "ProxyJump=a,b", "-o", "Compression=yes"], "web"),
    // Addresses in every form.
    ("", &[], "127.0.0.1"),
    ("HostName 127.1\n", &[], "web"),
    ("HostName 0::1\nPort 22\n", &[], "web"),
    ("HostName FE80::01%%lo\n", &[], "web"),
    // Host: patterns, negation, first value wins.
    (
        "Host web\n  HostName web.example\n  Port 2222\n  User alice\n",
        &[],
        "web",
    ),
    (
        "Host *.example !bad.example\n  User alice\nHost *\n  User bob\n",
        &[],
        "bad.example",
    ),
    (
        "Host *.example !bad.example\n  User alice\nHost *\n  User bob\n",
        &[],
        "good.example",
    ),
    ("Host !web\n  User alice\n", &[], "other"),
    ("Host a !web *\n  User alice\n", &[], "web"),
    ("Host WEB\n  User alice\n", &[], "web"),
    ("Host 192.168.?.*\n  User lan\n", &[], "192.168.7.31"),
    ("HostName=%h.example\nPort = 2200\n", &[], "web"),
    ("HostName %h.100%%.example\n", &[], "web"),
    ("Host w?b \"q h\"\n  User=alice\n", &[], "web"),
    ("User first\nHost *\n  User second\n", &[], "web"),
    ("Host web # the old one\n  Port 8\n", &[], "web"),
    // Match of every kind.
    (
        "Match host web\n  User alice\nMatch all\n  Port 99\n",
        &[],
        "web",
    ),
    ("Match host web\n  User alice\n", &[], "other"),
    ("Match host WEB,*.Example\n  User alice\n", &[], "a.example"),
    (
        "HostName real.example\nMatch host real.example\n  User alice\n",
        &[],
        "web",
    ),
    (
        "HostName real.example\nMatch originalhost web\n  User alice\n",
        &[],
        "web",
    ),
    (
        "HostName real.example\nMatch host web\n  User alice\n",
        &[],
        "web",
    ),
    ("User bob\nMatch user bob,carol\n  Port 7\n", &[], "web"),
    ("Match user bob !host web\n  Port 7\n", &[], "bob@web"),
    ("Match !host web\n  Port 7\n", &[], "web"),
    ("Match !user bob !localuser nobody\n  Port 7\n", &[], "web"),
    (
        "Match localuser root\n  Port 7\nMatch localuser nobody\n  User x\n",
        &[],
        "web",
    ),
    ("Match host=\"a*,!ab\"\n  Port 7\n", &[], "ab"),
    ("Match host a*,!ab\n  Port 7\n", &[], "ac"),
    ("Match exec \"test %n = web\"\n  User alice\n", &[], "web"),
    ("Match !exec false host web\n  User alice\n", &[], "web"),
    (
        "Match exec \"test $(echo %h-%p-%r-%u) = web-22-al-%u\" user al\n  Port 7\n",
        &["-l", "al"],
        "web",
    ),
    (
        "Match exec \"FOO=bar; test $FOO = bar\"\n  Port 7\n",
        &[],
        "web",
    ),
    (
        "User ok\nMatch host nothere exec false\n  Port 9\n",
        &[],
        "web",
    ),
    ("Match final\n  User late\nHost web\n  Port 3\n", &[], "web"),
    (
        "Host web\n  HostName db.example\nHost db.*\n  User second\nMatch final all\n  Port 4\n",
        &[],
        "web",
    ),
    ("Match canonical all\n  Port 4\n", &[], "web"),
    (
        "Match final host db.example\n  Port 4\nHost web\n  HostName DB.example\n",
        &[],
        "web",
    ),
    (
        "CanonicalizeHostname yes\nCanonicalDomains corp.invalid\nMatch canonical host web\n  Port 4\n",
        &[],
        "web",
    ),
    (
        "CanonicalizeHostname always\nCanonicalDomains none\nHost web\n  Port 2\nMatch canonical\n  User c\n",
        &[],
        "web",
    ),
    (
        "CanonicalizeMaxDots 2\nCanonicalizeFallbackLocal no\nCanonicalizePermittedCNAMEs none\n",
        &[],
        "web",
    ),
    // Include.
    (
        "Host other\n  Include @D/inc/*.conf\nHost *\n  Port 8\n",
        &[],
        "web",
    ),
    (
        "Host web\n  Include @D/inc/*.conf\n  Port 8\nUser late\n",
        &[],
        "web",
    ),
    (
        "Include @D/inc/a.conf @D/inc/missing.conf\nPort 8\n",
        &[],
        "web",
    ),
    ("Include \"@D/inc/[ab].conf\"\nUser late\n", &[], "web"),
    ("Include @D/inc/{a,b}.conf\nUser late\n", &[], "web"),
    ("Include @D/inc/b.conf @D/inc/a.conf\n", &[], "web"),
    ("Include @D/inc/deep/*.conf\nPort 9\n", &[], "web"),
    // Keys and agents.
    (
        "IdentityFile ~/.ssh/a\nIdentityFile \"/tmp/b c\"\nIdentitiesOnly yes\n",
        &[],
        "web",
    ),
    (
        "IdentityFile ~/.ssh/a\nIdentityFile ~/.ssh/a\n",
        &["-i", "/dev/null"],
        "web",
    ),
    (
        "IdentityFile ~/.ssh/%r@%h\nHost web\n  IdentityFile none\n",
        &[],
        "web",
    ),
    (
        "IdentityAgent none\nCertificateFile /tmp/c-cert.pub\n",
        &[],
        "web",
    ),
    ("IdentityAgent ~/agent-%u\nForwardAgent yes\n", &[], "web"),
    (
        "IdentityAgent SSH_AUTH_SOCK\nForwardAgent $OTHER\n",
        &[],
        "web",
    ),
    ("AddKeysToAgent confirm 1h\n", &[], "web"),
    ("AddKeysToAgent 90m\nForwardAgent no\n", &[], "web"),
    (
        "AddKeysToAgent ask\nPubkeyAuthentication unbound\n",
        &[],
        "web",
    ),
    ("PubkeyAcceptedKeyTypes +ssh-rsa\n", &[], "web"),
    ("PubkeyAcceptedAlgorithms ssh-ed25519,ecdsa-*\n", &[], "web"),
    // Host keys.
    (
        "UserKnownHostsFile /tmp/a /tmp/b\nGlobalKnownHostsFile /tmp/g\n",
        &[],
        "web",
    ),
    (
        "UserKnownHostsFile ~/known-%k\nHostKeyAlias Alias\n",
        &[],
        "web",
    ),
    (
        "UserKnownHostsFile none\nGlobalKnownHostsFile /dev/null\n",
        &[],
        "web",
    ),
    (
        "StrictHostKeyChecking accept-new\nHashKnownHosts yes\n",
        &[],
        "web",
    ),
    (
        "StrictHostKeyChecking off\nHostKeyAlias alias\n",
        &[],
        "web",
    ),
    ("StrictHostKeyChecking true\nBatchMode true\n", &[], "web"),
    ("StrictHostKeyChecking ASK\nCheckHostIP yes\n", &[], "web"),
    (
        "UpdateHostKeys ask\nVerifyHostKeyDNS yes\nNoHostAuthenticationForLocalhost yes\n",
        &[],
        "web",
    ),
    (
        "RevokedHostKeys /tmp/revoked\nKnownHostsCommand /bin/echo %H\n",
        &[],
        "web",
    ),
    (
        "CASignatureAlgorithms -rsa-*\nRequiredRSASize 2048\n",
        &[],
        "web",
    ),
    ("HostKeyAlgorithms ssh-ed25519,rsa-sha2-512\n", &[], "web"),
    (
        "HostKeyAlgorithms ^ssh-ed25519\nHostKeyAlgorithms ssh-rsa\n",
        &[],
        "web",
    ),
    // The way there.
    ("Host web\n  ProxyJump me@jump:2222,other\n", &[], "web"),
    ("Host web\n  ProxyJump ssh://me@jump:2222\n", &[], "web"),
    (
        "Host web\n  ProxyJump [::1]:2222 # through there\n",
        &[],
        "web",
    ),
    ("ProxyJump none\nProxyCommand nc %h %p\n", &[], "web"),
    ("ProxyCommand none\nProxyJump jump\n", &[], "web"),
    (
        "Host web\n  ProxyJump jump\nHost *\n  ProxyJump none\n",
        &[],
        "web",
    ),
    (
        "Match host WEB\n  Port 2\nMatch originalhost *B\n  User up\n",
        &[],
        "WeB",
    ),
    (
        "ProxyCommand nc \"%h\" %p # not a comment\nProxyJump jump\n",
        &[],
        "web",
    ),
    ("ProxyCommand = ssh -W '[%h]:%p' -l %r gate\n", &[], "web"),
    ("ConnectTimeout 1m30s\nConnectionAttempts 3\n", &[], "web"),
    ("ConnectTimeout none\nConnectTimeout 5\n", &[], "web"),
    (
        "AddressFamily inet6\nBindAddress ::1\nNumberOfPasswordPrompts 1\n",
        &[],
        "web",
    ),
    (
        "BindInterface lo\nAddressFamily INET\nTCPKeepAlive no\n",
        &[],
        "web",
    ),
    ("IPQoS af21 cs1\n", &[], "web"),
    ("IPQoS 0x10\nKeepAlive no\n", &[], "web"),
    (
        "ServerAliveInterval 1m\nServerAliveCountMax 5\n",
        &[],
        "web",
    ),
    // Authentication.
    (
        "PreferredAuthentications publickey,password\nPasswordAuthentication no\n",
        &[],
        "web",
    ),
    (
        "ChallengeResponseAuthentication no\nKbdInteractiveDevices pam,bsdauth\n",
        &[],
        "web",
    ),
    // Algorithms and the stream.
    (
        "KexAlgorithms curve25519-sha256\nCiphers aes128-ctr\nMACs hmac-sha2-256\n",
        &[],
        "web",
    ),
    (
        "KexAlgorithms +diffie-hellman-group14-sha1\nCiphers -chacha*\nMACs ^hmac-sha1\n",
        &[],
        "web",
    ),
    ("Compression yes\nRekeyLimit 1G 1h\n", &[], "web"),
    ("RekeyLimit default none\nRekeyLimit 5M 90\n", &[], "web"),
    ("LogLevel DEBUG1\nLogLevel QUIET\n", &[], "web"),
    ("LogLevel error\n", &[], "web"),
    // Environment.
    ("SendEnv LANG LC_*\nSendEnv FOO -LC_* BAR\n", &[], "web"),
    ("SetEnv A=1 B=\"two words\" A=2\nSetEnv C=3\n", &[], "web"),
    ("ForwardAgent yes\nSendEnv LANG\nPort 12\n", &[], "web"),
    // Lines.
    ("# note\n\n\tPort 5 # note\nUser \"a b\"\n", &[], "web"),
    ("\"Port\" 5\nuSeR al\\\"ice\n", &[], "web"),
    ("Port=5\r\nUser = \"x\"\t\r\n", &[], "web"),
    (
        "IdentityFile '/tmp/one two' \nIdentityFile /tmp/o\\ p\n",
        &[],
        "web",
    ),
    (
        "IgnoreUnknown Foo*,bar\nFooBar 1\nBar 2\nPort 8\n",
        &[],
        "web",
    ),
    (
        "IgnoreUnknown UseKeychain\nUseKeychain yes\nPort 8\n",
        &[],
        "web",
    ),
    (
        "Protocol 2\nCipher blowfish\nUsePrivilegedPort no\nPort 8\n",
        &[],
        "web",
    ),
    // In the shape of what people publish: a bastion with a fleet behind it …
    (
        "Host bastion\n  HostName bastion.example.net\n  User ops\n  IdentityFile ~/.ssh/ops\n\n\
         Host 10.0.* *.internal !bastion\n  ProxyJump bastion\n  User deploy\n  \
         StrictHostKeyChecking accept-new\n  UserKnownHostsFile ~/.ssh/known_hosts.d/%k\n\n\
         Host *\n  ServerAliveInterval 60\n  AddKeysToAgent yes\n",
        &[],
        "db1.internal",
    ),
    // … the jump only where the network is not at home …
    (
        "Match host *.lan !exec \"true\"\n  ProxyJump gate\nHost *.lan\n  User me\n",
        &[],
        "nas.lan",
    ),
    // … several accounts at one forge …
    (
        "Host forge-work\n  HostName forge.example\n  User git\n  IdentityFile ~/.ssh/work\n  \
         IdentitiesOnly yes\nHost forge-home\n  HostName forge.example\n  User git\n  \
         IdentityFile ~/.ssh/home\n  IdentitiesOnly yes\n",
        &[],
        "forge-home",
    ),
    // … instances of a cloud reached by their names …
    (
        "Host i-* mi-*\n  User admin\n  ProxyCommand sh -c \"tunnel start --target %h --parameters \
         'portNumber=%p'\"\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n",
        &[],
        "i-0123abcd",
    ),
    // … old switches …
    (
        "Host switch-*\n  KexAlgorithms +diffie-hellman-group1-sha1\n  HostKeyAlgorithms +ssh-rsa\n  \
         Ciphers +aes128-cbc\n  PubkeyAcceptedAlgorithms +ssh-rsa\n  PreferredAuthentications \
         password\n  NumberOfPasswordPrompts 1\n",
        &[],
        "switch-7",
    ),
    // … a hardened client …
    (
        "Host *\n  HashKnownHosts yes\n  Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com\n  \
         MACs hmac-sha2-512-etm@openssh.com\n  KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org\n  \
         HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519\n  RekeyLimit 512M 1h\n  \
         ForwardX11 no\n  GSSAPIAuthentication no\n  VisualHostKey yes\n  UpdateHostKeys no\n",
        &[],
        "web",
    ),
    // … and master connections, which are nothing to us.
    (
        "Host *\n  ControlMaster auto\n  ControlPath ~/.ssh/cm-%C\n  ControlPersist 10m\n  \
         ServerAliveInterval 30\n  TCPKeepAlive yes\n  Compression yes\n  EscapeChar none\n  RequestTTY no\n",
        &["-p", "2022"],
        "web",
    ),
];

/// What both refuse, naming line 2.
pub(crate) const REFUSED: &[&str] = &[
    "Port 22\nNonsense yes\n",
    "Host other\n  Port abc\n",
    "\nPort 0\n",
    "\nPort\n",
    "\nUser \"open\n",
    "\nProxyCommand sh -c \"open\n",
    "\nBatchMode perhaps\n",
    "\nMatch nonsense x\n",
    "\nMatch host\n",
    "\nMatch host a all user b\n",
    "\nHost\n",
    "\nStrictHostKeyChecking maybe\n",
    "\nUser a b\n",
    "\nConnectTimeout 1y\n",
    "\nConnectionAttempts -1\n",
    "\nCompression true\n",
    "\nCiphers aes128-ctr,nonsense\n",
    "\nMACs +hmac-sha9\n",
    "\nKexAlgorithms curve25519\n",
    "\nHostKeyAlgorithms ssh-nonsense\n",
    "\nRekeyLimit 3\n",
    "\nRekeyLimit 1G 1y\n",
    "\nLogLevel LOUD\n",
    "\nIPQoS af99\n",
    "\nAddressFamily inet5\n",
    "\nSetEnv NAME\n",
    "\nSendEnv A=b\n",
    "\nUserKnownHostsFile /tmp/a none\n",
    "\nAddKeysToAgent ask 5m\n",
    "\nIdentityAgent $a-b\n",
    "\nProxyJump a:port\n",
    "\nForwardX11 perhaps\n",
    "\nCanonicalizeHostname perhaps\n",
    "\nGlobalKnownHostsFile \"\"\n",
];
