//! The pod's kernel beside links, addresses and routes: sysctls (`PL340`) and IPv6 link-local addresses (`PL341`).

use super::judgement::JudgementBuilder;
use super::pod_case::PodCase;
use crate::finding::{Finding, FindingCode};
use crate::observe::is_v6_link_local;
use crate::plan::PodExpectation;

/// Judges both.
pub(super) fn judge(case: &PodCase<'_>, expectation: &PodExpectation, judgement: &mut JudgementBuilder) {
    for (name, wanted) in &expectation.sysctls {
        judgement.count_fact();
        let found = case.observed.sysctls.get(name);
        if found.is_some_and(|found| *found == wanted.value) {
            continue;
        }
        let entry = Finding::new(FindingCode::PL340, format!("{name} has a wrong value"))
            .pod(&case.pod.name)
            .source(&wanted.source);
        let found = found.map_or_else(|| "there is no such sysctl".to_owned(), Clone::clone);
        judgement.add_finding(entry.expected(wanted.value.clone()).found(Some(found)));
    }
    let Some(wanted) = &expectation.link_local else {
        return;
    };
    judgement.count_fact();
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for link in &case.kernel.links {
        for address in link.addresses.iter().filter(|address| is_v6_link_local(address.address.addr())) {
            found.push(format!("one on {}", link.name));
            notes.push(format!("{} on {}", address.address, link.name));
        }
    }
    if found.is_empty() != wanted.value {
        return;
    }
    let (message, expected) = match wanted.value {
        true => ("no IPv6 link-local address", "one on some interface"),
        false => ("IPv6 link-local address present", "none on any interface"),
    };
    let entry = Finding::new(FindingCode::PL341, message).pod(&case.pod.name).source(&wanted.source).expected(expected);
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    judgement.add_finding(entry.found(Some(found)).notes(notes));
}
