//! `outlast version`.

use outlast_protocol::hello::{CONTROL_PROTOCOL, LINK_PROTOCOL};

use super::args::Form;
use super::error::Error;
use crate::output::{Output, json};

/// Prints the version of this program and of the protocols it speaks.
pub(super) fn version(form: Form, output: Output) -> Result<u8, Error> {
    let version = env!("CARGO_PKG_VERSION");
    let text = match form {
        Form::Table | Form::Ndjson => format!(
            "outlast {version}\ncontrol protocol {CONTROL_PROTOCOL}\nlink protocol {LINK_PROTOCOL}\n"
        ),
        Form::Json => json::document(&[serde_json::json!({
            "version": version,
            "control_protocol": CONTROL_PROTOCOL,
            "link_protocol": LINK_PROTOCOL,
        })]),
    };
    output.result(&text)?;
    Ok(0)
}
