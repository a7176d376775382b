//! `plumbline chain`: Terway's custom CNI chain: lint, show, plan, apply and restore.

use super::{print_value, reporters};
use crate::args::{ChainApplyArgs, ChainCommand, ChainRestoreArgs};
use plumbline::chain::{self, refuse};
use plumbline::select::Refused;
use plumbline::{exit, interrupt};
use plumbline_report::chain as text;
use plumbline_terway::chain::handle::ClusterTarget;
use plumbline_terway::chain::operations::{self, ApplyResult, ChangeRequest};
use tokio_util::sync::CancellationToken;

/// Runs the subcommand.
pub async fn run(command: &ChainCommand) -> anyhow::Result<u8> {
    match command {
        ChainCommand::Lint(args) => {
            let (target, usage) = (args.cluster.target(), args.usage.usage());
            let linted = chain::lint(args.file.as_deref(), target.as_ref(), &usage, args.strict).await?;
            let report = || text::lint(&linted.source, &linted.report, linted.failed, &linted.files);
            print_value(args.cluster.output, &linted, report)?;
            Ok(if linted.failed { exit::FAILED } else { exit::PASS })
        }
        ChainCommand::Show(args) => {
            let shown = chain::show(args.file.as_deref(), args.cluster.target().as_ref(), args.nodes).await?;
            print_value(args.cluster.output, &shown, || text::show(&shown))?;
            let failed = shown.refused.is_some() || shown.nodes.iter().any(|node| !node.differences.is_empty());
            Ok(if failed { exit::FAILED } else { exit::PASS })
        }
        ChainCommand::Plan(args) => {
            let (target, usage) = (args.cluster.target(), args.usage.usage());
            let planned = chain::plan(&args.file, args.from.as_deref(), target.as_ref(), args.nodes, &usage).await?;
            print_value(args.cluster.output, &planned, || text::plan(&planned))?;
            Ok(if planned.refused() { exit::FAILED } else { exit::PASS })
        }
        ChainCommand::Apply(args) => apply(args).await,
        ChainCommand::Restore(args) => restore(args).await,
    }
}

async fn apply(args: &ChainApplyArgs) -> anyhow::Result<u8> {
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let request = ChangeRequest {
        file: &args.file.display().to_string(),
        new: &chain::read(&args.file)?,
        target: &require_target(args.cluster.target())?,
        usage: &args.usage.usage(),
        confirmed: args.yes,
    };
    let (reporters, events) = reporters::progress();
    let result = operations::apply(&request, &events, &cancel, None).await;
    reporters.finish()?;
    match result.map_err(refuse)? {
        ApplyResult::Applied(applied) => {
            print_value(args.cluster.output, &applied, || text::applied(&applied))?;
            Ok(chain::exit_code(&applied))
        }
        ApplyResult::Refused(planned) => {
            print_value(args.cluster.output, &planned, || text::plan(&planned))?;
            Ok(exit::FAILED)
        }
        ApplyResult::Unchanged(planned) => {
            print_value(args.cluster.output, &planned, || text::plan(&planned))?;
            Ok(exit::PASS)
        }
    }
}

async fn restore(args: &ChainRestoreArgs) -> anyhow::Result<u8> {
    let target = require_target(args.cluster.target())?;
    let (reporters, events) = reporters::progress();
    let restored = operations::restore(&target, args.yes, &events).await;
    reporters.finish()?;
    let (cluster, back) = restored.map_err(refuse)?;
    print_value(args.cluster.output, &back, || text::put_back(&cluster, back.as_ref()))?;
    Ok(if back.is_some() { exit::PASS } else { exit::NOTHING })
}

fn require_target(target: Option<ClusterTarget>) -> Result<ClusterTarget, Refused> {
    const EXPECTED: &str = "expected a cluster: --context CONTEXT, or --profile NAME for a cluster that Plumbline made";
    target.ok_or_else(|| Refused::one(EXPECTED))
}
