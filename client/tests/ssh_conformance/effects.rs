//! What a keyword of ssh_config does to the connection, as the real sshd sees it.

use outlast::ssh::{Connection, HostConfig, NeverPrompt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::Server;

async fn connect(config: &HostConfig) -> Connection {
    Connection::connect(config, &NeverPrompt).await.unwrap()
}

/// What a command prints there.
async fn output(connection: &Connection, command: &str) -> String {
    let mut link = connection.open_link("absent", command).await.unwrap();
    let mut text = String::new();
    link.read_to_string(&mut text).await.unwrap();
    text
}

/// Sends megabytes there and back, and compares them.
async fn echo(connection: &Connection, megabytes: usize) {
    // Nothing that could be compressed.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let sent: Vec<u8> = (0..megabytes << 20).map(|_| byte()).collect();
    let link = connection.open_link("echo", "false").await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(link);
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    writing.await.unwrap();
    assert!(received == sent);
}

#[tokio::test]
async fn compression_is_negotiated_where_it_is_wanted() {
    let server = Server::start("");
    let plain = connect(&server.config("")).await;
    assert_eq!(plain.description().compression, "none");
    let compressed = connect(&server.config("Compression yes\n")).await;
    assert_eq!(compressed.description().compression, "zlib@openssh.com");
    echo(&compressed, 4).await;
    let off = Server::start("Compression no\n");
    let refused = connect(&off.config("Compression yes\n")).await;
    assert_eq!(refused.description().compression, "none");
}

#[tokio::test]
async fn a_rekey_limit_has_keys_agreed_on_again() {
    let server = Server::start("");
    let once = connect(&server.config("")).await;
    echo(&once, 4).await;
    assert_eq!(once.description().key_exchanges, 1);
    let often = connect(&server.config("RekeyLimit 1M\n")).await;
    echo(&often, 4).await;
    let exchanges = often.description().key_exchanges;
    assert!((3..=20).contains(&exchanges), "{exchanges}");
    let both = "RekeyLimit 1M 1h\nCompression yes\n";
    let both = connect(&server.config(both)).await;
    echo(&both, 4).await;
    assert!(both.description().key_exchanges >= 3);
}

#[tokio::test]
async fn a_connection_comes_from_where_it_is_told_to() {
    let server = Server::start("");
    let from = "echo ${SSH_CONNECTION%% *}";
    let bound = connect(&server.config("BindAddress 127.0.0.77\n")).await;
    assert_eq!(output(&bound, from).await, "127.0.0.77\n");
    let named = connect(&server.config("BindAddress localhost\n")).await;
    assert_eq!(output(&named, from).await, "127.0.0.1\n");
    connect(&server.config("BindInterface lo\n")).await;
    for (lines, expected) in [
        ("BindInterface nonesuch\n", "BindInterface nonesuch"),
        ("BindAddress 192.0.2.1\n", "BindAddress 192.0.2.1"),
        (
            "BindAddress no.such.invalid\n",
            "BindAddress no.such.invalid",
        ),
        ("AddressFamily inet6\n", "an IPv6 address"),
    ] {
        let refused = Connection::connect(&server.config(lines), &NeverPrompt).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_command_runs_with_the_callers_variables_where_the_caller_is() {
    let server = Server::start("");
    let mut environment = server.environment();
    environment.directory = server.path("").join("");
    let way = format!(
        "exec ssh -F none -i user -o UserKnownHostsFile=known -o IdentityAgent=none \
         -W 127.0.0.1:{0} -p {0} root@127.0.0.1",
        server.port
    );
    std::fs::write(server.path("way.sh"), way).unwrap();
    let variables = &mut environment.variables;
    variables.insert("WAY".to_owned(), "way.sh".to_owned());
    let hosts = "Host far\n  ProxyCommand sh ./\"$WAY\"\n";
    let config = server.config_for("far", hosts, &environment);
    let connection = connect(&config).await;
    assert_eq!(output(&connection, "echo there").await, "there\n");
    environment.directory = "/".into();
    let config = server.config_for("far", hosts, &environment);
    assert!(Connection::connect(&config, &NeverPrompt).await.is_err());
}
