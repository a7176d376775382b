//! Checks the request, then runs the command.

use plumbline_plugin::{Code, Failure, unknown_command, variable};
use serde_json::Value;

use crate::pod::{self, Call};
use crate::request::{Config, PodArgs};
use crate::result::VERSIONS;

/// Serves a command.
///
/// # Errors
/// The protocol's error.
pub fn serve(command: &str, input: &[u8]) -> Result<Option<Value>, Failure> {
    let config = Config::read(input)?;
    if config.name.is_empty() {
        return Err(Failure::new(Code::Config, "missing network name"));
    }
    if !VERSIONS.contains(&config.version.as_str()) {
        let details = format!("config is {:?}, plugin supports {VERSIONS:?}", config.version);
        return Err(Failure::with_details(Code::Version, "incompatible CNI versions", details));
    }
    let netns = variable("CNI_NETNS");
    // As in Terway: without a namespace there is nothing to do.
    if netns.is_empty() {
        return Ok(None);
    }
    let call = Call {
        interface: variable("CNI_IFNAME"),
        container_id: variable("CNI_CONTAINERID"),
        pod: PodArgs::read(&variable("CNI_ARGS"))?,
        netns,
        config,
    };
    match command {
        "ADD" => pod::add(&call).map(Some),
        "CHECK" => pod::check(&call).map(|()| None),
        "DEL" => pod::delete(&call).map(Some),
        other => Err(unknown_command(other)),
    }
}
