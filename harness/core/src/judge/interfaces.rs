//! Asked against kernel, the link itself: `PL31x`.

use super::accounts::Case;
use super::ledger::Ledger;
use super::{addresses, reported, routes, words};
use crate::finding::{Finding, FindingCode};
use crate::observe::Link;
use crate::plan::InterfaceExpectation;

/// Judges everything that is wanted of one interface.
pub(super) fn judge(case: &Case<'_>, wanted: &InterfaceExpectation, ledger: &mut Ledger) {
    let link = case.link(&wanted.name);
    ledger.check();
    match (link, wanted.absent) {
        (None, true) => {}
        (Some(link), true) => {
            let entry =
                Finding::new(FindingCode::PL311, format!("interface {} must not be there, and is", wanted.name));
            ledger.add(about(entry, case, wanted).found(Some(one_line(link))));
        }
        (None, false) => {
            let found = format!("the pod has {}", reported::links(case));
            let entry = Finding::new(FindingCode::PL310, format!("interface {} is not there", wanted.name));
            let entry = about(entry, case, wanted).expected(wanted.name.clone()).found(Some(found));
            ledger.add(entry.notes(elsewhere(case, wanted)));
        }
        (Some(link), false) => {
            properties(case, wanted, link, ledger);
            addresses::judge(case, wanted, link, ledger);
            routes::judge(case, wanted, ledger);
        }
    }
}

/// Fills in pod, interface, network and source.
pub(super) fn about(finding: Finding, case: &Case<'_>, wanted: &InterfaceExpectation) -> Finding {
    let finding = finding.pod(&case.pod.name).interface(&wanted.name).source(&wanted.source);
    match case.network_of(&wanted.name) {
        Some(network) => finding.network(network),
        None => finding,
    }
}

/// `eth1: macvlan, UP (UP), 192.168.100.10/24`.
fn one_line(link: &Link) -> String {
    let kind = link.kind.as_deref().unwrap_or("no kind");
    let addresses: Vec<String> = link.addresses.iter().map(|address| address.address.to_string()).collect();
    format!("{}: {kind}, {}, {}", link.name, words::state(link), addresses.join(", "))
}

/// Where the addresses of a missing interface are instead.
fn elsewhere(case: &Case<'_>, wanted: &InterfaceExpectation) -> Vec<String> {
    let items = wanted.addresses.as_ref().map_or(&[][..], |list| &list.items);
    items
        .iter()
        .filter_map(|item| {
            let link = case
                .kernel
                .links
                .iter()
                .find(|link| link.addresses.iter().any(|found| found.address.addr() == item.value.addr()))?;
            Some(format!("its address {} is on {}", item.value, link.name))
        })
        .collect()
}

fn properties(case: &Case<'_>, wanted: &InterfaceExpectation, link: &Link, ledger: &mut Ledger) {
    if let Some(kind) = &wanted.kind {
        let found = link.kind.as_deref().unwrap_or("physical");
        if link.kind.is_none() && link.state.is_empty() {
            ledger.note(format!(
                "kind of {} in pod {}: not observable, `ip` there tells no kinds",
                wanted.name, case.pod.name
            ));
        } else {
            ledger.check();
            if found != kind.value {
                let entry = about(Finding::new(FindingCode::PL312, "the interface is of another kind"), case, wanted)
                    .source(&kind.source);
                ledger.add(entry.expected(kind.value.clone()).found(Some(found.to_owned())));
            }
        }
    }
    if let Some(parent) = &wanted.parent {
        parent_of(case, wanted, link, parent, ledger);
    }
    if let Some(state) = &wanted.state {
        ledger.check();
        let is_up = link.flags.iter().any(|flag| flag == "UP");
        // UNKNOWN is what links without carrier detection say while they work (kernel Documentation, operstates).
        let works = is_up && matches!(link.state.as_str(), "UP" | "UNKNOWN" | "");
        let fits = if state.value == "up" { works } else { !is_up };
        if !fits {
            let entry = about(Finding::new(FindingCode::PL314, "the interface is in another state"), case, wanted)
                .source(&state.source);
            ledger.add(entry.expected(state.value.clone()).found(Some(words::state(link))));
        }
    }
    if let Some(mtu) = &wanted.mtu {
        ledger.check();
        if link.mtu != mtu.value {
            let entry =
                about(Finding::new(FindingCode::PL315, "the MTU is another one"), case, wanted).source(&mtu.source);
            ledger.add(entry.expected(format!("mtu {}", mtu.value)).found(Some(format!("mtu {}", link.mtu))));
        }
    }
    if let Some(mac) = &wanted.mac {
        ledger.check();
        if link.mac != mac.value {
            let entry = about(Finding::new(FindingCode::PL316, "the MAC address is another one"), case, wanted)
                .source(&mac.source);
            ledger.add(entry.expected(mac.value.clone()).found(Some(link.mac.clone())));
        }
    }
}

/// The parent is a link of the node: found by the index that the pod's link carries. Where the node could not be read
/// it is not observable, which is neither pass nor fail.
fn parent_of(
    case: &Case<'_>,
    wanted: &InterfaceExpectation,
    link: &Link,
    parent: &crate::plan::Wanted<String>,
    ledger: &mut Ledger,
) {
    let own = link.parent_netns.is_none();
    let found = match (link.parent, own, &case.observed.node_links) {
        (None, _, _) => Some("no parent".to_owned()),
        (Some(index), true, _) if case.kernel.links.iter().any(|other| other.index == index) => {
            let name = case.kernel.links.iter().find(|other| other.index == index).map(|other| other.name.clone());
            name.map(|name| format!("{name} in the pod itself"))
        }
        (Some(_), _, None) => {
            ledger.note(format!(
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
    ledger.check();
    if found.as_deref() != Some(parent.value.as_str()) {
        let entry = about(Finding::new(FindingCode::PL313, "the interface hangs on another parent"), case, wanted)
            .source(&parent.source);
        ledger.add(entry.expected(parent.value.clone()).found(found));
    }
}
