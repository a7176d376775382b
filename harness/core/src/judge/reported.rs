//! Reported against kernel: `PL2xx`.

use super::judgement::JudgementBuilder;
use super::messages;
use super::pod_case::{PodCase, ReportedRoute, ReportedState};
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::observe::{PodObservation, Reported, Route};
use crate::plan::{Wanted, WantedRoute};
use ipnet::IpNet;
use serde_json::Value;
use std::net::IpAddr;

/// Reads what is reported of every attachment into one shape.
pub(super) fn read_reported(observed: &PodObservation) -> Vec<ReportedState> {
    let read = |reported| {
        let mut account = account(reported);
        if account.network == TERWAY {
            as_hosts(&mut account, observed);
        }
        account
    };
    let all = observed.reported.iter();
    all.filter(|reported| reported.result.is_some() || reported.status.is_some()).map(read).collect()
}

/// The name that terway-cli gives to every chain behind Terway (1.17.5, `cmd/terway-cli/cni.go`).
const TERWAY: &str = "terway-chainer";

/// Terway reports a pod's address with the prefix of its ENI's subnet and gives it to the pod as a host's
/// (`plugin/datapath/policy_router_linux.go`, `NewIPNetToMaxMask`): the same address, and no disagreement.
fn as_hosts(account: &mut ReportedState, observed: &PodObservation) {
    for (interface, address) in &mut account.addresses {
        let host = IpNet::from(address.addr());
        let link = observed.kernel.as_ref().and_then(|kernel| kernel.link(interface));
        if link.is_some_and(|link| link.addresses.iter().any(|found| found.address == host)) {
            *address = host;
        }
    }
}

