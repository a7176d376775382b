//! An act on the wire, driven over any number of agents: open everything, send everything, close everything.
//!
//! Each of the three steps is one question to every agent that has a part in it, asked side by side, and ends before
//! the next begins: nothing is sent before all listen, and nothing is closed before all have sent. What was opened is
//! closed in any case. Nothing is resolved here: which agent a party is at, and how that agent calls it, the lane says
//! ([`Parties`]); a lane whose agents don't know the topology's uplinks writes names into the script's taps first.

mod parts;
#[cfg(test)]
mod tests;

use futures::future::{BoxFuture, join_all};
use parts::{Part, collected};
use plumbline_core::plan::ProbeEndpoint;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::script::window::widen_windows;
use plumbline_core::wire::{ProbeResult, ProbeResults, Script, WireObservation};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

/// Stage of all faults told here.
const STAGE: &str = "watch the wire";

/// For what an agent does in milliseconds, and beyond the windows of its probes. Long, since a host under load is no
/// reason to break.
const MARGIN: Duration = Duration::from_secs(30);

/// Who takes part, and how they are reached.
pub trait Parties: Sync {
    /// The agent that a party is at, by a number of the lane's choice, and how that agent calls it.
    ///
    /// # Errors
    /// [`TestbedError`] for a party that this lane does not have.
    fn place(&self, party: &ProbeEndpoint) -> Result<(usize, Target), TestbedError>;

    /// Asks one agent. The questions to one agent come one after another; those to several come side by side.
    ///
    /// # Errors
    /// [`TestbedError`], also for a fault that the agent tells.
    fn ask(&self, agent: usize, op: Op, deadline: Duration) -> BoxFuture<'_, Result<Outcome, TestbedError>>;
}

/// Does what a script says, and does it again with wider windows where its controls were too slow for them. `named` is
/// the script in the words of the lane's agents.
///
/// # Errors
/// As [`act`]; whatever `named` fails with.
pub async fn act_in_time(
    mut script: Script,
    parties: &dyn Parties,
    named: impl Fn(&Script) -> Result<Script, TestbedError>,
) -> Result<WireObservation, TestbedError> {
    loop {
        let results = act(&named(&script)?, parties).await?;
        match widen_windows(&script, &results) {
            Some(wide) => script = wide,
            None => return Ok(WireObservation { script, results }),
        }
    }
}

/// Does what a script says, and tells what was seen, each list in the script's order.
///
/// # Errors
/// [`TestbedError`] when a party is not there, an agent does not do its part, or what it tells is not what it was asked for:
/// a probe, capture or listener that is missing from an answer is never taken for one that saw nothing.
pub async fn act(script: &Script, parties: &dyn Parties) -> Result<ProbeResults, TestbedError> {
    let parts = split(script, parties)?;
    let opened: Vec<(usize, &Part)> =
        parts.iter().filter(|(_, part)| part.listens()).map(|(agent, part)| (*agent, part)).collect();
    let probed = match open(&opened, parties).await {
        Ok(()) => probe(&parts, parties).await,
        Err(error) => Err(error),
    };
    let closed = join_all(opened.iter().map(|(agent, part)| async move {
        let outcome = parties.ask(*agent, Op::WireClose, MARGIN).await?;
        part.closed(outcome)
    }))
    .await;
    // The first thing that went wrong is what is told; what closing has to say of it comes after.
    let probes = probed?;
    let (mut captures, mut listeners) = (Vec::new(), Vec::new());
    for closed in closed {
        let (some, more) = closed?;
        captures.extend(some);
        listeners.extend(more);
    }
    collected(script, probes, captures, listeners)
}

/// What each agent has to do, by its number.
fn split(script: &Script, parties: &dyn Parties) -> Result<BTreeMap<usize, Part>, TestbedError> {
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    for (party, listener) in &script.listeners {
        let (agent, target) = parties.place(party)?;
        parts.entry(agent).or_default().listeners.push((target, listener.clone()));
    }
    for (party, capture) in &script.captures {
        let (agent, target) = parties.place(party)?;
        parts.entry(agent).or_default().captures.push((target, capture.clone()));
    }
    for (party, probe) in &script.probes {
        let (agent, target) = parties.place(party)?;
        parts.entry(agent).or_default().probes.push((target, probe.clone()));
    }
    Ok(parts)
}

/// Opens what listens, at all agents side by side, and awaits them all even where one fails: the others have to be
/// done before they can be told to close.
async fn open(parts: &[(usize, &Part)], parties: &dyn Parties) -> Result<(), TestbedError> {
    let opened = join_all(parts.iter().map(|(agent, part)| async move {
        match parties.ask(*agent, part.opening(), MARGIN).await? {
            Outcome::Done => Ok(()),
            other => Err(odd(&other)),
        }
    }));
    opened.await.into_iter().collect()
}

/// Sends, from all agents side by side.
async fn probe(parts: &BTreeMap<usize, Part>, parties: &dyn Parties) -> Result<Vec<ProbeResult>, TestbedError> {
    let sending = parts.iter().filter(|(_, part)| !part.probes.is_empty());
    let seen = join_all(sending.map(|(agent, part)| async move {
        match parties.ask(*agent, Op::WireProbe(part.probes.clone()), part.windows() + MARGIN).await? {
            Outcome::Probes(seen) => part.probed(seen),
            other => Err(odd(&other)),
        }
    }));
    let seen: Vec<Vec<ProbeResult>> = seen.await.into_iter().collect::<Result<_, TestbedError>>()?;
    Ok(seen.into_iter().flatten().collect())
}

fn odd(outcome: &Outcome) -> TestbedError {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    TestbedError::new(STAGE, format!("the agent gave another answer than was asked for: {text:.200}"))
}
