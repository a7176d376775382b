//! A run's context, for tests that work on a lane or a cluster themselves.

use plumbline::{root, session};
use plumbline_lanes::context::{Context, Options};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Whether tests may install what a lane lacks: where somebody said so, and in CI.
pub(crate) fn may_install() -> bool {
    std::env::var("PLUMBLINE_YES").is_ok() || std::env::var("CI").is_ok_and(|v| v == "true")
}

/// A run's context for a test that works on a cluster of a profile itself.
///
/// # Errors
/// When there is no project here, or no run can be begun.
pub fn of(profile: &str, what: &str) -> anyhow::Result<Context> {
    let options = Options { profile: Some(profile.to_owned()), may_install: may_install(), ..Options::default() };
    Ok(session::context(&root::find()?, options, Arc::new(|_| {}), CancellationToken::new(), what)?)
}
