//! Rules about addresses that two pods or two networks share (`PL615`).

use super::context::PodRequests;
use super::view::{Addressing, PluginView, finding, plugins};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Most names in one note.
const MAX_NAMES: usize = 5;

/// A pod, and the network of each of its attachments by its index, where it is known.
pub(super) struct PodUse<'a> {
    /// The pod.
    pub pod: &'a PodRequests,
    /// One for each attachment.
    pub networks: Vec<Option<usize>>,
}

/// What the rules know of one network.
struct NetworkUse<'a> {
    network: &'a Network,
    addressing: Addressing,
    /// The layer-2 segment: networks of one segment reach each other.
    segment: String,
    /// The store of leases. Two ranges with one store give no address twice.
    store: String,
}

/// A range of addresses that a network or a pod takes.
struct Claim {
    first: IpAddr,
    last: IpAddr,
    store: String,
    /// Whether nothing is reported on what takes it.
    is_reference: bool,
    /// What takes it, for messages.
    owner: String,
    finding: Finding,
}

/// Checks all networks and pods together. On networks whose flag is set nothing is reported.
pub(super) fn check(networks: &[&Network], is_reference: &[bool], pods: &[PodUse<'_>], findings: &mut Vec<Finding>) {
    let networks: Vec<NetworkUse<'_>> =
        networks.iter().enumerate().map(|(index, network)| read_network(index, network)).collect();
    check_fixed(&networks, pods, findings);
    for used in pods {
        check_pod(used, &networks, findings);
    }
    check_requests(&networks, pods, findings);
    check_ranges(&networks, is_reference, pods, findings);
}

fn read_network<'a>(index: usize, network: &'a Network) -> NetworkUse<'a> {
    let Some(chain) = &network.chain else {
        let (addressing, own) = (Addressing::default(), format!("network {index}"));
        return NetworkUse { network, addressing, segment: own.clone(), store: own };
    };
    let plugins = plugins(chain);
    let addressing = Addressing::read(&plugins);
    let segment = plugins.first().and_then(segment).unwrap_or_else(|| format!("network {index}"));
    let store = match addressing.ipam.as_str() {
        // One folder for each network name (`plugins/ipam/host-local/backend/disk`).
        "host-local" => format!("host-local {}", chain.name),
        // One pool for each range and `network_name` (`pkg/storage/kubernetes`).
        "whereabouts" => {
            let ipam = plugins.iter().find_map(PluginView::ipam);
            let text = |key| ipam.and_then(|ipam| ipam.get(key)).and_then(Value::as_str).unwrap_or_default();
            format!("whereabouts {} {}", text("network_name"), text("range"))
        }
        _ => format!("network {index}"),
    };
    NetworkUse { network, addressing, segment, store }
}

/// The segment of a main plugin; none where only the node knows it.
fn segment(plugin: &PluginView<'_>) -> Option<String> {
    let number = |key| plugin.get(key).and_then(Value::as_i64).unwrap_or_default();
    let master = plugin.text("master").filter(|master| !master.is_empty()).unwrap_or("the default route's interface");
    match plugin.plugin {
        // Inside the pod: each pod has its own.
        _ if plugin.is_true("linkInContainer") => None,
        "macvlan" | "ipvlan" => Some(format!("interface {master}")),
        "vlan" => Some(format!("interface {master}.{}", number("vlanId"))),
        "bridge" => {
            // A bridge is an interface too: macvlan, ipvlan and vlan may have it as their master.
            let name = plugin.text("bridge").filter(|name| !name.is_empty()).unwrap_or("cni0");
            let vlan = number("vlan");
            Some(if vlan == 0 { format!("interface {name}") } else { format!("interface {name}.{vlan}") })
        }
        _ => None,
    }
}

