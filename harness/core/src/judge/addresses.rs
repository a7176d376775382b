//! Asked against kernel, addresses: `PL30x`, and those in the kernel that nobody reports.

use super::accounts::Case;
use super::interfaces::about;
use super::ledger::Ledger;
use super::reported;
use crate::finding::{Finding, FindingCode};
use crate::observe::{Address, Link, is_v6_link_local};
use crate::plan::{InterfaceExpectation, Wanted};
use ipnet::IpNet;

/// Judges the addresses of one interface. An exact list leaves out link-local IPv6, which the kernel makes by itself.
pub(super) fn judge(case: &Case<'_>, wanted: &InterfaceExpectation, link: &Link, ledger: &mut Ledger) {
    for unwanted in &wanted.absent_addresses {
        ledger.check();
        if link.addresses.iter().any(|found| found.address == unwanted.value) {
            let entry =
                about(Finding::new(FindingCode::PL305, "an address that must not be there is there"), case, wanted)
                    .source(&unwanted.source);
            ledger.add(entry.found(Some(format!("{} dev {}", unwanted.value, link.name))));
        }
    }
    let Some(list) = &wanted.addresses else {
        return;
    };
    let mut matched: Vec<&Address> = Vec::new();
    for item in &list.items {
        ledger.check();
        match link.addresses.iter().find(|found| found.address == item.value) {
            Some(found) => {
                matched.push(found);
                usable(case, wanted, item, found, ledger);
                unreported(case, wanted, item, ledger);
            }
            None => missing(case, wanted, link, item, &mut matched, ledger),
        }
    }
    if !list.exact {
        return;
    }
    ledger.check();
    for found in link.addresses.iter().filter(|found| !is_v6_link_local(found.address.addr())) {
        if !matched.iter().any(|known| known.address == found.address) {
            let entry = about(Finding::new(FindingCode::PL303, "an address that nobody asked for"), case, wanted)
                .source(&list.source);
            ledger.add(entry.found(Some(format!("{} dev {}", found.address, link.name))));
        }
    }
}

fn missing<'a>(
    case: &Case<'_>,
    wanted: &InterfaceExpectation,
    link: &'a Link,
    item: &Wanted<IpNet>,
    matched: &mut Vec<&'a Address>,
    ledger: &mut Ledger,
) {
    let expected = format!("{} dev {}", item.value, link.name);
    // Asked for, reported, and not in the kernel: told as one finding, PL201, with this line as its source.
    if ledger.tells(FindingCode::PL201, &item.source) {
        if let Some(found) = link.addresses.iter().find(|found| found.address.addr() == item.value.addr()) {
            matched.push(found);
        }
        return;
    }
    if let Some(found) = link.addresses.iter().find(|found| found.address.addr() == item.value.addr()) {
        matched.push(found);
        let entry = about(Finding::new(FindingCode::PL302, "the address has another prefix length"), case, wanted)
            .source(&item.source);
        ledger.add(entry.expected(expected).found(Some(format!("{} dev {}", found.address, link.name))));
        return;
    }
    let on_other = case.kernel.links.iter().filter(|other| other.name != link.name).find_map(|other| {
        let found = other.addresses.iter().find(|found| found.address.addr() == item.value.addr())?;
        Some(format!("{} dev {}", found.address, other.name))
    });
    let entry = match on_other {
        Some(found) => about(Finding::new(FindingCode::PL304, "the address is on another interface"), case, wanted)
            .found(Some(found)),
        None => {
            let same_family = link.addresses.iter().find(|found| {
                found.address.addr().is_ipv4() == item.value.addr().is_ipv4() && !is_v6_link_local(found.address.addr())
            });
            let found = same_family.map(|found| format!("{} dev {}", found.address, link.name));
            about(Finding::new(FindingCode::PL301, "the address is not there"), case, wanted).found(found)
        }
    };
    ledger.add(entry.expected(expected).source(&item.source));
}

/// An address whose duplicate detection failed is there and of no use; one that is still tentative may become so.
fn usable(case: &Case<'_>, wanted: &InterfaceExpectation, item: &Wanted<IpNet>, found: &Address, ledger: &mut Ledger) {
    let has = |flag: &str| found.flags.iter().any(|known| known == flag);
    let (code, message) = if has("dadfailed") {
        (FindingCode::PL306, "somebody else has this address: duplicate address detection failed")
    } else if has("tentative") {
        (FindingCode::PL307, "duplicate address detection has not ended: the address can't be used yet")
    } else {
        return;
    };
    let entry = about(Finding::new(code, message), case, wanted).source(&item.source);
    ledger.add(entry.expected(item.value.to_string()).found(Some(format!(
        "{} {}",
        found.address,
        found.flags.join(" ")
    ))));
}

/// In the kernel as asked for, and not in the result: whoever goes by the result does not know of it.
fn unreported(case: &Case<'_>, wanted: &InterfaceExpectation, item: &Wanted<IpNet>, ledger: &mut Ledger) {
    let Some(reports) = reported::reports_address(case, &wanted.name, item.value) else {
        return;
    };
    ledger.check();
    if !reports {
        let entry = about(
            Finding::new(FindingCode::PL204, "the address is in the kernel, and not in the CNI result"),
            case,
            wanted,
        );
        ledger.add(entry.source(&item.source).found(Some(format!("{} dev {}", item.value, wanted.name))));
    }
}
