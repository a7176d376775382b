//! `plumbline down`: takes down clusters and virtual machines; with `--engine` also an engine that Plumbline started.

use super::{find_root, reporters};
use crate::args::DownArgs;
use plumbline::select::Refused;
use plumbline::{exit, registry, session};
use plumbline_lanes::context::Options;
use plumbline_terway::chain::saved;
use plumbline_testbed::engine::setup::Setup;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Takes them down.
pub async fn run(args: &DownArgs) -> anyhow::Result<u8> {
    let root = find_root()?;
    if let Some(name) = args.profile.as_deref().filter(|name| !registry::has_profile(&root, name)) {
        return Err(Refused::one(format!("--profile {name}: no such cluster profile, and no cluster has it")).into());
    }
    let (reporters, events) = reporters::progress();
    let options = Options { profile: args.profile.clone(), ..Options::default() };
    let cx = session::context(&root, options, events, CancellationToken::new(), "down")?;
    let mut gone = Vec::new();
    let mut failed = None;
    for lane in registry::LANES {
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
