//! One cause gives one finding: which differences of a call follow from another one, and which earlier finding is about the
//! same.

use crate::finding::{Finding, FindingCode};
use crate::predict::{Difference, ResultDifference, ResultFact};
use crate::state::format::name_of_link;
use crate::state::{FactKind, Subject};

/// A link, by namespace and name.
type LinkId<'a> = (Subject, &'a str);

/// Groups the differences of a call by cause. The first of each group explains the others.
pub(super) fn group(differences: &[Difference]) -> Vec<Vec<&Difference>> {
    let families = link_families(differences);
    let mut groups: Vec<Vec<&Difference>> = Vec::new();
    for difference in sorted(differences) {
        let explains = |group: &&mut Vec<&Difference>| {
            group.first().is_some_and(|first| has_same_cause(first, difference, &families))
        };
        match groups.iter_mut().find(explains) {
            Some(group) => group.push(difference),
            None => groups.push(vec![difference]),
        }
    }
    groups
}

/// Whether a difference is about a whole link that came or went.
pub(super) fn is_of_whole_link(difference: &Difference) -> bool {
    difference.key.kind == FactKind::Link && difference.key.item == "kind"
}

/// Links that belong together: both ends of a veth; one that was expected, and one of the same kind in its place.
fn link_families(differences: &[Difference]) -> Vec<Vec<LinkId<'_>>> {
    let whole = || differences.iter().filter(|one| is_of_whole_link(one));
    let has_differences = |id: &LinkId<'_>| whole().any(|one| (one.subject, one.key.link.as_str()) == *id);
    let mut families: Vec<Vec<LinkId<'_>>> = Vec::new();
    for one in differences.iter().filter(|one| one.key.kind == FactKind::Link && one.key.item == "parent") {
        let Some(parent) = one.found.as_deref().or(one.before.as_deref()) else { continue };
        let other = [Subject::Pod, Subject::Node]
            .into_iter()
            .find_map(|subject| Some((subject, name_of_link(parent, subject)?)))
            .unwrap_or((one.subject, parent));
        let own = (one.subject, one.key.link.as_str());
        if has_differences(&own) && has_differences(&other) {
            families.push(vec![own, other]);
        }
    }
    for missing in whole().filter(|one| one.predicted.is_some() && one.found.is_none()) {
        let stands_for = |other: &&Difference| {
            other.predicted.is_none() && other.before.is_none() && other.found == missing.expected_text()
        };
        let places: Vec<&Difference> = whole().filter(stands_for).collect();
        if let [place] = places[..] {
            families.push(vec![(missing.subject, missing.key.link.as_str()), (place.subject, place.key.link.as_str())]);
        }
    }
    families
}

/// The facts that explain others come first: links, then addresses, then the rest.
fn sorted(differences: &[Difference]) -> Vec<&Difference> {
    let rank = |difference: &&Difference| match difference.key.kind {
        _ if is_of_whole_link(difference) => 0,
        FactKind::Link if matches!(difference.key.item.as_str(), "master" | "up") => 1,
        _ if switches_v6(difference) => 1,
        FactKind::Link => 2,
        FactKind::Address => 3,
        FactKind::Rule | FactKind::Neighbour | FactKind::Firewall => 4,
        FactKind::Route if is_of_kernel(difference) => 6,
        FactKind::Route => 5,
        _ => 7,
    };
    let mut sorted: Vec<&Difference> = differences.iter().collect();
    sorted.sort_by_key(rank);
    sorted
}

/// Whether it is the switch of IPv6 of a link.
fn switches_v6(difference: &Difference) -> bool {
    difference.key.kind == FactKind::Sysctl && difference.key.item.ends_with("/disable_ipv6")
}

fn is_v6(difference: &Difference) -> bool {
    match difference.key.kind {
        FactKind::Address | FactKind::Route => difference.key.item.contains(':'),
        FactKind::Sysctl => difference.key.item.starts_with("net/ipv6/"),
        _ => false,
    }
}

fn is_of_kernel(difference: &Difference) -> bool {
    let values = [difference.found.as_deref(), difference.before.as_deref()];
    let expected = difference.expected_text();
    values.into_iter().flatten().chain(expected.as_deref()).any(|value| value.contains("proto kernel"))
}

