//! What `plumbline chain` does with files and clusters: read, held against the document, compared, and changed.

mod begin;
mod file;

use crate::exit;
use crate::select::Refused;
use begin::{consent, obstacle};
use plumbline_core::event::Event;
use plumbline_core::terway::{self, Applied, Change, EniConfig, LintReport, Planned, PutBack, Shown, Usage};
use plumbline_lanes::context::EventSink;
use plumbline_terway::STAND_INS;
use plumbline_terway::chain::handle::{ClusterAccess, ClusterHandle};
use plumbline_terway::chain::state::{self, TerwayState};
use plumbline_terway::chain::{apply as operation, restore as back};
use plumbline_testbed::journal::Run;
use plumbline_testbed::lease::Kind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use tokio_util::sync::CancellationToken;

pub use file::read;

pub use plumbline_terway::chain::apply::AfterStep;

/// Which cluster, as the user named it.
#[derive(Debug, Clone, Copy)]
pub enum ClusterRef<'a> {
    /// A context of the user's own.
    Context(&'a str),
    /// The cluster of ours of a profile.
    Profile(&'a str),
}

/// What the lint came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Linted {
    /// Where the configuration was read.
    pub source: String,
    /// Whether it is not as it must be.
    pub failed: bool,
    /// The report.
    #[serde(flatten)]
    pub report: LintReport,
}

/// How `apply` ended.
pub enum Ended {
    /// The chain is not fit, or more would be changed: nothing was touched.
    Refused(Box<Planned>),
    /// It is in force already.
    Nothing(Box<Planned>),
    /// It was gone about.
    Applied(Box<Applied>),
}

const NODES: &str = "--nodes: a file has none; name a cluster by --context or --profile";
const WHERE: &str = "name a FILE, or a cluster by --context or --profile";

/// The configuration in a cluster now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// Every key, byte for byte.
    pub data: BTreeMap<String, String>,
    /// The DaemonSet's generation: another one after every restart that was asked for.
    pub generation: Option<i64>,
}

/// Reads the configuration in a cluster.
///
/// # Errors
/// What kept it from being read.
pub async fn now(at: ClusterRef<'_>) -> anyhow::Result<Now> {
    let reach = reach(at, Kind::Shared).await?;
    let (map, set) = (state::config_map(&reach).await?, state::daemon_set(&reach).await?);
    Ok(Now { data: map.data.unwrap_or_default(), generation: set.metadata.generation })
}

async fn reach(at: ClusterRef<'_>, hold: Kind) -> anyhow::Result<ClusterHandle> {
    Ok(match at {
        ClusterRef::Context(context) => ClusterHandle::by(ClusterAccess::of_context(context)?, hold).await?,
        ClusterRef::Profile(profile) => ClusterHandle::of_profile(profile, hold).await?,
    })
}

/// What was not said of the use, as far as the cluster tells it.
fn told(usage: &Usage, looked: &TerwayState) -> Usage {
    Usage {
        terway_version: usage.terway_version.or(looked.terway),
        portmap_version: usage.portmap_version.or_else(|| looked.seen.oldest("portmap")),
        ..*usage
    }
}

/// Holds a configuration against the document: a file's, a cluster's, or a file's chain as it would be in the cluster.
/// With `strict` warnings fail too.
///
/// # Errors
/// [`Refused`] when the file is no `eni-config`, or nothing is named; else what kept the cluster from being read.
pub async fn lint(
    file: Option<&Path>,
    at: Option<ClusterRef<'_>>,
    usage: &Usage,
    strict: bool,
) -> anyhow::Result<Linted> {
    let read = file.map(read).transpose()?;
    let (source, report) = match (read, at) {
        (Some(config), None) => (shown(file), terway::lint(&config, usage, None)),
        (None, None) => return Err(Refused::one(WHERE).into()),
        (read, Some(at)) => {
            let reach = reach(at, Kind::Shared).await?;
            let looked = state::look(&reach, false).await?;
            let usage = told(usage, &looked);
            match read {
                None => (reach.name.clone(), terway::lint(&looked.config, &usage, Some(&looked.seen))),
                Some(config) => {
                    let merged = terway::change(&looked.config, &config).merged;
                    (format!("{} in {}", shown(file), reach.name), terway::lint(&merged, &usage, Some(&looked.seen)))
                }
            }
        }
    };
    let failed = report.findings.iter().any(|finding| strict || finding.is_failure());
    Ok(Linted { source, failed, report })
}

