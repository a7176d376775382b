//! The request: environment and standard input checked, then handed to the command's own code.

use std::env;
use std::io::{Read, stdin};

use serde_json::{Value, json};

use crate::error::{Code, Failure};
use crate::pod::{self, Call};
use crate::request::{Config, PodArgs};
use crate::result::VERSIONS;

/// How a call ended.
pub enum Outcome {
    /// Success with nothing to say.
    Quiet,
    /// Success with an answer for standard output.
    Answer(Value),
    /// No command was given: say who this is.
    About,
    /// Failure.
    Refused(Failure),
}

/// Serves the request that environment and standard input hold.
pub fn run() -> Outcome {
    let command = variable("CNI_COMMAND");
    if command.is_empty() {
        return Outcome::About;
    }
    if command == "VERSION" {
        return Outcome::Answer(json!({ "cniVersion": VERSIONS[VERSIONS.len() - 1], "supportedVersions": VERSIONS }));
    }
    match serve(&command) {
        Ok(Some(answer)) => Outcome::Answer(answer),
        Ok(None) => Outcome::Quiet,
        Err(failure) => Outcome::Refused(failure),
    }
}

fn serve(command: &str) -> Result<Option<Value>, Failure> {
    required_variables(command)?;
    let mut text = Vec::new();
    stdin()
        .read_to_end(&mut text)
        .map_err(|error| Failure::new(Code::Io, format!("error reading from stdin: {error}")))?;
    let config = Config::read(&text)?;
    if config.name.is_empty() {
        return Err(Failure::new(Code::Config, "missing network name"));
    }
    if !VERSIONS.contains(&config.version.as_str()) {
        let details = format!("config is {:?}, plugin supports {VERSIONS:?}", config.version);
        return Err(Failure::with_details(Code::Version, "incompatible CNI versions", details));
    }
    let netns = variable("CNI_NETNS");
    // As Terway has it: without a namespace there is nothing to be done, and nothing is looked at.
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
        other => Err(Failure::new(Code::Environment, format!("unknown CNI_COMMAND: {other}"))),
    }
}

fn variable(name: &str) -> String {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn required_variables(command: &str) -> Result<(), Failure> {
    let required: &[&str] = match command {
        "ADD" | "CHECK" => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
        "DEL" => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
        _ => &[],
    };
    let missing = required.iter().copied().filter(|name| variable(name).is_empty()).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("required env variables [{}] missing", missing.join(","));
    Err(Failure::new(Code::Environment, message))
}
