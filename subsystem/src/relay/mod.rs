//! The process sshd starts for each channel. It greets, reads one request, and either answers
//! it itself (list, remove, examine) or passes its descriptors to the session's host and only waits.
//! It keeps nothing, so killing it costs a link and no more.

mod broken;
mod client;
mod create;
mod hand_over;
mod host_socket;
mod list;
mod opening;
mod recovery;
mod remove;
mod service;

use std::time::Duration;

use outlast_protocol::link::refusal::RefusalCode;
use outlast_protocol::link::to_client::{Examined, ToClient};
use outlast_protocol::link::to_host::ToHost;
use outlast_rendezvous::failpoint;

use crate::audit::Settings;
use crate::refuse::{Explain, refused};
use crate::registry::Registry;
use client::{Client, ClientError};

/// How long a client that attaches waits for a shell somebody else has just started.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves the client on standard input and output. Returns the process's exit code.
pub fn run(audit: &Result<Settings, String>) -> u8 {
    match serve(audit) {
        Ok(()) => 0,
        // The client went away or never was one: there is nobody to tell but the server's log.
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "outlast-subsystem: {error}");
            1
        }
    }
}

fn serve(audit: &Result<Settings, String>) -> Result<(), ClientError> {
    let mut client = Client::greet()?;
    failpoint::reach("relay.greeted");
    let request = client.read_request()?;
    failpoint::reach("relay.asked");
    let audit = match audit {
        Ok(audit) => audit,
        Err(error) => {
            let refusal = refused(request.number(), RefusalCode::INTERNAL, error.as_str())
                .hint("correct the `Subsystem outlast` line in sshd_config on the remote end");
            return client.send(&ToClient::Refused(refusal));
        }
    };
    if let ToHost::Examine(_) = request {
        let findings = crate::examination::examine();
        return client.send(&ToClient::Examined(Examined { findings }));
    }
    let registry = match Registry::open() {
        Ok(registry) => registry,
        Err(error) => {
            let refusal = refused(request.number(), RefusalCode::STORAGE, error.to_string())
                .hint("set OUTLAST_SESSION_DIR on the remote end to a directory you own");
            return client.send(&ToClient::Refused(refusal));
        }
    };
    match request {
        ToHost::List(_) => list::answer(&mut client, &registry, audit),
        ToHost::Remove(request) => {
            for reply in remove::carry_out(&registry, request.instance, audit) {
                client.send(&reply)?;
            }
            Ok(())
        }
        ToHost::Create(request) => match create::carry_out(&registry, &request, audit) {
            Ok(entry) => hand_over::hand_over(client, &entry, audit),
            Err(refusal) => client.send(&ToClient::Refused(refusal)),
        },
        ToHost::Attach(request) => match registry.entry(request.instance) {
            Ok(entry) => {
                opening::wait(&entry, PATIENCE);
                hand_over::hand_over(client, &entry, audit)
            }
            Err(_) => client.send(&ToClient::Refused(unknown(&request.instance, 0x04))),
        },
        other => {
            let message = format!("{} cannot be the first request of a channel", other.name());
            client.send(&ToClient::Refused(refused(
                other.number(),
                RefusalCode::BAD_REQUEST,
                message,
            )))
        }
    }
}

fn unknown(
    instance: &outlast_protocol::id::InstanceId,
    request: u8,
) -> outlast_protocol::link::refusal::Refused {
    let host = outlast_rendezvous::machine::host_name();
    refused(
        request,
        RefusalCode::UNKNOWN_SESSION,
        format!("there is no session {instance} on {host}"),
    )
    .about(instance.0)
    .hint("`outlast get HOST` lists the sessions there are")
}
