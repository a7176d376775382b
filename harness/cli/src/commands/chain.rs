//! `plumbline chain`: Terway's custom CNI chain, held against ACK's document, shown, changed and put back.

use super::telling;
use crate::args::{
    ChainAccess, ChainApplyArgs, ChainArgs, ChainAt, ChainCommand, ChainLintArgs, ChainPlanArgs, ChainRestoreArgs,
    ChainShowArgs, ChainUse, Colour, MessageFormat, YesNo,
};
use plumbline::chain::{self, ClusterRef, Ended};
use plumbline::{exit, interrupt};
use plumbline_core::terway::{Access, Usage};
use plumbline_report::chain as text;
use serde::Serialize;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Does what was asked.
pub async fn run(args: &ChainArgs, colour: Colour) -> anyhow::Result<u8> {
    match &args.command {
        ChainCommand::Lint(args) => lint(args).await,
        ChainCommand::Show(args) => show(args).await,
        ChainCommand::Plan(args) => plan(args).await,
        ChainCommand::Apply(args) => apply(args, colour).await,
        ChainCommand::Restore(args) => restore(args, colour).await,
    }
}

async fn lint(args: &ChainLintArgs) -> anyhow::Result<u8> {
    let linted = chain::lint(args.file.as_deref(), at(&args.at), &usage(&args.usage), args.strict).await?;
    tell(args.output, &linted, || text::lint(&linted.source, &linted.report, linted.failed))?;
    Ok(if linted.failed { exit::FAILED } else { exit::PASS })
}

async fn show(args: &ChainShowArgs) -> anyhow::Result<u8> {
    let shown = chain::show(args.file.as_deref(), at(&args.at), args.nodes).await?;
    tell(args.output, &shown, || text::show(&shown))?;
    let bad = shown.refused.is_some() || shown.nodes.iter().any(|node| !node.differences.is_empty());
    Ok(if bad { exit::FAILED } else { exit::PASS })
}

async fn plan(args: &ChainPlanArgs) -> anyhow::Result<u8> {
    let planned = chain::plan(&args.file, args.from.as_deref(), at(&args.at), args.nodes, &usage(&args.usage)).await?;
    tell(args.output, &planned, || text::plan(&planned))?;
    Ok(if planned.refused() { exit::FAILED } else { exit::PASS })
}

async fn apply(args: &ChainApplyArgs, colour: Colour) -> anyhow::Result<u8> {
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let (reporters, events) = telling::progress(colour);
    let ended = chain::apply(&args.file, at(&args.at), &usage(&args.usage), args.yes, &events, &cancel, None).await;
    reporters.finish()?;
    match ended? {
        Ended::Refused(planned) => {
            tell(args.output, &planned, || text::plan(&planned))?;
            Ok(exit::FAILED)
        }
        Ended::Nothing(planned) => {
            tell(args.output, &planned, || text::plan(&planned))?;
            Ok(exit::PASS)
        }
        Ended::Applied(applied) => {
            tell(args.output, &applied, || text::applied(&applied))?;
            Ok(chain::exit_code(&applied))
        }
    }
}

async fn restore(args: &ChainRestoreArgs, colour: Colour) -> anyhow::Result<u8> {
    let (reporters, events) = telling::progress(colour);
    let back = chain::restore(at(&args.at), args.yes, &events).await;
    reporters.finish()?;
    let (cluster, back) = back?;
    tell(args.output, &back, || text::put_back(&cluster, back.as_ref()))?;
    Ok(if back.is_some() { exit::PASS } else { exit::NOTHING })
}

/// One object as JSON, or a text for people.
fn tell<T: Serialize>(output: MessageFormat, value: &T, human: impl FnOnce() -> String) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    match output {
        MessageFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(value)?)?,
        MessageFormat::Human => write!(out, "{}", human())?,
    }
    Ok(())
}

fn at(args: &ChainAt) -> Option<ClusterRef<'_>> {
    match (&args.context, &args.profile) {
        (Some(context), _) => Some(ClusterRef::Context(context)),
        (None, Some(profile)) => Some(ClusterRef::Profile(profile)),
        (None, None) => None,
    }
}

fn usage(args: &ChainUse) -> Usage {
    Usage {
        datapath_v2: args.datapath_v2.map(|said| said == YesNo::Yes),
        access: args.access.map(|access| match access {
            ChainAccess::Node => Access::Node,
            ChainAccess::Public => Access::Public,
            ChainAccess::Both => Access::Both,
            ChainAccess::None => Access::None,
        }),
        terway_version: args.terway_version,
        portmap_version: args.portmap_version,
    }
}
