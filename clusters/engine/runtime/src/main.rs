//! `plumbline-runtime`: an OCI runtime for hosts whose capability bounding set is incomplete.
//!
//! Docker 20.10 requests every capability that it knows for a privileged container. If the host lacks one of them, runc
//! fails with "unable to apply caps: operation not permitted". Some virtual machines and sandboxes lack
//! CAP_SYS_RESOURCE, for example. This program removes the missing capabilities from the request and executes runc.
//! It changes nothing else, and it grants nothing.

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
        strip::rewrite_file(&file, held).with_context(|| format!("failed to adapt {}", file.display()))?;
    }
    runc::replace_with(rest)
}