/// Whether a difference follows from what made another one: one key of the configuration; all facts of a link that came or
/// went; routes that need an address; the two files of a setting.
fn has_same_cause(first: &Difference, other: &Difference, families: &[Vec<LinkId<'_>>]) -> bool {
    let key = first.key_path();
    if !key.is_empty() && key == other.key_path() && first.key.kind == other.key.kind {
        return true;
    }
    let same_link = first.subject == other.subject && first.key.link == other.key.link && !first.key.link.is_empty();
    match first.key.kind {
        FactKind::Link if first.key.item == "kind" => same_link || are_related(first, other, families),
        FactKind::Link if first.key.item == "up" => {
            same_link && matches!(other.key.kind, FactKind::Route | FactKind::Qdisc)
        }
        // A port has attributes, and is counted.
        FactKind::Link if first.key.item == "master" => same_link && other.key.kind == FactKind::Link,
        FactKind::Link if first.key.item == "mtu" => same_link && other.key.item.ends_with("/mtu"),
        FactKind::Address => {
            let needs_it = is_of_kernel(other) || other.found.is_none() && is_v6(first) == is_v6(other);
            same_link && other.key.kind == FactKind::Route && needs_it
        }
        FactKind::Sysctl if switches_v6(first) && same_link && is_v6(other) => true,
        FactKind::Sysctl => {
            other.key.kind == FactKind::Sysctl && first.subject == other.subject && same_sysctl(first, other)
        }
        FactKind::Firewall => other.key.kind == FactKind::Firewall && first.subject == other.subject,
        _ => false,
    }
}

fn are_related(first: &Difference, other: &Difference, families: &[Vec<LinkId<'_>>]) -> bool {
    let has = |family: &&Vec<LinkId<'_>>, one: &Difference| family.contains(&(one.subject, one.key.link.as_str()));
    families.iter().any(|family| has(&family, first) && has(&family, other))
}

/// Whether two sysctls have one name: forwarding of all devices follows from one switch.
fn same_sysctl(first: &Difference, other: &Difference) -> bool {
    let name = |difference: &Difference| difference.key.item.rsplit('/').next().unwrap_or_default().to_owned();
    let is_forwarding = |name: &str| matches!(name, "forwarding" | "ip_forward" | "accept_redirects");
    name(first) == name(other) || (is_forwarding(&name(first)) && is_forwarding(&name(other)))
}

fn mentions(finding: &Finding, topic: &str) -> bool {
    let texts = [Some(finding.message.as_str()), finding.expected.as_deref(), finding.found.as_deref()];
    !topic.is_empty() && texts.iter().flatten().any(|text| text.contains(topic))
}

/// Whether a finding of another module is about a difference of the state.
pub(super) fn is_about(finding: &Finding, difference: &Difference) -> bool {
    let item = difference.key.item.as_str();
    let first = item.split(' ').next().unwrap_or_default();
    let is_leak = finding.code.as_str().starts_with("PL5");
    match difference.key.kind {
        FactKind::Route => mentions(finding, first),
        FactKind::Address => mentions(finding, first) || mentions(finding, first.split('/').next().unwrap_or_default()),
        FactKind::File => is_leak && mentions(finding, item.rsplit('/').next().unwrap_or_default()),
        FactKind::Firewall => is_leak && mentions(finding, item.split(" of ").next().unwrap_or_default()),
        FactKind::Link if finding.code == FindingCode::PL102 => {
            is_of_whole_link(difference)
                && difference.found.is_none()
                && finding.interface.as_ref() == Some(&difference.key.link)
        }
        FactKind::Link => is_leak && difference.subject == Subject::Node && mentions(finding, "link "),
        _ => false,
    }
}

/// Whether an earlier finding follows from a difference: what is reported is not in the kernel, because the interface is down
/// or IPv6 is off. One with an expectation of its own stays.
pub(super) fn is_consequence(finding: &Finding, pod: &str, first: &Difference) -> bool {
    let is_of_link = finding.source.is_none()
        && finding.pod.as_deref() == Some(pod)
        && finding.interface.as_ref() == Some(&first.key.link)
        && first.subject == Subject::Pod;
    let is_of_v6 = finding.expected.as_ref().is_some_and(|expected| expected.contains(':'));
    let is_down = first.key.kind == FactKind::Link && first.key.item == "up";
    match finding.code {
        FindingCode::PL202 if is_down => is_of_link,
        FindingCode::PL201 | FindingCode::PL202 => is_of_link && is_of_v6 && switches_v6(first),
        _ => false,
    }
}

/// Whether a difference of the state has the cause of one of the result: the plugin did something else, and reports it.
pub(super) fn explains_result(state: &Difference, result: &ResultDifference) -> bool {
    if state.subject != Subject::Pod {
        return false;
    }
    match &result.fact {
        ResultFact::Interface(name) => state.key.kind == FactKind::Link && state.key.link == *name,
        ResultFact::Address(address) => {
            state.key.kind == FactKind::Address && address.addr().is_ipv6() == state.key.item.contains(':')
        }
        ResultFact::Route(to) => {
            state.key.kind == FactKind::Route && state.key.item.split(' ').next() == Some(&to.to_string())
        }
        ResultFact::Whole | ResultFact::Version | ResultFact::Dns | ResultFact::Entry => false,
    }
}

/// Whether a finding about what is reported (`PL20x`) is about a difference of the result.
pub(super) fn is_about_result(finding: &Finding, difference: &ResultDifference) -> bool {
    match &difference.fact {
        ResultFact::Interface(name) => match finding.code {
            FindingCode::PL206 => finding.interface.as_deref() == Some(name),
            FindingCode::PL203 => mentions(finding, name),
            _ => false,
        },
        ResultFact::Address(address) => {
            finding.code == FindingCode::PL201 && mentions(finding, &address.addr().to_string())
        }
        ResultFact::Route(to) => {
            let is_default = to.prefix_len() == 0 && mentions(finding, "default");
            finding.code == FindingCode::PL202 && (is_default || mentions(finding, &to.to_string()))
        }
        ResultFact::Whole | ResultFact::Version | ResultFact::Dns | ResultFact::Entry => false,
    }
}
