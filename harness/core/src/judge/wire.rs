//! The wire: `PL4xx`. Compares captured packets with the expectations.
//!
//! First the testbed is checked. A probe that could not be sent, a capture that dropped a frame, a listener that ended
//! early, or a missing result makes the verdict an error. Only then are packets compared.

mod egress;
mod frames;
mod ingress;
mod messages;
mod unreachable;

use super::judgement::JudgementBuilder;
use crate::observe::Observation;
use crate::plan::{Plan, Pod};
use crate::script::ids;
use crate::script::target::kernel_of_pod;
use crate::wire::{ProbeEnd, WireObservation};
use frames::DecodedProbes;

/// Judges all packets that a plan expects or forbids. A pod that did not become ready is skipped: that finding exists
/// already.
pub(super) fn judge(plan: &Plan, observation: &Observation, judgement: &mut JudgementBuilder) {
    let wanting: Vec<_> = plan
        .expect
        .iter()
        .filter(|wanted| wanted.wants_packets())
        .filter_map(|wanted| Some((wanted, plan.pods.iter().position(|pod| pod.name == wanted.pod)?)))
        .filter(|(wanted, _)| kernel_of_pod(observation, &wanted.pod).is_ok())
        .collect();
    if wanting.is_empty() {
        return;
    }
    let Some(wire) = &observation.wire else {
        judgement.add_unobserved("packets are expected, but none were captured".to_owned());
        return;
    };
    let faults = faults(wire);
    if !faults.is_empty() {
        faults.into_iter().for_each(|fault| judgement.add_unobserved(fault));
        return;
    }
    let probes = DecodedProbes::new(plan, observation, wire);
    probes.undecoded.iter().for_each(|note| judgement.add_note(note.clone()));
    for (wanted, place) in wanting {
        let pod: &Pod = &plan.pods[place];
        let node = plan.topology.node_of(pod.node, place);
        for (index, item) in wanted.reaches.iter().enumerate() {
            egress::judge(&probes, pod, node, &ids::reaches(&pod.name, index), item, judgement);
        }
        for (index, item) in wanted.cannot_reach.iter().enumerate() {
            unreachable::judge(&probes, pod, &ids::cannot_reach(&pod.name, index), item, judgement);
        }
        for (index, item) in wanted.reached_by.iter().enumerate() {
            ingress::judge(&probes, pod, node, &ids::reached_by(&pod.name, index), item, judgement);
        }
    }
}

/// Faults of the testbed, because of which the results prove nothing.
fn faults(wire: &WireObservation) -> Vec<String> {
    let (script, results) = (&wire.script, &wire.results);
    let probes = script.probes.iter().filter_map(|(endpoint, probe)| {
        let what = format!("probe {} of {endpoint}", probe.id);
        match results.probe(&probe.id).map(|seen| &seen.end) {
            None => Some(format!("{what}: no result")),
            Some(ProbeEnd::Unable { why }) => Some(format!("{what} could not be sent: {why}")),
            Some(_) => None,
        }
    });
    let captures = script.captures.iter().filter_map(|(endpoint, capture)| {
        let what = format!("capture {} at {endpoint}", capture.id);
        match results.capture(&capture.id).map(|seen| seen.dropped) {
            None => Some(format!("{what}: no result")),
            Some(0) => None,
            Some(dropped) => Some(format!("{what} dropped {dropped} frames")),
        }
    });
    let listeners = script.listeners.iter().filter_map(|(endpoint, listener)| {
        let what = format!("listener {} at {endpoint}", listener.id);
        match results.listener(&listener.id).map(|seen| seen.alive) {
            None => Some(format!("{what}: no result")),
            Some(true) => None,
            Some(false) => Some(format!("{what} did not last to the end")),
        }
    });
    probes.chain(captures).chain(listeners).collect()
}
