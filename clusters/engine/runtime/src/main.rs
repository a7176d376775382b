//! `plumbline-runtime`: an OCI runtime for hosts whose capability bounding set is short.
//!
//! Docker 20.10 asks for every capability that it knows when a container is privileged, and runc then fails with
//! "unable to apply caps: operation not permitted" where the host itself lacks one (virtual machines and sandboxes
//! that withhold CAP_SYS_RESOURCE, for example). This program takes what the host lacks out of the request and hands
//! it on to runc, unchanged otherwise. It adds nothing and grants nothing.

mod capability;
mod request;
mod runc;
mod strip;

use anyhow::{Context as _, Result};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let Err(error) = run(&arguments);
    // The engine shows a runtime's standard error to its user.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("plumbline-runtime: {error:#}\n"));
    ExitCode::FAILURE
}

fn run(arguments: &[std::ffi::OsString]) -> Result<std::convert::Infallible> {
    let rest = arguments.get(1..).unwrap_or_default();
    let text: Vec<String> = rest.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    if let Some(file) = request::spec_file(&text) {
        let held = capability::bounding_set().context("failed to read this process's bounding set")?;
        strip::file(&file, held).with_context(|| format!("failed to adapt {}", file.display()))?;
    }
    runc::replace_with(rest)
}
