//! What a target means to ssh, for whoever typed it.

use std::path::Path;

use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_mux::Surroundings;

use super::failure::Failure;
use crate::ssh::{
    ConfigError, Destination, DestinationError, Environment, HostConfig, IgnoredOption, Plan,
    SshOptions, resolve,
};

/// As we read the files. They are read, programs run and name servers asked for it: not on the
/// thread of the mux.
pub(super) async fn of(
    target: &Target,
    surroundings: &Surroundings,
) -> Result<HostConfig, Failure> {
    let (destination, options) = destination(target)?;
    let environment = environment(surroundings);
    let resolving = move || resolve(&destination, &options, &environment);
    match tokio::task::spawn_blocking(resolving).await {
        Ok(resolved) => resolved.map_err(|error| Failure::usage(error.to_string())),
        Err(_) => Err(Failure::internal("the ssh configuration was not read")),
    }
}

/// As the system's `ssh` reads them. Its control sockets are to be in `directory`.
pub(super) async fn plan(
    target: &Target,
    surroundings: &Surroundings,
    directory: &Path,
) -> Result<Plan, Failure> {
    let (destination, options) = destination(target)?;
    let environment = environment(surroundings);
    let plan = Plan::make(&destination, &options, &environment, directory).await;
    plan.map_err(|error| {
        let hint = match error {
            ConfigError::NoOpenSsh => "install OpenSSH's client, or use --transport native",
            _ => "",
        };
        Failure::usage(error.to_string()).hint(hint)
    })
}

/// Options of the configuration that have no effect here, as far as that is news: what a
/// distribution writes into the system's file is none.
pub(super) fn ignored(config: &HostConfig) -> impl Iterator<Item = &IgnoredOption> {
    let ignored = config.ignored.iter();
    ignored.filter(|option| !option.file.starts_with("/etc/"))
}

fn destination(target: &Target) -> Result<(Destination, SshOptions), Failure> {
    let destination: Destination = target
        .destination
        .parse()
        .map_err(|error: DestinationError| Failure::usage(error.to_string()))?;
    let options = SshOptions {
        port: target.port,
        login: target.login.clone(),
        identities: target.identity_files.iter().map(Into::into).collect(),
        config_file: target.config_file.as_ref().map(Into::into),
        options: target.options.clone(),
    };
    Ok((destination, options))
}

fn environment(surroundings: &Surroundings) -> Environment {
    let mut environment = match surroundings.environment.is_empty() {
        true => Environment::of_process(),
        false => Environment::of_caller(
            surroundings.environment.iter().cloned().collect(),
            match surroundings.directory.as_str() {
                "" => "/".into(),
                directory => directory.into(),
            },
        ),
    };
    // The agent is the caller's: the mux may have been started where there was another.
    match &surroundings.agent_socket {
        Some(socket) => environment
            .variables
            .insert("SSH_AUTH_SOCK".to_owned(), socket.clone()),
        None => environment.variables.remove("SSH_AUTH_SOCK"),
    };
    environment
}
