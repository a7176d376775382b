//! `plumbline images`.

use super::telling;
use crate::args::{Colour, ImagesArgs, ImagesCommand};
use plumbline::select::Refused;
use plumbline::{exit, root, session};
use plumbline_testbed::images::{BuildState, BuildStatus};
use std::io::Write as _;

/// Builds, lists or verifies.
pub async fn run(args: &ImagesArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|e| Refused::one(e.to_string()))?;
    let (reporters, events) = telling::progress(colour);
    let images = session::images(&root, &events)?;
    match &args.command {
        ImagesCommand::Build { name, update_lock } => {
            let images = if *update_lock { images.updating_lock() } else { images };
            let built = images.build(name).await;
            reporters.finish()?;
            built?;
            if *update_lock && images.update_lock()? {
                writeln!(anstream::stderr(), "images/lock.yaml was rewritten")?;
            }
            Ok(exit::PASS)
        }
        ImagesCommand::List => {
            print(&images.list()?)?;
            Ok(exit::PASS)
        }
        ImagesCommand::Verify => {
            let parts = images.verify()?;
            print(&parts)?;
            Ok(if parts.iter().any(|part| part.state == BuildState::Refused) { exit::FAILED } else { exit::PASS })
        }
    }
}

fn print(parts: &[BuildStatus]) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    let width = parts.iter().map(|p| p.name.len()).max().unwrap_or(0);
    for part in parts {
        let state = match part.state {
            BuildState::Built => "built",
            BuildState::Missing => "missing",
            BuildState::Refused => "REFUSED",
        };
        writeln!(out, "{:width$}  {:6}  {state:7}  {}  {}", part.name, part.kind, part.key, part.version)?;
        for remark in &part.remarks {
            writeln!(out, "{:width$}  {remark}", "")?;
        }
    }
    Ok(())
}