fn shown(file: Option<&Path>) -> String {
    file.map(|file| file.display().to_string()).unwrap_or_default()
}

/// The chain of a file or a cluster, what terway-cli makes of it, and what the nodes have.
///
/// # Errors
/// As [`lint`].
pub async fn show(file: Option<&Path>, at: Option<ClusterRef<'_>>, nodes: bool) -> anyhow::Result<Shown> {
    match (file, at) {
        (Some(_), None) if nodes => Err(Refused::one(NODES).into()),
        (Some(file), None) => Ok(terway::show(&file.display().to_string(), &read(file)?, None)),
        (None, Some(at)) => {
            let reach = reach(at, Kind::Shared).await?;
            let mut looked = state::look(&reach, nodes || reach.engine.is_some()).await?;
            // Since when the chain is in force is known of one that was applied here.
            let kept = back::kept(&reach).await?;
            if let Some(since) = kept.first().and_then(|kept| kept.in_force_since()) {
                let names: Vec<String> = looked.pods.keys().cloned().collect();
                looked.seen.old_pods = state::old_pods(&reach, &names, Some(since)).await?;
            }
            let shown = terway::show(&reach.name, &looked.config, Some(&looked.seen));
            Ok(Shown { stand_ins: stand_ins(&reach), ..shown })
        }
        _ => Err(Refused::one(WHERE).into()),
    }
}

/// What a change to a file's chain would do: to another file's configuration, or to a cluster.
///
/// # Errors
/// As [`lint`].
pub async fn plan(
    file: &Path,
    from: Option<&Path>,
    at: Option<ClusterRef<'_>>,
    nodes: bool,
    usage: &Usage,
) -> anyhow::Result<Planned> {
    match (from, at) {
        (Some(_), _) if nodes => Err(Refused::one(NODES).into()),
        (Some(from), _) => Ok(plan_of_files(file, from, usage)?),
        (None, Some(at)) => {
            let new = read(file)?;
            let reach = reach(at, Kind::Shared).await?;
            let nodes = nodes || reach.engine.is_some();
            let looked = state::look(&reach, nodes).await?;
            let (change, mut planned) = planned(file, &new, &reach, &looked, usage).await?;
            if !planned.unfit() {
                // A node that can't be read is told as unknown: `apply` may be asked by somebody who can.
                planned.obstacle = match obstacle(&reach, &looked, &change, &planned, false).await {
                    Ok(()) => None,
                    Err(error) if error.is::<Refused>() => Some(error.to_string()),
                    Err(error) => return Err(error),
                };
            }
            Ok(planned)
        }
        (None, None) => {
            Err(Refused::one("name what it is to be compared with: --from FILE, --context or --profile").into())
        }
    }
}

fn plan_of_files(file: &Path, from: &Path, usage: &Usage) -> Result<Planned, Refused> {
    let (old, new) = match (read(from), read(file)) {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let problems = [old.err(), new.err()].into_iter().flatten().flat_map(|refused| refused.problems).collect();
            return Err(Refused { problems });
        }
    };
    let change = terway::change(&old, &new);
    let lint = terway::lint(&change.merged, usage, None);
    let names = (from.display().to_string(), file.display().to_string());
    Ok(terway::plan((&names.0, &names.1), &change, lint, None))
}

async fn planned(
    file: &Path,
    new: &EniConfig,
    reach: &ClusterHandle,
    looked: &TerwayState,
    usage: &Usage,
) -> anyhow::Result<(Change, Planned)> {
    let change = terway::change(&looked.config, new);
    let lint = terway::lint(&change.merged, &told(usage, looked), Some(&looked.seen));
    let mut seen = looked.seen.clone();
    let names: Vec<String> = looked.pods.keys().cloned().collect();
    seen.old_pods = state::old_pods(reach, &names, None).await?;
    let (from, to) = (reach.name.as_str(), file.display().to_string());
    let planned = terway::plan((from, &to), &change, lint, Some((&looked.config, &seen)));
    Ok((change, Planned { stand_ins: stand_ins(reach), ..planned }))
}

