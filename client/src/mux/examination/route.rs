//! What a destination means, and whether its computer answers at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;
use outlast_protocol::finding::{Finding, Verdict};
use tokio::net::TcpStream;

use super::{Layer, bad};
use crate::mux::configuration;
use crate::ssh::{HostConfig, Proxy};

/// What the ssh configuration makes of it.
pub(super) async fn configuration(
    target: &Target,
    surroundings: &Surroundings,
) -> Layer<HostConfig> {
    const LAYER: &str = "configuration";
    let config = match configuration::of(target, surroundings).await {
        Ok(config) => config,
        Err(failure) => return Layer::stopped(Vec::new(), bad(LAYER, &failure)),
    };
    let HostConfig {
        user, host, port, ..
    } = &config;
    let way = match &config.proxy {
        Proxy::None => String::new(),
        Proxy::Jump(chain) => {
            let hops: Vec<_> = chain.iter().map(|hop| hop.host.as_str()).collect();
            format!(", through {}", hops.join(", "))
        }
        Proxy::Command(command) => format!(", through the command `{command}`"),
    };
    let text = format!("{user}@{host}, port {port}{way}");
    let ignored: Vec<_> = configuration::ignored(&config)
        .map(ToString::to_string)
        .collect();
    let mut finding = match ignored.as_slice() {
        [] => Finding::new(LAYER, Verdict::Good, text),
        some => Finding::new(
            LAYER,
            Verdict::Doubtful,
            format!("{text}; {}", some.join("; ")),
        ),
    };
    finding = finding
        .value("user", user)
        .value("host", host)
        .value("port", port);
    Layer::passed(vec![finding], config)
}

/// Looks the name up and connects, where that is what we would do ourselves.
pub(super) async fn reach(config: &HostConfig) -> Layer<()> {
    if !matches!(config.proxy, Proxy::None) {
        // Whoever stands in between does both; if they fail, so does the connection.
        return Layer::passed(Vec::new(), ());
    }
    let addresses = match crate::ssh::addresses(config).await {
        Ok(addresses) => addresses,
        Err(error) => return Layer::stopped(Vec::new(), super::connection::stopped(&error)),
    };
    let shown: Vec<_> = addresses.iter().map(|a| a.ip().to_string()).collect();
    let name = Finding::new("name", Verdict::Good, shown.join(", "));
    let mut answers = Vec::new();
    for address in addresses {
        answers.push((address, answer(address, config.connect_timeout).await));
    }
    let tcp = judge(config, &answers);
    match tcp.verdict {
        Verdict::Bad => Layer::stopped(vec![name], tcp),
        _ => Layer::passed(vec![name, tcp], ()),
    }
}

/// How long a connection took, or why there was none.
type Answer = Result<Duration, String>;

async fn answer(address: SocketAddr, patience: Duration) -> Answer {
    let started = Instant::now();
    match tokio::time::timeout(patience, TcpStream::connect(address)).await {
        Ok(Ok(_stream)) => Ok(started.elapsed()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", patience.as_secs())),
    }
}

fn judge(config: &HostConfig, answers: &[(SocketAddr, Answer)]) -> Finding {
    const LAYER: &str = "tcp";
    let words: Vec<_> = answers
        .iter()
        .map(|(address, answer)| match answer {
            Ok(took) => format!("{address} in {:.1} ms", took.as_secs_f64() * 1000.0),
            Err(error) => format!("{address}: {error}"),
        })
        .collect();
    let good = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    let verdict = match good {
        0 => Verdict::Bad,
        some if some == answers.len() => Verdict::Good,
        _ => Verdict::Doubtful,
    };
    let hint = match verdict {
        Verdict::Good => String::new(),
        Verdict::Doubtful => {
            "each new connection waits for the address that fails, 250 ms at least".into()
        }
        Verdict::Bad => format!(
            "is sshd running on {}, on port {}, and no firewall in between?",
            config.host, config.port
        ),
    };
    Finding::new(LAYER, verdict, words.join("; ")).hint(hint)
}
