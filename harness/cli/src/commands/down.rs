//! `plumbline down`: takes our clusters and virtual machines down, and the engine where we started it and are asked to.

use super::telling;
use crate::args::{Colour, DownArgs};
use plumbline::registry;
use plumbline::select::Refused;
use plumbline::{exit, root, session};
use plumbline_lanes::context::Options;
use plumbline_terway::chain::saved;
use plumbline_testbed::engine::setup::Setup;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Takes them down.
pub async fn run(args: &DownArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    let (reporters, events) = telling::progress(colour);
    let options = Options { profile: args.profile.clone(), ..Options::default() };
    let cx = session::context(&root, options, events, CancellationToken::new(), "down")?;
    let mut gone = Vec::new();
    let mut failed = None;
    for lane in registry::lanes() {
        match lane.take_down(&cx).await {
            Ok(names) => gone.extend(names),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    saved::forget_gone()?;
    reporters.finish()?;
    let mut out = anstream::stdout();
    gone.iter().try_for_each(|name| writeln!(out, "{name} is gone"))?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if gone.is_empty() {
        writeln!(out, "no cluster or virtual machine of plumbline was up")?;
    }
    if args.engine {
        match Setup::new(&root, |_| {})?.stop().await? {
            Some(pid) => writeln!(out, "the engine that plumbline started (process {pid}) has ended")?,
            None => writeln!(out, "plumbline has no engine of its own running")?,
        }
    }
    Ok(exit::PASS)
}
