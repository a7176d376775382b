//! The wire: `PL4xx`. What packets did, beside what was wanted of them.
//!
//! First the bed is asked: a probe that could not be made, a capture that dropped a frame, a listener that was not there
//! to the end, or anything of the script that nobody tells of, makes the whole act prove nothing, and that is an error.
//! Only then are packets read.

mod reach;
mod reached;
mod seen;
mod trail;
mod unreachable;
mod words;

use super::ledger::Ledger;
use crate::observe::Observation;
use crate::plan::{Plan, Pod};
use crate::wire::aim::kernel;
use crate::wire::{ProbeEnd, WireSeen, ids};
use seen::Act;

/// Judges all packets that a plan wants or forbids. Of a pod that did not come up nothing is said here: that finding is
/// written already.
pub(super) fn judge(plan: &Plan, observation: &Observation, ledger: &mut Ledger) {
    let wanting: Vec<_> = plan
        .expect
        .iter()
        .filter(|wanted| wanted.wants_packets())
        .filter_map(|wanted| Some((wanted, plan.pods.iter().position(|pod| pod.name == wanted.pod)?)))
        .filter(|(wanted, _)| kernel(observation, &wanted.pod).is_ok())
        .collect();
    if wanting.is_empty() {
        return;
    }
    let Some(wire) = &observation.wire else {
        ledger.unobserved("packets are wanted, and nobody looked at any".to_owned());
        return;
    };
    let faults = faults(wire);
    if !faults.is_empty() {
        faults.into_iter().for_each(|fault| ledger.unobserved(fault));
        return;
    }
    let act = Act::new(plan, observation, wire);
    act.undecoded().into_iter().for_each(|note| ledger.note(note));
    for (wanted, place) in wanting {
        let pod: &Pod = &plan.pods[place];
        let node = plan.topology.node_of(pod.node, place);
        for (index, item) in wanted.reaches.iter().enumerate() {
            reach::judge(&act, pod, node, &ids::reaches(&pod.name, index), item, ledger);
        }
        for (index, item) in wanted.cannot_reach.iter().enumerate() {
            unreachable::judge(&act, pod, &ids::cannot_reach(&pod.name, index), item, ledger);
        }
        for (index, item) in wanted.reached_by.iter().enumerate() {
            reached::judge(&act, pod, node, &ids::reached_by(&pod.name, index), item, ledger);
        }
    }
}

/// What makes an act prove nothing.
fn faults(wire: &WireSeen) -> Vec<String> {
    let (script, heard) = (&wire.script, &wire.heard);
    let mut faults = Vec::new();
    for (party, probe) in &script.probes {
        match heard.probe(&probe.id).map(|seen| &seen.end) {
            None => faults.push(format!("probe {} of {party}: nobody tells what became of it", probe.id)),
            Some(ProbeEnd::Unable { why }) => {
                faults.push(format!("probe {} of {party} could not be made: {why}", probe.id));
            }
            Some(_) => {}
        }
    }
    for (party, capture) in &script.captures {
        match heard.capture(&capture.id) {
            None => faults.push(format!("capture {} at {party}: nobody tells what it saw", capture.id)),
            Some(seen) if seen.dropped > 0 => {
                faults.push(format!("capture {} at {party} dropped {} frames", capture.id, seen.dropped));
            }
            Some(_) => {}
        }
    }
    for (party, listener) in &script.listeners {
        match heard.listener(&listener.id) {
            None => faults.push(format!("listener {} at {party}: nobody tells what it heard", listener.id)),
            Some(seen) if !seen.alive => {
                faults.push(format!("listener {} at {party} was not there to the end", listener.id));
            }
            Some(_) => {}
        }
    }
    faults
}
