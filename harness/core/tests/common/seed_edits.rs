//! Short functions that edit the observation of the seed and format the findings of the judge.

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

/// The text of the first finding of each code, for a golden file. Codes with a golden report of a whole scenario
/// (`suites/golden/reports/findings`) are left out.
pub fn texts(findings: &[Finding]) -> String {
    let reports = super::suites().join("golden/reports/findings");
    let mut texts = std::collections::BTreeMap::new();
    for finding in findings.iter().filter(|finding| !reports.join(format!("{}.snap", finding.code)).is_file()) {
        texts.entry(finding.code).or_insert_with(|| text(finding));
    }
    texts.into_values().collect()
}

fn text(finding: &Finding) -> String {
    let line = |head: &str, text: &String| format!("  {head}{text}\n");
    let head = format!("{} {}: {}\n", finding.severity.as_str(), finding.code, finding.message);
    let expected = finding.expected.iter().map(|text| line("expected ", text));
    let found = finding.found.iter().map(|text| line("found    ", text));
    let notes = finding.notes.iter().map(|text| line("", text));
    head + &expected.chain(found).chain(notes).collect::<String>()
}

/// Findings other than the two of the seed's own `vlan` keys, as `PL301 eth1`.
pub fn codes(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| finding.code != FindingCode::PL601)
        .map(|finding| format!("{} {}", finding.code, finding.interface.as_deref().unwrap_or("-")))
        .collect()
}
