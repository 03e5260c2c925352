//! Finding the sessions that the user named.

use outlast_protocol::control::session::Session;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::{Enumerate, Select};

use super::Client;
use super::args::SshArgs;
use super::choose::choose;
use super::error::Error;
use super::request::request;
use super::target::{surroundings, target};

/// The sessions `selectors` mean: of this client, or of `computer`.
pub(super) async fn select(
    client: &Client,
    selectors: &[String],
    computer: Option<&str>,
    ssh: &SshArgs,
) -> Result<Vec<Session>, Error> {
    if let Some(computer) = computer {
        let sessions = enumerate(client, target(client, computer, ssh)?).await?;
        return choose(selectors, sessions, |selector| Error::UnknownSessionThere {
            selector: selector.to_owned(),
            computer: computer.to_owned(),
        });
    }
    let message = Select {
        selectors: selectors.to_vec(),
    };
    let sessions = request(client, "outlast", message).await?;
    choose(selectors, sessions, |selector| Error::UnknownSession {
        selector: selector.to_owned(),
    })
}

/// All sessions of the user on a computer.
pub(super) async fn enumerate(client: &Client, target: Target) -> Result<Vec<Session>, Error> {
    let computer = target.destination.clone();
    let surroundings = surroundings();
    request(
        client,
        &computer,
        Enumerate {
            target,
            surroundings,
        },
    )
    .await
}
