//! `plumbline version`: of the command and of its protocols.

use crate::args::{MessageFormat, VersionArgs};
use plumbline::exit;
use plumbline_core::protocol::PROTOCOL_VERSION;
use std::io::Write as _;

/// The version of the scenario format understood.
const API_VERSION: &str = "plumbline.dev/v1alpha1";

/// Prints it.
pub fn run(args: &VersionArgs) -> anyhow::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = anstream::stdout();
    match args.output {
        MessageFormat::Human => {
            writeln!(out, "plumbline {version} (scenarios {API_VERSION}, agent protocol {PROTOCOL_VERSION})")?
        }
        MessageFormat::Json => {
            let value = serde_json::json!({
                "version": version,
                "scenarioApiVersion": API_VERSION,
                "agentProtocol": PROTOCOL_VERSION,
                "os": std::env::consts::OS,
                "arch": std::env::consts::ARCH,
            });
            writeln!(out, "{value}")?;
        }
    }
    Ok(exit::PASS)
}
