//! `plumbline down`: takes our clusters and virtual machines down, and the engine where we started it and are asked to.

use super::telling;
use crate::args::{Colour, DownArgs};
use plumbline::select::Refused;
use plumbline::{exit, root, session};
use plumbline_lanes::chain::kept;
use plumbline_lanes::context::Options;
use plumbline_lanes::{cluster, vm};
use plumbline_testbed::engine::setup::Setup;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Takes them down.
pub async fn run(args: &DownArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    let (reporters, events) = telling::progress(colour);
    let options = Options { profile: args.profile.clone(), ..Options::default() };
    let cx = session::context(&root, options, events, CancellationToken::new(), "down")?;
    let gone = cluster::down(&cx).await;
    reporters.finish()?;
    let mut out = anstream::stdout();
    match gone {
        Ok(gone) if gone.is_empty() => writeln!(out, "no cluster of ours was up")?,
        Ok(gone) => gone.iter().try_for_each(|name| writeln!(out, "cluster {name} is gone"))?,
        Err(error) => return Err(error.into()),
    }
    kept::forget_gone()?;
    for machine in vm::down().await? {
        writeln!(out, "{machine} is gone")?;
    }
    if args.engine {
        match Setup::new(&root, |_| {})?.stop().await? {
            Some(pid) => writeln!(out, "the engine that plumbline started (process {pid}) has ended")?,
            None => writeln!(out, "plumbline has no engine of its own running")?,
        }
    }
    Ok(exit::PASS)
}