/// Addresses of static that more than one pod gets.
fn check_fixed(networks: &[NetworkUse<'_>], pods: &[PodUse<'_>], findings: &mut Vec<Finding>) {
    let mut users: Vec<(u64, Vec<String>)> = vec![(0, Vec::new()); networks.len()];
    for used in pods {
        for (attachment, index) in used.pod.attachments.iter().zip(&used.networks) {
            let Some(index) = *index else { continue };
            let by_pod = networks[index].addressing.is_by_pod && !attachment.ips.is_empty();
            if !by_pod && !used.pod.is_one_per_node {
                users[index].0 = users[index].0.saturating_add(used.pod.copies);
                users[index].1.push(used.pod.describe());
            }
        }
    }
    for (network, (count, names)) in networks.iter().zip(users).filter(|(_, (count, _))| *count > 1) {
        for fixed in &network.addressing.fixed {
            let message = format!("static gives {} to each of {count} pods", fixed.address);
            let path = format!("{}/address", fixed.path);
            let entry = finding(network.network, FindingCode::PL615, &path, message);
            findings.push(entry.notes([format!("pods: {}", list(&names))]));
        }
    }
}

/// One address twice in a pod.
fn check_pod(used: &PodUse<'_>, networks: &[NetworkUse<'_>], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<IpAddr, &str> = HashMap::new();
    for (position, (attachment, index)) in used.pod.attachments.iter().zip(&used.networks).enumerate() {
        let addressing = index.map(|index| &networks[index].addressing);
        let by_pod = addressing.is_some_and(|addressing| addressing.is_by_pod && !attachment.ips.is_empty());
        let fixed = addressing.filter(|_| !by_pod).into_iter().flat_map(|addressing| &addressing.fixed);
        let is_static = addressing.is_some_and(|addressing| addressing.ipam == "static");
        // Those of the configuration come first: one that it has twice is reported there.
        let fixed: Vec<IpAddr> = fixed.map(|fixed| fixed.address.addr()).collect();
        let addresses = fixed.iter().copied().chain(requested(&attachment.ips).map(|(_, ip)| ip));
        for (number, ip) in addresses.enumerate() {
            let Some(first) = seen.insert(ip, &attachment.interface) else { continue };
            let message = match first == attachment.interface {
                false => format!("{ip} is on {first} and on {}", attachment.interface),
                true if is_static && number >= fixed.len() => {
                    format!("{ip} is twice on {first}: the kernel refuses the second one")
                }
                true => continue,
            };
            let entry = Finding::new(FindingCode::PL615, message).pod(&used.pod.name);
            let entry = entry.interface(&attachment.interface).network(&attachment.network);
            let path = match number.checked_sub(fixed.len()) {
                Some(number) => format!("{position}/ips/{number}"),
                None => position.to_string(),
            };
            findings.push(entry.source(used.pod.place(&path)));
        }
    }
}

/// Addresses that more than one pod requests on one segment.
fn check_requests(networks: &[NetworkUse<'_>], pods: &[PodUse<'_>], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<(&str, IpAddr), String> = HashMap::new();
    for used in pods {
        for (position, (attachment, index)) in used.pod.attachments.iter().zip(&used.networks).enumerate() {
            let Some(index) = *index else { continue };
            for (number, ip) in requested(&attachment.ips) {
                let first = seen.insert((networks[index].segment.as_str(), ip), used.pod.describe());
                let message = match &first {
                    Some(first) if *first != used.pod.describe() => {
                        format!("{first} and {} both request {ip}", used.pod.describe())
                    }
                    None if used.pod.copies > 1 && !used.pod.is_one_per_node => {
                        format!("each of {} pods of {} requests {ip}", used.pod.copies, used.pod.describe())
                    }
                    _ => continue,
                };
                let entry = Finding::new(FindingCode::PL615, message).pod(&used.pod.name);
                let entry = entry.interface(&attachment.interface).network(&attachment.network);
                findings.push(entry.source(used.pod.place(&format!("{position}/ips/{number}"))));
            }
        }
    }
}

