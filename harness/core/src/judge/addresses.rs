//! Requested against kernel, addresses: `PL30x`, and addresses in the kernel that are not reported (`PL204`).

use super::judgement::JudgementBuilder;
use super::pod_case::PodCase;
use super::reported;
use crate::finding::FindingCode;
use crate::observe::{Address, Link, is_v6_link_local};
use crate::plan::{InterfaceExpectation, Wanted};
use ipnet::IpNet;

/// Judges the addresses of one interface. An exact list leaves out link-local IPv6, which the kernel makes by itself.
pub(super) fn judge(case: &PodCase<'_>, wanted: &InterfaceExpectation, link: &Link, judgement: &mut JudgementBuilder) {
    for unwanted in &wanted.absent_addresses {
        judgement.count_fact();
        if link.addresses.iter().any(|found| found.address == unwanted.value) {
            let entry = case.finding(FindingCode::PL305, "forbidden address present", wanted).source(&unwanted.source);
            judgement.add_finding(entry.found(format!("{} dev {}", unwanted.value, link.name)));
        }
    }
    let Some(list) = &wanted.addresses else { return };
    let mut matched: Vec<&Address> = Vec::new();
    for item in &list.items {
        judgement.count_fact();
        match link.addresses.iter().find(|found| found.address == item.value) {
            Some(found) => {
                matched.push(found);
                check_usable(case, wanted, item, found, judgement);
                check_reported(case, wanted, item, judgement);
            }
            None => report_missing(case, wanted, link, item, &mut matched, judgement),
        }
    }
    if !list.exact {
        return;
    }
    judgement.count_fact();
    for found in link.addresses.iter().filter(|found| !is_v6_link_local(found.address.addr())) {
        if !matched.iter().any(|known| known.address == found.address) {
            let entry = case.finding(FindingCode::PL303, "unrequested address", wanted).source(&list.source);
            judgement.add_finding(entry.found(format!("{} dev {}", found.address, link.name)));
        }
    }
}

fn report_missing<'a>(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    link: &'a Link,
    item: &Wanted<IpNet>,
    matched: &mut Vec<&'a Address>,
    judgement: &mut JudgementBuilder,
) {
    let expected = format!("{} dev {}", item.value, link.name);
    let near = link.address_with(item.value.addr());
    matched.extend(near);
    // Requested, reported, but not in the kernel: one finding, PL201, with this line as its source.
    if judgement.has_finding(FindingCode::PL201, &item.source) {
        return;
    }
    if let Some(found) = near {
        let entry = case.finding(FindingCode::PL302, "wrong prefix length", wanted).source(&item.source);
        judgement.add_finding(entry.expected(expected).found(format!("{} dev {}", found.address, link.name)));
        return;
    }
    let on_other = case.kernel.links.iter().filter(|other| other.name != link.name).find_map(|other| {
        let found = other.address_with(item.value.addr())?;
        Some(format!("{} dev {}", found.address, other.name))
    });
    let entry = match on_other {
        Some(found) => case.finding(FindingCode::PL304, "address is on a different interface", wanted).found(found),
        None => {
            let same_family = link.addresses.iter().find(|found| {
                found.address.addr().is_ipv4() == item.value.addr().is_ipv4() && !is_v6_link_local(found.address.addr())
            });
            let found = same_family.map(|found| format!("{} dev {}", found.address, link.name));
            case.finding(FindingCode::PL301, "address is missing", wanted).found(found)
        }
    };
    judgement.add_finding(entry.expected(expected).source(&item.source));
}

/// An address whose duplicate detection failed is there and of no use; one that is still tentative may become so.
fn check_usable(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    item: &Wanted<IpNet>,
    found: &Address,
    judgement: &mut JudgementBuilder,
) {
    let has = |flag: &str| found.flags.iter().any(|known| known == flag);
    let (code, message) = if has("dadfailed") {
        (FindingCode::PL306, "another host has this address: duplicate address detection failed")
    } else if has("tentative") {
        (FindingCode::PL307, "duplicate address detection still runs: the address cannot be used yet")
    } else {
        return;
    };
    let entry = case.finding(code, message, wanted).source(&item.source);
    let found = format!("{} {}", found.address, found.flags.join(" "));
    judgement.add_finding(entry.expected(item.value.to_string()).found(found));
}

/// In the kernel as requested, but not in the result: users of the result do not know it.
fn check_reported(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    item: &Wanted<IpNet>,
    judgement: &mut JudgementBuilder,
) {
    let Some(reports) = reported::reports_address(case, &wanted.name, item.value) else { return };
    judgement.count_fact();
    if !reports {
        let entry = case.finding(FindingCode::PL204, "address is in the kernel but not in the CNI result", wanted);
        judgement.add_finding(entry.source(&item.source).found(format!("{} dev {}", item.value, wanted.name)));
    }
}