/// Parts of a cluster of ours that are not what users run.
fn stand_ins(reach: &ClusterHandle) -> Vec<String> {
    let ours = reach.engine.is_some();
    STAND_INS.iter().filter(|_| ours).map(|line| (*line).to_owned()).collect()
}

/// The exit code for how a change ended.
#[must_use]
pub fn exit_code(applied: &Applied) -> u8 {
    match (&applied.left, applied.interrupted, &applied.failed) {
        (Some(_), _, _) => exit::ERROR,
        (None, true, _) => exit::INTERRUPTED,
        (None, false, Some(_)) if applied.error => exit::ERROR,
        (None, false, Some(_)) => exit::FAILED,
        (None, false, None) => exit::PASS,
    }
}

/// Puts a file's chain into force in a cluster. A cluster that is not ours wants `yes`. `after_step` is for tests alone.
///
/// # Errors
/// [`Refused`] when the file is no `eni-config`, no cluster is named, the yes is missing, or an earlier change was not
/// brought to its end; else what kept the cluster from being read, or the old chain from being kept.
pub async fn apply(
    file: &Path,
    at: Option<ClusterRef<'_>>,
    usage: &Usage,
    yes: bool,
    events: &EventSink,
    cancel: &CancellationToken,
    after_step: Option<AfterStep<'_>>,
) -> anyhow::Result<Ended> {
    let new = read(file)?;
    let at = at.ok_or_else(|| {
        Refused::one("name the cluster: --context CONTEXT, or --profile NAME for a cluster of Plumbline")
    })?;
    let reach = reach(at, Kind::Exclusive).await?;
    let looked = state::look(&reach, true).await?;
    let (change, planned) = planned(file, &new, &reach, &looked, usage).await?;
    if planned.unfit() {
        return Ok(Ended::Refused(Box::new(planned)));
    }
    obstacle(&reach, &looked, &change, &planned, true).await?;
    if change.is_none() {
        return Ok(Ended::Nothing(Box::new(planned)));
    }
    consent(at, yes, "change the chain and restart Terway on every node")?;
    let run = Run::begin("chain")?;
    let mut applied = operation::apply(&reach, &looked, &change, &run, events, cancel, after_step).await?;
    // It is in force, and this is the matter with it; what could not be told of it is no pass of that.
    applied.rollout.findings.extend(planned.lint.findings);
    applied.rollout.untold.extend(planned.lint.untold);
    applied.stand_ins = planned.stand_ins;
    Ok(Ended::Applied(Box::new(applied)))
}

/// Puts the chain back that was kept last. Gives the cluster's name, and none where nothing was kept.
///
/// # Errors
/// As [`apply`]; and when the old chain can't be put back.
pub async fn restore(
    at: Option<ClusterRef<'_>>,
    yes: bool,
    events: &EventSink,
) -> anyhow::Result<(String, Option<PutBack>)> {
    let at = at.ok_or_else(|| {
        Refused::one("name the cluster: --context CONTEXT, or --profile NAME for a cluster of Plumbline")
    })?;
    consent(at, yes, "put the kept chain back and restart Terway on every node")?;
    let reach = reach(at, Kind::Exclusive).await?;
    let Some(kept) = back::kept(&reach).await?.into_iter().next() else { return Ok((reach.name.clone(), None)) };
    let (scope, step) = (reach.name.clone(), format!("put back what {} has kept", kept.run));
    events(Event::StepStarted { scope: scope.clone(), step: step.clone() });
    let begun = std::time::Instant::now();
    let done = back::put_back(&reach, &kept).await;
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = done.as_ref().err().map(|fault| fault.cause());
    events(Event::StepFinished { scope, step, millis, error, unchanged: false });
    Ok((reach.name.clone(), Some(done?)))
}
