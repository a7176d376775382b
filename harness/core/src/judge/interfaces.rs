//! Requested against kernel, the link itself: `PL31x`.

use super::judgement::JudgementBuilder;
use super::pod_case::PodCase;
use super::{addresses, messages, reported, routes};
use crate::finding::FindingCode;
use crate::observe::Link;
use crate::plan::InterfaceExpectation;
use ipnet::IpNet;

/// Judges everything that is wanted of one interface.
pub(super) fn judge(case: &PodCase<'_>, wanted: &InterfaceExpectation, judgement: &mut JudgementBuilder) {
    let link = case.link(&wanted.name);
    judgement.count_fact();
    match (link, wanted.absent) {
        (None, true) => {}
        (Some(link), true) => {
            let message = format!("interface {} is forbidden but present", wanted.name);
            judgement.add_finding(case.finding(FindingCode::PL311, message, wanted).found(one_line(link)));
        }
        (None, false) => {
            let found = format!("the pod has {}", reported::links(case));
            let message = format!("interface {} is missing", wanted.name);
            let entry = case.finding(FindingCode::PL310, message, wanted).expected(wanted.name.clone());
            judgement.add_finding(entry.found(found).notes(elsewhere(case, wanted)));
        }
        (Some(link), false) => {
            properties(case, wanted, link, judgement);
            addresses::judge(case, wanted, link, judgement);
            routes::judge(case, wanted, judgement);
        }
    }
}

/// `eth1: macvlan, UP (UP), 192.168.100.10/24`.
fn one_line(link: &Link) -> String {
    let kind = link.kind.as_deref().unwrap_or("no kind");
    let addresses: Vec<String> = link.addresses.iter().map(|address| address.address.to_string()).collect();
    format!("{}: {kind}, {}, {}", link.name, messages::format_state(link), addresses.join(", "))
}

/// Where the addresses of a missing interface are instead.
fn elsewhere(case: &PodCase<'_>, wanted: &InterfaceExpectation) -> Vec<String> {
    let items = wanted.addresses.as_ref().map_or(&[][..], |list| &list.items);
    let holder = |ip| case.kernel.links.iter().find(|link| link.address_with(ip).is_some());
    let line = |address: IpNet| Some(format!("its address {address} is on {}", holder(address.addr())?.name));
    items.iter().filter_map(|item| line(item.value)).collect()
}

fn properties(case: &PodCase<'_>, wanted: &InterfaceExpectation, link: &Link, judgement: &mut JudgementBuilder) {
    if let Some(kind) = &wanted.kind {
        let found = link.kind.as_deref().unwrap_or("physical");
        if link.kind.is_none() && link.state.is_empty() {
            judgement.add_note(format!(
                "kind of {} in pod {}: not observable, `ip` there prints no kinds",
                wanted.name, case.pod.name
            ));
        } else {
            judgement.count_fact();
            if found != kind.value {
                let entry = case.finding(FindingCode::PL312, "wrong kind of link", wanted).source(&kind.source);
                judgement.add_finding(entry.expected(kind.value.clone()).found(found.to_owned()));
            }
        }
    }
    if let Some(parent) = &wanted.parent {
        parent_of(case, wanted, link, parent, judgement);
    }
    if let Some(state) = &wanted.state {
        judgement.count_fact();
        let is_up = link.has_flag("UP");
        // Links without carrier detection report UNKNOWN while they work (kernel Documentation, operstates).
        let works = is_up && matches!(link.state.as_str(), "UP" | "UNKNOWN" | "");
        let fits = if state.value == "up" { works } else { !is_up };
        if !fits {
            let entry = case.finding(FindingCode::PL314, "wrong link state", wanted).source(&state.source);
            judgement.add_finding(entry.expected(state.value.clone()).found(messages::format_state(link)));
        }
    }
    if let Some(mtu) = &wanted.mtu {
        judgement.count_fact();
        if link.mtu != mtu.value {
            let entry = case.finding(FindingCode::PL315, "wrong MTU", wanted).source(&mtu.source);
            judgement.add_finding(entry.expected(format!("mtu {}", mtu.value)).found(format!("mtu {}", link.mtu)));
        }
    }
    if let Some(mac) = &wanted.mac {
        judgement.count_fact();
        if link.mac != mac.value {
            let entry = case.finding(FindingCode::PL316, "wrong MAC address", wanted).source(&mac.source);
            judgement.add_finding(entry.expected(mac.value.clone()).found(link.mac.clone()));
        }
    }
}

/// The parent is a link of the node: found by the index that the pod's link carries. Where the node could not be read
/// it is not observable, which is neither pass nor fail.
fn parent_of(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    link: &Link,
    parent: &crate::plan::Wanted<String>,
    judgement: &mut JudgementBuilder,
) {
    let own = link.parent_netns.is_none();
    let by_index = |index| case.kernel.links.iter().find(|other| other.index == index);
    let found = match (link.parent, own, &case.observed.node_links) {
        (None, _, _) => Some("no parent".to_owned()),
        (Some(index), true, _) if by_index(index).is_some() => {
            by_index(index).map(|other| format!("{} in the pod itself", other.name))
        }
        (Some(_), _, None) => {
            judgement.add_note(format!(
                "parent of {} in pod {}: not observable, the node could not be read",
                wanted.name, case.pod.name
            ));
            return;
        }
        (Some(index), _, Some(links)) => match links.get(&index) {
            Some(name) => Some(name.clone()),
            None => Some(format!("index {index}, which node {} does not have", case.observed.node)),
        },
    };
    judgement.count_fact();
    if found.as_deref() != Some(parent.value.as_str()) {
        let entry = case.finding(FindingCode::PL313, "wrong parent interface", wanted).source(&parent.source);
        judgement.add_finding(entry.expected(parent.value.clone()).found(found));
    }
}
