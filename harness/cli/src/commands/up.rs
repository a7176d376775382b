//! `plumbline up`: makes a lane ready and leaves it so.

use super::{consent, telling};
use crate::args::{Colour, UpArgs};
use crate::{failure, options};
use anyhow::Context as _;
use plumbline::capability::{self, Known};
use plumbline::registry;
use plumbline::select::Refused;
use plumbline::{exit, interrupt, root, session};
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// The file to which a set-up script of nextest writes `NAME=value` lines.
const NEXTEST_ENV: &str = "NEXTEST_ENV";
/// The profile of everything that runs, where nobody names another.
const PROFILE: &str = "PLUMBLINE_PROFILE";

/// Opens the lane, notes what it offers, and closes it again: builds stay in the cache, a cluster stays up.
pub async fn run(args: &UpArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    let mut options = options::from_parts(&args.parts)?;
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    if let Some(lane) = registry::find(&args.lane).filter(|_| !args.for_nextest) {
        options.may_install = consent::for_lane(&root, lane.as_ref(), options.may_install).await?;
    }
    let (reporters, events) = telling::progress(colour);
    let opened = match session::context(&root, options, events, cancel.clone(), "up") {
        Ok(cx) => capability::probe(&cx, &args.lane).await,
        Err(error) => Err(error),
    };
    reporters.finish()?;
    if cancel.is_cancelled() {
        return Ok(exit::INTERRUPTED);
    }
    let known = match opened {
        Ok(known) => known,
        // Tests of this lane are to be told, each by name; those that need no lane are to run.
        Err(error) if args.for_nextest => {
            writeln!(anstream::stderr(), "{}", failure::error_text(&error))?;
            Known::testbed_error(&error)
        }
        Err(error) => return Err(error.into()),
    };
    for name in capability::names(&args.lane, args.parts.profile.as_deref(), std::env::var(PROFILE).ok().as_deref()) {
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
