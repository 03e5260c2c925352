//! `outlast get`.

use std::time::{SystemTime, UNIX_EPOCH};

use outlast_protocol::control::session::Session;
use outlast_protocol::control::to_mux::Select;

use super::Client;
use super::args::GetArgs;
use super::choose::{instance_fits, name_fits};
use super::error::Error;
use super::parallel::{each, throttle};
use super::request::{Reply, conclude_in, request};
use super::selection::enumerate;
use super::target::targets;
use crate::output::table;

/// Lists sessions.
pub(super) async fn get(client: &Client, args: GetArgs) -> Result<u8, Error> {
    let mut replies: Vec<Reply> = if args.hosts.is_empty() {
        let message = Select {
            selectors: Vec::new(),
        };
        let reply = request(client, "outlast", message).await;
        vec![("outlast".to_owned(), reply)]
    } else {
        let targets = targets(client, &args.hosts, &args.ssh)?;
        each(targets, throttle(args.throttle), |target| {
            let client = client.clone();
            async move {
                let computer = target.destination.clone();
                (computer, enumerate(&client, target).await)
            }
        })
        .await
    };
    for (_, reply) in &mut replies {
        if let Ok(sessions) = reply {
            sessions.retain(|session| wanted(&args, session));
        }
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = since_1970.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    let table = |sessions: &[Session]| match args.verbose {
        true => table::activities(sessions, now_ms),
        false => table::sessions(sessions),
    };
    conclude_in(client, replies, Some(table))
}

fn wanted(args: &GetArgs, session: &Session) -> bool {
    let state = session.state.to_string().to_ascii_lowercase();
    (args.name.is_empty() || args.name.iter().any(|name| name_fits(name, session)))
        && (args.id.is_empty() || args.id.contains(&session.id))
        && (args.instance_id.is_empty()
            || args
                .instance_id
                .iter()
                .any(|prefix| instance_fits(prefix, session)))
        && (args.state.is_empty() || args.state.contains(&state))
}
