//! Runs probes over any number of agents: opens everything, sends everything, closes everything.
//!
//! Each of the three steps is one call to every agent with a part in it. The calls run side by side, and all end before
//! the next step begins: nothing is sent before all listen, and nothing is closed before all have sent. Opened agents are
//! closed in any case. Nothing is resolved here: the lane gives the agent of an endpoint, and how that agent names it
//! ([`ProbeEndpoints`]). A lane whose agents have no list of uplinks writes names into the script's taps first.

#[cfg(test)]
mod tests;

use futures::future::{BoxFuture, join_all};
use plumbline_core::plan::ProbeEndpoint;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::script::window::widen_windows;
use plumbline_core::wire::{
    Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeAction, ProbeResult, ProbeResults, Script,
    WireObservation,
};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

/// Stage of all errors here.
const STAGE: &str = "probe the wire";

/// Deadline of short operations of an agent, added to the windows of its probes. Long, because a host under load is no
/// error.
const MARGIN: Duration = Duration::from_secs(30);

/// The endpoints of probes, and how they are reached.
pub trait ProbeEndpoints: Sync {
    /// The agent that an endpoint is at, by a number of the lane's choice, and how that agent names it.
    ///
    /// # Errors
    /// [`TestbedError`] for an endpoint that this lane does not have.
    fn locate(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError>;

    /// Calls one agent. Calls to one agent run one after another; calls to several run side by side.
    ///
    /// # Errors
    /// [`TestbedError`], also for a fault that the agent reports.
    fn call(&self, agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>>;
}

/// Runs a script, and runs it again with wider windows if its controls were too slow. `named` gives the script
/// with the names of the lane's agents.
///
/// # Errors
/// As [`run_script`], and the errors of `named`.
pub async fn run_with_wider_windows(
    mut script: Script,
    endpoints: &dyn ProbeEndpoints,
    named: impl Fn(&Script) -> Result<Script, TestbedError>,
) -> Result<WireObservation, TestbedError> {
    loop {
        let results = run_script(&named(&script)?, endpoints).await?;
        match widen_windows(&script, &results) {
            Some(wide) => script = wide,
            None => return Ok(WireObservation { script, results }),
        }
    }
}

/// Runs a script. Gives what was seen, each list in the script's order.
///
/// # Errors
/// [`TestbedError`] when an endpoint does not exist, an agent fails, or its answer is incomplete: a probe,
/// capture or listener missing from an answer is an error, not an empty result.
pub async fn run_script(script: &Script, endpoints: &dyn ProbeEndpoints) -> Result<ProbeResults, TestbedError> {
    let parts = split(script, endpoints)?;
    let opened: Vec<(usize, &AgentPart)> =
        parts.iter().filter(|(_, part)| part.listens()).map(|(agent, part)| (*agent, part)).collect();
    let probed = match open(&opened, endpoints).await {
        Ok(()) => probe(&parts, endpoints).await,
        Err(error) => Err(error),
    };
    let closed = join_all(opened.iter().map(|(agent, part)| async move {
        let outcome = endpoints.call(*agent, Op::WireClose, MARGIN).await?;
        part.check_closed(outcome)
    }))
    .await;
    // The first error is returned. An error of closing is returned only if there is no other.
    let probes = probed?;
    let (mut captures, mut listeners) = (Vec::new(), Vec::new());
    for closed in closed {
        let (some, more) = closed?;
        captures.extend(some);
        listeners.extend(more);
    }
    collect_parts(script, probes, captures, listeners)
}

/// The part of each agent, by its number.
fn split(script: &Script, endpoints: &dyn ProbeEndpoints) -> Result<BTreeMap<usize, AgentPart>, TestbedError> {
    let mut parts: BTreeMap<usize, AgentPart> = BTreeMap::new();
    for (party, listener) in &script.listeners {
        let (agent, target) = endpoints.locate(party)?;
        parts.entry(agent).or_default().listeners.push((target, listener.clone()));
    }
    for (party, capture) in &script.captures {
        let (agent, target) = endpoints.locate(party)?;
        parts.entry(agent).or_default().captures.push((target, capture.clone()));
    }
    for (party, probe) in &script.probes {
        let (agent, target) = endpoints.locate(party)?;
        parts.entry(agent).or_default().probes.push((target, probe.clone()));
    }
    Ok(parts)
}

/// Opens listeners and captures at all agents side by side. Waits for all of them even if one fails: the others must have
/// answered before they can be closed.
async fn open(parts: &[(usize, &AgentPart)], endpoints: &dyn ProbeEndpoints) -> Result<(), TestbedError> {
    let opened = join_all(parts.iter().map(|(agent, part)| async move {
        match endpoints.call(*agent, part.open_call(), MARGIN).await? {
            Outcome::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }));
    opened.await.into_iter().collect()
}

/// Sends, from all agents side by side.
async fn probe(
    parts: &BTreeMap<usize, AgentPart>,
    endpoints: &dyn ProbeEndpoints,
) -> Result<Vec<ProbeResult>, TestbedError> {
    let sending = parts.iter().filter(|(_, part)| !part.probes.is_empty());
    let seen = join_all(sending.map(|(agent, part)| async move {
        match endpoints.call(*agent, Op::WireProbe(part.probes.clone()), part.windows() + MARGIN).await? {
            Outcome::Probes(seen) => part.check_probes(seen),
            other => Err(unexpected(&other)),
        }
    }));
    let seen: Vec<Vec<ProbeResult>> = seen.await.into_iter().collect::<Result<_, TestbedError>>()?;
    Ok(seen.into_iter().flatten().collect())
}

fn unexpected(outcome: &Outcome) -> TestbedError {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    TestbedError::new(STAGE, format!("the agent gave an answer of another kind: {text:.200}"))
}

/// One agent's part of a script.
#[derive(Debug, Clone, Default)]
struct AgentPart {
    pub listeners: Vec<(Target, Listener)>,
    pub captures: Vec<(Target, Capture)>,
    pub probes: Vec<(Target, Probe)>,
}

impl AgentPart {
    /// Whether it has listeners or captures.
    fn listens(&self) -> bool {
        !(self.listeners.is_empty() && self.captures.is_empty())
    }

    fn open_call(&self) -> Op {
        Op::WireOpen { listeners: self.listeners.clone(), captures: self.captures.clone() }
    }

    /// How long its probes may take: probes run side by side, the attempts of one after another.
    fn windows(&self) -> Duration {
        let longest = self.probes.iter().map(|(_, probe)| match &probe.what {
            ProbeAction::Request { times, .. } | ProbeAction::Lookup { times, .. } => {
                probe.window_ms.saturating_mul(u64::from((*times).max(1)))
            }
            ProbeAction::Control { .. } => probe.window_ms,
        });
        Duration::from_millis(longest.max().unwrap_or(0))
    }

    /// Checks its probe results: every probe must be there.
    fn check_probes(&self, seen: Vec<ProbeResult>) -> Result<Vec<ProbeResult>, TestbedError> {
        let expected = self.probes.iter().map(|(_, probe)| &probe.id);
        check_ids("probe", expected, seen.iter().map(|one| &one.id))?;
        Ok(seen)
    }

    /// Checks its captures and listeners: every one must be there.
    fn check_closed(&self, outcome: Outcome) -> Result<(Vec<CaptureResult>, Vec<ListenerResult>), TestbedError> {
        let Outcome::WireObservation { captures, listeners } = outcome else { return Err(unexpected(&outcome)) };
        check_ids("capture", self.captures.iter().map(|(_, one)| &one.id), captures.iter().map(|one| &one.id))?;
        check_ids("listener", self.listeners.iter().map(|(_, one)| &one.id), listeners.iter().map(|one| &one.id))?;
        Ok((captures, listeners))
    }
}

/// Checks that each expected id is there once, and no other id.
fn check_ids<'a>(
    what: &str,
    expected: impl Iterator<Item = &'a String>,
    found: impl Iterator<Item = &'a String>,
) -> Result<(), TestbedError> {
    let (mut expected, mut found): (Vec<_>, Vec<_>) = (expected.collect(), found.collect());
    expected.sort();
    found.sort();
    if expected == found {
        return Ok(());
    }
    Err(TestbedError::new(STAGE, format!("{what} ids in the agent's answer: expected {expected:?}, found {found:?}")))
}

/// The parts of all agents together, in the script's order.
///
/// # Errors
/// [`TestbedError`] when two items of the script have the same id, because their results could not be distinguished.
fn collect_parts(
    script: &Script,
    probes: Vec<ProbeResult>,
    captures: Vec<CaptureResult>,
    listeners: Vec<ListenerResult>,
) -> Result<ProbeResults, TestbedError> {
    Ok(ProbeResults {
        probes: sort_by_script("probe", script.probes.iter().map(|(_, one)| &one.id), probes, |one| &one.id)?,
        captures: sort_by_script("capture", script.captures.iter().map(|(_, one)| &one.id), captures, |one| &one.id)?,
        listeners: sort_by_script("listener", script.listeners.iter().map(|(_, one)| &one.id), listeners, |one| {
            &one.id
        })?,
    })
}

fn sort_by_script<'a, T>(
    what: &str,
    order: impl Iterator<Item = &'a String>,
    seen: Vec<T>,
    id: impl Fn(&T) -> &String,
) -> Result<Vec<T>, TestbedError> {
    let mut seen: BTreeMap<String, T> = seen.into_iter().map(|one| (id(&one).clone(), one)).collect();
    let missing = |id: &String| TestbedError::new(STAGE, format!("two of the script's {what}s have the id {id}"));
    order.map(|id| seen.remove(id).ok_or_else(|| missing(id))).collect()
}