/// Ranges and addresses of different networks on one segment that overlap.
fn check_ranges(networks: &[NetworkUse<'_>], is_reference: &[bool], pods: &[PodUse<'_>], findings: &mut Vec<Finding>) {
    let mut claims: BTreeMap<&str, Vec<Claim>> = BTreeMap::new();
    for (network, is_reference) in networks.iter().zip(is_reference) {
        let claim = |first, last, path: &str| Claim {
            first,
            last,
            store: network.store.clone(),
            is_reference: *is_reference,
            owner: format!("network {}", network.network.name),
            finding: finding(network.network, FindingCode::PL615, path, ""),
        };
        let pools = network.addressing.pools.iter().map(|pool| claim(pool.first, pool.last, &pool.path));
        let fixed = network.addressing.fixed.iter().map(|fixed| {
            let ip = fixed.address.addr();
            claim(ip, ip, &format!("{}/address", fixed.path))
        });
        claims.entry(&network.segment).or_default().extend(pools.chain(fixed));
    }
    for used in pods {
        for (position, (attachment, index)) in used.pod.attachments.iter().zip(&used.networks).enumerate() {
            let Some(network) = index.map(|index| &networks[index]) else { continue };
            for (number, ip) in requested(&attachment.ips) {
                let place = used.pod.place(&format!("{position}/ips/{number}"));
                let entry = Finding::new(FindingCode::PL615, "").pod(&used.pod.name).source(place);
                let entry = entry.interface(&attachment.interface).network(&attachment.network);
                let (store, owner) = (network.store.clone(), used.pod.describe());
                claims.entry(&network.segment).or_default().push(Claim {
                    first: ip,
                    last: ip,
                    store,
                    is_reference: false,
                    owner,
                    finding: entry,
                });
            }
        }
    }
    for (segment, mut claims) in claims {
        claims.sort_by_key(|claim| (claim.first, std::cmp::Reverse(claim.last)));
        sweep(segment, &claims, findings);
    }
}

/// Reports each range that begins within an earlier one of a different store. Of two ranges of which one is a reference, the
/// other one is reported, once.
fn sweep(segment: &str, claims: &[Claim], findings: &mut Vec<Finding>) {
    let (mut furthest, mut furthest_own) = ([None, None], [None, None]);
    let mut reported = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let earlier = if claim.is_reference { &furthest_own } else { &furthest };
        let mut earlier = earlier.iter().flatten().copied().map(|index: usize| (index, &claims[index]));
        let overlapped = earlier.find(|(_, other)| {
            let same_family = other.first.is_ipv4() == claim.first.is_ipv4();
            same_family && other.store != claim.store && other.last >= claim.first
        });
        if let Some((earlier, other)) = overlapped {
            let (at, own, other) = if claim.is_reference { (earlier, other, claim) } else { (index, claim, other) };
            if reported.insert(at) || !claim.is_reference {
                findings.push(describe_overlap(segment, own, other));
            }
        }
        keep_furthest(&mut furthest, index, claims);
        if !claim.is_reference {
            keep_furthest(&mut furthest_own, index, claims);
        }
    }
}

fn describe_overlap(segment: &str, own: &Claim, other: &Claim) -> Finding {
    let mut entry = own.finding.clone();
    entry.message = match (range(own), range(other)) {
        (own, same) if own == same => format!("{own} is of {} too", other.owner),
        (own, wide) => format!("{own} overlaps {wide}, of {}", other.owner),
    };
    entry.notes([format!("both are on {segment}, and neither knows the addresses that the other gives")])
}

/// Keeps the two ranges with different stores that reach furthest: they are enough to find one that overlaps.
fn keep_furthest(furthest: &mut [Option<usize>; 2], index: usize, claims: &[Claim]) {
    let claim = &claims[index];
    match *furthest {
        [Some(first), _] if claims[first].store == claim.store => {
            if claim.last > claims[first].last {
                furthest[0] = Some(index);
            }
        }
        [Some(first), second] => {
            if claim.last > claims[first].last {
                *furthest = [Some(index), Some(first)];
            } else if second.is_none_or(|second| claim.last > claims[second].last) {
                furthest[1] = Some(index);
            }
        }
        [None, _] => furthest[0] = Some(index),
    }
}

fn range(claim: &Claim) -> String {
    if claim.first == claim.last { claim.first.to_string() } else { format!("{} - {}", claim.first, claim.last) }
}

/// The addresses of a list `ips`, with their positions.
fn requested(ips: &[String]) -> impl Iterator<Item = (usize, IpAddr)> {
    let read = |text: &String| text.parse::<IpNet>().map(|net| net.addr()).ok().or_else(|| text.parse().ok());
    ips.iter().enumerate().filter_map(move |(index, text)| Some((index, read(text)?)))
}

/// Names, the first few of them.
fn list(names: &[String]) -> String {
    match names.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", names[..MAX_NAMES].join(", ")),
        None => names.join(", "),
    }
}