fn account(reported: &Reported) -> ReportedState {
    let mut account = ReportedState {
        interface: reported.interface.clone(),
        network: reported.network.clone(),
        has_result: reported.result.is_some(),
        ..ReportedState::default()
    };
    if let Some(result) = &reported.result {
        from_result(result, &mut account);
    }
    if let Some(status) = &reported.status {
        for ip in list(status, "ips") {
            account.status_ips.extend(ip.as_str().and_then(|ip| ip.split('/').next()?.parse::<IpAddr>().ok()));
        }
        push_mac(&mut account.macs, &reported.interface, status.get("mac"));
    }
    account
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn push_mac(macs: &mut Vec<(String, String)>, interface: &str, mac: Option<&Value>) {
    if let Some(mac) = mac.and_then(Value::as_str).filter(|mac| !mac.is_empty()) {
        let entry = (interface.to_owned(), mac.to_ascii_lowercase());
        if !macs.contains(&entry) {
            macs.push(entry);
        }
    }
}

/// A result of spec 0.3.0 to 1.1.0 (`interfaces`, `ips`, `routes`), or of 0.1.0 and 0.2.0 (`ip4`, `ip6`).
fn from_result(result: &Value, account: &mut ReportedState) {
    let interfaces = list(result, "interfaces");
    let name = |index: usize| interfaces.get(index).and_then(|interface| interface.get("name")).and_then(Value::as_str);
    for interface in interfaces {
        let in_sandbox = interface.get("sandbox").and_then(Value::as_str).is_some_and(|sandbox| !sandbox.is_empty());
        if let (true, Some(name)) = (in_sandbox, interface.get("name").and_then(Value::as_str)) {
            account.sandbox_interfaces.push(name.to_owned());
            push_mac(&mut account.macs, name, interface.get("mac"));
        }
    }
    for ip in list(result, "ips") {
        let owner = ip.get("interface").and_then(Value::as_u64).and_then(|index| name(usize::try_from(index).ok()?));
        // An address of the host's end is not the pod's.
        if owner.is_some_and(|owner| !account.sandbox_interfaces.iter().any(|known| known == owner)) {
            continue;
        }
        if let Some(net) = ip.get("address").and_then(Value::as_str).and_then(|text| text.parse::<IpNet>().ok()) {
            account.addresses.push((owner.unwrap_or(&account.interface).to_owned(), net));
        }
    }
    account.routes.extend(list(result, "routes").iter().filter_map(route));
    for key in ["ip4", "ip6"] {
        if let Some(Value::Object(family)) = result.get(key) {
            let net = go_key(family, "ip").and_then(Value::as_str).and_then(|text| text.parse::<IpNet>().ok());
            account.addresses.extend(net.map(|net| (account.interface.clone(), net)));
            if let Some(Value::Array(routes)) = go_key(family, "routes") {
                account.routes.extend(routes.iter().filter_map(route));
            }
        }
    }
}

fn route(value: &Value) -> Option<ReportedRoute> {
    let to: IpNet = value.get("dst")?.as_str()?.parse().ok()?;
    let via = value.get("gw").and_then(Value::as_str).and_then(|gw| gw.parse::<IpAddr>().ok());
    let via = via.filter(|gw| !gw.is_unspecified());
    let table = value.get("table").and_then(Value::as_u64).and_then(|table| u32::try_from(table).ok());
    Some(ReportedRoute { to: to.trunc(), via, table })
}

/// Compares every report with the kernel.
pub(super) fn judge(case: &PodCase<'_>, judgement: &mut JudgementBuilder) {
    for account in case.reported {
        for name in &account.sandbox_interfaces {
            judgement.count_fact();
            if case.link(name).is_none() && !is_requested(case, name) {
                let message = format!("interface {name} is in the CNI result but not in the pod");
                let finding = finding(case, account, name, FindingCode::PL203, message);
                judgement.add_finding(finding.found(links(case)));
            }
        }
        for (name, address) in &account.addresses {
            judgement.count_fact();
            address_in_kernel(case, account, name, *address, judgement);
        }
        for ip in &account.status_ips {
            judgement.count_fact();
            status_ip_in_kernel(case, account, *ip, judgement);
        }
        for (name, mac) in &account.macs {
            let Some(link) = case.link(name) else { continue };
            judgement.count_fact();
            if link.mac != *mac {
                let message = "reported MAC address differs from the interface's";
                let finding = finding(case, account, name, FindingCode::PL206, message);
                judgement.add_finding(finding.expected(mac.clone()).found(link.mac.clone()));
            }
        }
        for route in &account.routes {
            judgement.count_fact();
            route_in_kernel(case, account, route, judgement);
        }
    }
}

/// A finding about an interface of a report.
fn finding(
    case: &PodCase<'_>,
    account: &ReportedState,
    interface: &str,
    code: FindingCode,
    message: impl Into<String>,
) -> Finding {
    Finding::new(code, message).pod(&case.pod.name).interface(interface).network(&account.network)
}

/// Names of the pod's links.
pub(super) fn links(case: &PodCase<'_>) -> String {
    case.kernel.links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// A missing interface of an attachment is reported as PL102.
fn is_requested(case: &PodCase<'_>, name: &str) -> bool {
    case.network_of(name).is_some()
}

fn address_in_kernel(
    case: &PodCase<'_>,
    account: &ReportedState,
    name: &str,
    address: IpNet,
    judgement: &mut JudgementBuilder,
) {
    let Some(link) = case.link(name) else { return };
    if link.addresses.iter().any(|found| found.address == address) {
        return;
    }
    let near = link.address_with(address.addr());
    let mut links = case.kernel.links.iter();
    let elsewhere = links.find_map(|other| Some((other, other.address_with(address.addr())?)));
    let message = match (near, elsewhere) {
        (Some(_), _) => "reported prefix length differs from the kernel's",
        (None, Some(_)) => "address reported on one interface but found on a different one",
        (None, None) => "address reported but missing in the kernel",
    };
    let found = near.map(|found| (link, found)).or(elsewhere);
    let found = found.map(|(link, found)| format!("{} dev {}", found.address, link.name));
    let mut entry = finding(case, account, name, FindingCode::PL201, message);
    entry = entry.expected(format!("{address} dev {name}")).found(found);
    if let Some(wanted) = wanted_address(case, name, address) {
        entry = entry.source(&wanted.source).notes(["requested and reported alike"]);
    }
    judgement.add_finding(entry);
}

fn status_ip_in_kernel(case: &PodCase<'_>, account: &ReportedState, ip: IpAddr, judgement: &mut JudgementBuilder) {
    let is_known = account.addresses.iter().any(|(_, address)| address.addr() == ip);
    let there = case.link(&account.interface).is_some_and(|link| link.address_with(ip).is_some());
    if !there && !is_known {
        let message = "address in network-status but missing in the kernel";
        let finding = finding(case, account, &account.interface, FindingCode::PL201, message);
        judgement.add_finding(finding.expected(format!("{ip} dev {}", account.interface)));
    }
}

/// Whether a kernel route is the one reported: same destination, an interface of the account, and the same gateway
/// where one is reported. A route without a gateway may have got that of its address
/// (plugins `pkg/ipam/ipam_linux.go`, ConfigureIface). The local table never counts, others do: sbr and vrf move routes.
fn is_reported(route: &Route, reported: &ReportedRoute, account: &ReportedState) -> bool {
    route.to == reported.to
        && route.table != 255
        && reported.table.is_none_or(|table| table == route.table)
        && route.hops.iter().any(|hop| {
            hop.dev.as_deref().is_some_and(|dev| account.has(dev))
                && (reported.via.is_none() || hop.via == reported.via)
        })
}

fn route_in_kernel(
    case: &PodCase<'_>,
    account: &ReportedState,
    reported: &ReportedRoute,
    judgement: &mut JudgementBuilder,
) {
    if case.kernel.routes.iter().any(|route| is_reported(route, reported, account)) {
        return;
    }
    // The interface itself is missing: that is reported once, as PL102 or PL203.
    if case.link(&account.interface).is_none() {
        return;
    }
    let via = reported.via.map(|via| format!(" via {via}")).unwrap_or_default();
    let expected = format!("{}{via} dev {}", messages::format_destination(&reported.to), account.interface);
    let near = nearest(case, reported);
    let topic = reported.to.to_string();
    let message = "route reported in the CNI result but missing in the kernel";
    let entry = finding(case, account, &account.interface, FindingCode::PL202, message).expected(expected);
    let mut entry = entry.found(near.map(messages::format_route));
    entry = entry.notes(case.log_lines_about(&account.interface, &topic));
    for line in case.stderr_about(&account.interface, &topic) {
        judgement.add_quote(&line);
    }
    match wanted_route(case, &account.interface, reported) {
        Some(wanted) => entry = entry.source(&wanted.source),
        None if follows_from_address(&entry, reported, judgement) => return,
        None => {}
    }
    judgement.add_finding(entry);
}

/// Whether an address of the interface and of the route's family is missing, so that the kernel has no such route either: the
/// finding about the address gets a note.
fn follows_from_address(entry: &Finding, reported: &ReportedRoute, judgement: &mut JudgementBuilder) -> bool {
    let explains = |finding: &&mut Finding| {
        let is_v6 = finding.expected.as_ref().is_some_and(|expected| expected.contains(':'));
        finding.code == FindingCode::PL201
            && (&finding.pod, &finding.interface) == (&entry.pod, &entry.interface)
            && finding.found.is_none()
            && is_v6 == reported.to.addr().is_ipv6()
    };
    let Some(finding) = judgement.findings_mut().iter_mut().find(explains) else { return false };
    finding.notes.push(format!("with it: {}: {}", entry.message, entry.expected.as_deref().unwrap_or_default()));
    true
}

/// The kernel route most like a reported one that is missing: the same destination elsewhere.
fn nearest<'a>(case: &PodCase<'a>, reported: &ReportedRoute) -> Option<&'a Route> {
    let is_near = |route: &&Route| route.to == reported.to && route.table != 255 && reported.to.prefix_len() > 0;
    case.kernel.routes.iter().find(is_near)
}

