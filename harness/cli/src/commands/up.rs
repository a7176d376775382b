//! `plumbline up`: makes a lane ready and leaves it ready.

use super::{consent, find_lane, find_root, reporters};
use crate::args::UpArgs;
use crate::options;
use anyhow::Context as _;
use plumbline::capability::{self, Known};
use plumbline::{entry, exit, interrupt, session};
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// The file to which a set-up script of nextest writes `NAME=value` lines.
const NEXTEST_ENV: &str = "NEXTEST_ENV";
/// The environment variable with the profile of commands that name none.
const PROFILE: &str = "PLUMBLINE_PROFILE";

/// Opens the lane, notes what it offers, and closes it again: builds stay in the cache, a cluster stays up.
pub async fn run(args: &UpArgs) -> anyhow::Result<u8> {
    let root = find_root()?;
    let mut options = options::read(&args.testbed)?;
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let lane = find_lane(&args.lane)?;
    if !args.for_nextest {
        options.may_install = consent::for_lane(&root, lane, options.may_install).await?;
    }
    let (reporters, events) = reporters::progress();
    let opened = match session::context(&root, options, events, cancel.clone(), "up") {
        Ok(cx) => capability::probe(&cx, lane).await,
        Err(error) => Err(error),
    };
    reporters.finish()?;
    if cancel.is_cancelled() {
        return Ok(exit::INTERRUPTED);
    }
    let known = match opened {
        Ok(known) => known,
        // Each test of this lane reports the error; tests without a lane still run.
        Err(error) if args.for_nextest => {
            writeln!(anstream::stderr(), "{}", entry::error_text(&error))?;
            Known::testbed_error(&error)
        }
        Err(error) => return Err(error.into()),
    };
    for name in capability::names(&args.lane, args.testbed.profile.as_deref(), std::env::var(PROFILE).ok().as_deref()) {
        capability::note(&name, &known)?;
        if args.for_nextest {
            let path = std::env::var_os(NEXTEST_ENV)
                .with_context(|| format!("{NEXTEST_ENV} is not set; --for-nextest is for set-up scripts"))?;
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
            writeln!(file, "{}={}", capability::variable(&name), serde_json::to_string(&known)?)?;
        }
    }
    let profile = known.profile.as_deref().map(|p| format!(", profile {p}")).unwrap_or_default();
    if known.error.is_none() {
        writeln!(anstream::stderr(), "lane {} is ready{profile}", args.lane)?;
    }
    Ok(exit::PASS)
}
