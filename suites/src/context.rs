//! A run's context, for tests that work on a lane or a cluster themselves.

use anyhow::Context as _;
use plumbline::capability::{self, Known};
use plumbline::{root, session};
use plumbline_lanes::context::{Context, Options};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Whether tests may install software for a lane: if the user allows it, and in CI. Texts for "no" are those of the command
/// (clap's `FalseyValueParser`).
pub(crate) fn may_install() -> bool {
    match std::env::var("PLUMBLINE_YES") {
        Ok(value) => !["", "0", "f", "false", "n", "no", "off"].contains(&value.to_ascii_lowercase().as_str()),
        Err(_) => std::env::var("CI").is_ok_and(|v| v == "true"),
    }
}

/// A run's context for a test that works on a cluster of a profile itself.
///
/// # Errors
/// When the set-up script could not bring that cluster up, there is no project here, or no run can begin.
pub fn open(profile: &str, what: &str) -> anyhow::Result<Context> {
    for name in capability::names("kind", Some(profile), None) {
        read_probe(&name)?;
    }
    let options = Options { profile: Some(profile.to_owned()), may_install: may_install(), ..Options::default() };
    Ok(session::context(&root::find()?, options, Arc::new(|_| {}), CancellationToken::new(), what)?)
}

/// The result of the set-up script for a lane. None if no script ran.
///
/// # Errors
/// When the lane could not be opened. Tests do not try again, because each would wait as long.
pub(crate) fn read_probe(name: &str) -> anyhow::Result<Option<Known>> {
    let Ok(text) = std::env::var(capability::variable(name)) else { return Ok(None) };
    let known: Known = serde_json::from_str(&text).context("unreadable text from the set-up script")?;
    match known.error {
        Some(error) => anyhow::bail!("ERROR: lane {name} could not be opened: {error}"),
        None => Ok(Some(known)),
    }
}