/// The expectation that wants an address, where there is one.
fn wanted_address<'a>(case: &PodCase<'a>, interface: &str, address: IpNet) -> Option<&'a Wanted<IpNet>> {
    let wanted = case.expectation?.interfaces.iter().find(|wanted| wanted.name == interface)?;
    wanted.addresses.as_ref()?.items.iter().find(|item| item.value == address)
}

/// The expectation that wants a route, where there is one.
fn wanted_route<'a>(case: &PodCase<'a>, interface: &str, reported: &ReportedRoute) -> Option<&'a Wanted<WantedRoute>> {
    let wanted = case.expectation?.interfaces.iter().find(|wanted| wanted.name == interface)?;
    wanted.routes.as_ref()?.items.iter().find(|item| lists_route(reported, &item.value))
}

/// Whether a report lists an expected route: the same destination, and no other gateway or table.
fn lists_route(reported: &ReportedRoute, wanted: &WantedRoute) -> bool {
    let same_via = match (reported.via, wanted.via) {
        (Some(via), Some(crate::plan::WantedGateway::Address(wanted))) => via == wanted,
        (Some(_), Some(crate::plan::WantedGateway::None)) => false,
        _ => true,
    };
    reported.to == wanted.to
        && same_via
        && (reported.table.is_none() || wanted.table.is_none() || reported.table == wanted.table)
}

/// Whether the account of an interface reports a wanted route; none where no result could be read.
pub(super) fn reports_route(case: &PodCase<'_>, interface: &str, wanted: &WantedRoute) -> Option<bool> {
    let account = case.reported_of(interface).filter(|account| account.has_result)?;
    Some(account.routes.iter().any(|reported| lists_route(reported, wanted)))
}

/// Whether the account of an interface reports a wanted address; none where no result could be read.
pub(super) fn reports_address(case: &PodCase<'_>, interface: &str, wanted: IpNet) -> Option<bool> {
    let account = case.reported_of(interface).filter(|account| account.has_result)?;
    Some(account.addresses.iter().any(|(name, address)| name == interface && *address == wanted))
}
