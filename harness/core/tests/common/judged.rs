//! Short ways to bend what was seen of the seed, and to read what the judge found.

use super::load;
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::observe::{KernelState, Link, Observation, PodObservation};
use plumbline_core::plan::Plan;

pub fn plan() -> Plan {
    load("openshift/chain-example.yaml").unwrap()
}

pub fn pod(observation: &mut Observation) -> &mut PodObservation {
    &mut observation.pods[0]
}

pub fn kernel(observation: &mut Observation) -> &mut KernelState {
    pod(observation).kernel.as_mut().unwrap()
}

pub fn eth<'a>(observation: &'a mut Observation, name: &str) -> &'a mut Link {
    kernel(observation).links.iter_mut().find(|link| link.name == name).unwrap()
}

/// Findings other than the two of the seed's own `vlan` keys, as `PL301 eth1`.
pub fn codes(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| finding.code != FindingCode::PL601)
        .map(|finding| format!("{} {}", finding.code, finding.interface.as_deref().unwrap_or("-")))
        .collect()
}
