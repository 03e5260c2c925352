//! `outlast config`.

use serde::Serialize;

use super::Client;
use super::args::{ConfigVerb, Form, ShowArgs};
use super::error::Error;
use super::tty::DETACH_KEYS;
use crate::config::{Config, FILE, Origin, Setting};
use crate::mux::{DEFAULT_IDLE_EXIT, IDLE_EXIT};
use crate::output::{clean, json};
use crate::place::HOME;
use crate::ssh::Destination;

/// A setting, for programs.
#[derive(Serialize)]
struct Object {
    /// The host it holds for; none for what holds for all.
    computer_name: Option<String>,
    #[serde(flatten)]
    setting: Setting,
}

pub(super) fn config(client: &Client, verb: ConfigVerb) -> Result<u8, Error> {
    let ConfigVerb::Show(ShowArgs { hosts, origin }) = verb;
    let config = Config::load(client.place.config())?;
    let of = |computer_name: Option<String>, settings: Vec<Setting>| {
        settings.into_iter().map(move |setting| Object {
            computer_name: computer_name.clone(),
            setting,
        })
    };
    let objects: Vec<Object> = if hosts.is_empty() {
        let everywhere = general(client);
        of(None, [everywhere, config.settings()].concat()).collect()
    } else {
        let each = hosts.into_iter().map(|host| {
            let named = host.parse::<Destination>().map(|named| named.host);
            let settings = config.settings_of(named.as_deref().unwrap_or(&host));
            of(Some(host), settings)
        });
        each.flatten().collect()
    };
    let text = match client.form {
        Form::Json => json::document(&objects),
        Form::Table | Form::Ndjson => objects.iter().map(|it| line(it, origin)).collect(),
    };
    client.output.result(&text)?;
    Ok(0)
}

/// What no host makes a difference to.
fn general(client: &Client) -> Vec<Setting> {
    let home = std::env::var_os(HOME).is_some_and(|home| !home.is_empty());
    let place = match home {
        true => Origin::Variable(HOME),
        false => Origin::Default,
    };
    let file = client.place.config().join(FILE).display().to_string();
    let state = client.place.state_path().display().to_string();
    let idle = DEFAULT_IDLE_EXIT.as_secs().to_string();
    vec![
        Setting::new("config-file", file, place.clone()),
        Setting::new("state-directory", state, place),
        Setting::of_variable(DETACH_KEYS, "detach-keys", "ctrl-\\,d"),
        Setting::of_variable(IDLE_EXIT, "mux-idle-seconds", idle),
    ]
}

fn line(object: &Object, with_origin: bool) -> String {
    let Setting {
        name,
        value,
        origin,
    } = &object.setting;
    let host = object.computer_name.as_ref();
    let host = host.map_or(String::new(), |host| format!("{host}: "));
    let origin = match with_origin {
        true => format!("  ({origin})"),
        false => String::new(),
    };
    clean(&format!("{host}{name} = {value}{origin}")) + "\n"
}
