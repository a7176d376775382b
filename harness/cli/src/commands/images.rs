//! `plumbline images`.

use super::{find_root, reporters};
use crate::args::ImagesCommand;
use plumbline::{exit, session};
use plumbline_testbed::images::{BuildState, BuildStatus};
use std::io::Write as _;

/// Builds, lists or verifies.
pub async fn run(command: &ImagesCommand) -> anyhow::Result<u8> {
    let root = find_root()?;
    let (reporters, events) = reporters::progress();
    let images = session::images(&root, &events)?;
    match command {
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
