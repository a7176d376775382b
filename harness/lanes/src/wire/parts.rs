//! One agent's part in an act, and what all parts come to together.

use super::{STAGE, odd};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::{
    Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeAction, ProbeResult, ProbeResults, Script,
};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one agent has to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub listeners: Vec<(Target, Listener)>,
    pub captures: Vec<(Target, Capture)>,
    pub probes: Vec<(Target, Probe)>,
}

impl Part {
    /// Whether it has anything to open.
    pub(super) fn listens(&self) -> bool {
        !(self.listeners.is_empty() && self.captures.is_empty())
    }

    pub(super) fn opening(&self) -> Op {
        Op::WireOpen { listeners: self.listeners.clone(), captures: self.captures.clone() }
    }

    /// How long its probes may take: they are sent side by side, the questions of one after another.
    pub(super) fn windows(&self) -> Duration {
        let longest = self.probes.iter().map(|(_, probe)| match &probe.what {
            ProbeAction::Request { times, .. } | ProbeAction::Lookup { times, .. } => {
                probe.window_ms.saturating_mul(u64::from((*times).max(1)))
            }
            ProbeAction::Control { .. } => probe.window_ms,
        });
        Duration::from_millis(longest.max().unwrap_or(0))
    }

    /// What it sent, when it is all that it was to send.
    pub(super) fn probed(&self, seen: Vec<ProbeResult>) -> Result<Vec<ProbeResult>, TestbedError> {
        let asked = self.probes.iter().map(|(_, probe)| &probe.id);
        same("probe", asked, seen.iter().map(|one| &one.id))?;
        Ok(seen)
    }

    /// What it captured and heard, when it is all that it was to open.
    pub(super) fn closed(&self, outcome: Outcome) -> Result<(Vec<CaptureResult>, Vec<ListenerResult>), TestbedError> {
        let Outcome::WireObservation { captures, listeners } = outcome else { return Err(odd(&outcome)) };
        same("capture", self.captures.iter().map(|(_, one)| &one.id), captures.iter().map(|one| &one.id))?;
        same("listener", self.listeners.iter().map(|(_, one)| &one.id), listeners.iter().map(|one| &one.id))?;
        Ok((captures, listeners))
    }
}

/// Wants each id asked for once, and no other.
fn same<'a>(
    what: &str,
    asked: impl Iterator<Item = &'a String>,
    told: impl Iterator<Item = &'a String>,
) -> Result<(), TestbedError> {
    let (mut asked, mut told): (Vec<_>, Vec<_>) = (asked.collect(), told.collect());
    asked.sort();
    told.sort();
    if asked == told {
        return Ok(());
    }
    Err(TestbedError::new(STAGE, format!("the agent was asked for each {what} of {asked:?} and told of {told:?}")))
}

/// All together, in the script's order.
///
/// # Errors
/// [`TestbedError`] when two items of the script have the same id: what was seen of one would be taken for the other's.
pub(super) fn collected(
    script: &Script,
    probes: Vec<ProbeResult>,
    captures: Vec<CaptureResult>,
    listeners: Vec<ListenerResult>,
) -> Result<ProbeResults, TestbedError> {
    Ok(ProbeResults {
        probes: ordered("probe", script.probes.iter().map(|(_, one)| &one.id), probes, |one| &one.id)?,
        captures: ordered("capture", script.captures.iter().map(|(_, one)| &one.id), captures, |one| &one.id)?,
        listeners: ordered("listener", script.listeners.iter().map(|(_, one)| &one.id), listeners, |one| &one.id)?,
    })
}

fn ordered<'a, T>(
    what: &str,
    order: impl Iterator<Item = &'a String>,
    seen: Vec<T>,
    id: impl Fn(&T) -> &String,
) -> Result<Vec<T>, TestbedError> {
    let mut seen: BTreeMap<String, T> = seen.into_iter().map(|one| (id(&one).clone(), one)).collect();
    let missing = |id: &String| TestbedError::new(STAGE, format!("two of the script's {what}s have the id {id}"));
    order.map(|id| seen.remove(id).ok_or_else(|| missing(id))).collect()
}
