//! Rules about addresses that two pods or two networks share (`PL615`).

use super::context::PodRequests;
use super::view::{Addressing, PluginView, finding, plugins};
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use crate::source::Source;
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Most names in one note.
const MAX_NAMES: usize = 5;

/// A pod, and the network of each of its attachments by its index, where it is known.
pub(super) struct PodNetworks<'a> {
    /// The pod.
    pub pod: &'a PodRequests,
    /// One for each attachment.
    pub networks: Vec<Option<usize>>,
}

/// What the rules know of one network.
struct SegmentNetwork<'a> {
    network: &'a Network,
    addressing: Addressing,
    /// The layer-2 segment: networks of one segment reach each other.
    segment: String,
    /// Whether pods of different nodes are on the segment: a bridge is of its node, and of other plugins it is not known.
    spans_nodes: bool,
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
    /// What of the store has leases of its own: a range of whereabouts.
    pool: Option<String>,
    /// What takes it, for messages.
    owner: String,
    finding: Finding,
}

impl Claim {
    /// Whether what takes one range knows the addresses that the other gives.
    fn knows(&self, other: &Self) -> bool {
        self.store == other.store || (self.pool.is_some() && self.pool == other.pool)
    }
}

impl SegmentNetwork<'_> {
    /// Whether interfaces have MAC addresses of their own there: those of ipvlan share the parent's.
    fn is_switched(&self) -> bool {
        let main = self.network.chain.as_ref().and_then(|chain| chain.links.first());
        main.is_some_and(|link| matches!(link.plugin.as_str(), "macvlan" | "bridge" | "vlan"))
    }
}

/// Checks all networks and pods together. Each object is there once. On networks whose flag is
/// set nothing is reported.
pub(super) fn check(
    networks: &[&Network],
    is_reference: &[bool],
    pods: &[PodNetworks<'_>],
    findings: &mut Vec<Finding>,
) {
    let networks: Vec<SegmentNetwork<'_>> =
        networks.iter().enumerate().map(|(index, network)| read_network(index, network)).collect();
    check_fixed(&networks, pods, findings);
    for used in pods {
        check_pod(used, &networks, findings);
    }
    check_requests(&networks, pods, findings);
    check_ranges(&networks, is_reference, pods, findings);
}

fn read_network<'a>(index: usize, network: &'a Network) -> SegmentNetwork<'a> {
    let Some(chain) = &network.chain else {
        let (addressing, own) = (Addressing::default(), format!("network {index}"));
        return SegmentNetwork { network, addressing, segment: own.clone(), spans_nodes: false, store: own };
    };
    let plugins = plugins(chain);
    let addressing = Addressing::read(&plugins);
    let known = plugins.first().and_then(segment);
    let spans_nodes = known.is_some() && plugins.first().is_some_and(|main| main.plugin != "bridge");
    let segment = known.unwrap_or_else(|| format!("network {index}"));
    let store = match addressing.ipam.as_str() {
        // One folder for each network name (`plugins/ipam/host-local/backend/disk`).
        "host-local" => format!("host-local {}", chain.name),
        // Each address is reserved in the cluster by `network_name`, unless a network turns that off
        // (whereabouts v0.9.4, `pkg/types/types.go:116`, `pkg/storage/kubernetes/ipam.go:644`).
        "whereabouts" => match whereabouts_key(&plugins, "enable_overlapping_ranges") {
            Some(Value::Bool(false)) => format!("network {index}"),
            _ => format!("whereabouts {}", network_name(&plugins)),
        },
        _ => format!("network {index}"),
    };
    SegmentNetwork { network, addressing, segment, spans_nodes, store }
}

fn whereabouts_key<'a>(plugins: &[PluginView<'a>], key: &str) -> Option<&'a Value> {
    plugins.iter().find_map(PluginView::ipam).and_then(|ipam| go_key(ipam, key))
}

/// The name that distinguishes networks of whereabouts.
fn network_name<'a>(plugins: &[PluginView<'a>]) -> &'a str {
    whereabouts_key(plugins, "network_name").and_then(Value::as_str).unwrap_or_default()
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

/// The pods that use one network.
#[derive(Default, Clone)]
struct Users {
    count: u64,
    names: Vec<String>,
    /// The first one that has a pod on each node.
    on_each_node: Option<String>,
}

/// Addresses of static that more than one pod gets.
fn check_fixed(networks: &[SegmentNetwork<'_>], pods: &[PodNetworks<'_>], findings: &mut Vec<Finding>) {
    let mut users: Vec<Users> = vec![Users::default(); networks.len()];
    for used in pods {
        let mut counted = BTreeSet::new();
        for (attachment, index) in used.pod.attachments.iter().zip(&used.networks) {
            let Some(index) = *index else { continue };
            let network = &networks[index];
            let by_pod = network.addressing.is_by_pod && !attachment.ips.is_empty();
            // Two attachments of one pod are reported at the pod.
            if by_pod || (used.pod.is_one_per_node && !network.spans_nodes) || !counted.insert(index) {
                continue;
            }
            let users = &mut users[index];
            users.count = users.count.saturating_add(used.pod.copies);
            users.names.push(used.pod.describe());
            if used.pod.is_one_per_node && users.on_each_node.is_none() {
                users.on_each_node = Some(used.pod.describe());
            }
        }
    }
    for (network, users) in networks.iter().zip(users) {
        for fixed in &network.addressing.fixed {
            let message = match &users.on_each_node {
                Some(name) => format!("static gives {} to the pod of {name} on each node", fixed.address),
                None if users.count > 1 => format!("static gives {} to each of {} pods", fixed.address, users.count),
                None => continue,
            };
            let path = format!("{}/address", fixed.path);
            let entry = finding(network.network, FindingCode::PL615, &path, message);
            findings.push(entry.notes([format!("pods: {}", join_names(&users.names))]));
        }
    }
}

/// One address twice in a pod.
fn check_pod(used: &PodNetworks<'_>, networks: &[SegmentNetwork<'_>], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<IpAddr, &str> = HashMap::new();
    for (position, (attachment, index)) in used.pod.attachments.iter().zip(&used.networks).enumerate() {
        let addressing = index.map(|index| &networks[index].addressing);
        let by_pod = addressing.is_some_and(|addressing| addressing.is_by_pod && !attachment.ips.is_empty());
        let fixed = addressing.filter(|_| !by_pod).into_iter().flat_map(|addressing| &addressing.fixed);
        let is_static = addressing.is_some_and(|addressing| addressing.ipam == "static");
        // Those of the configuration come first: one that it has twice is reported there.
        let fixed: Vec<IpAddr> = fixed.map(|fixed| fixed.address.addr()).collect();
        let addresses = fixed.iter().copied().chain(requested_addresses(&attachment.ips).map(|(_, ip)| ip));
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
fn check_requests(networks: &[SegmentNetwork<'_>], pods: &[PodNetworks<'_>], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<(&str, String), (usize, &Source)> = HashMap::new();
    for (pod_index, used) in pods.iter().enumerate() {
        let pod = used.pod;
        for (position, (attachment, index)) in pod.attachments.iter().zip(&used.networks).enumerate() {
            let Some(network) = index.map(|index| &networks[index]) else { continue };
            let ips =
                requested_addresses(&attachment.ips).map(|(number, ip)| (format!("ips/{number}"), ip.to_string()));
            let mac = attachment.mac.as_ref().filter(|_| network.is_switched());
            let mac = mac.map(|mac| ("mac".to_owned(), mac.to_ascii_lowercase().replace('-', ":")));
            for (key, address) in ips.chain(mac) {
                let place = pod.place(&format!("{position}/{key}"));
                let first = seen.insert((network.segment.as_str(), address.clone()), (pod_index, place));
                let (message, other) = match first {
                    Some((first, other)) if first != pod_index => (
                        format!("{} and {} both request {address}", pods[first].pod.describe(), pod.describe()),
                        Some(other),
                    ),
                    Some(_) => continue,
                    None if pod.is_one_per_node && network.spans_nodes => {
                        (format!("the pod of {} on each node requests {address}", pod.describe()), None)
                    }
                    None if pod.copies > 1 && !pod.is_one_per_node => {
                        (format!("each of {} pods of {} requests {address}", pod.copies, pod.describe()), None)
                    }
                    None => continue,
                };
                let entry = Finding::new(FindingCode::PL615, message).pod(&pod.name).source(place);
                let entry = entry.interface(&attachment.interface).network(&attachment.network);
                findings.push(entry.notes(other.map(|other| format!("the other one is at {other}"))));
            }
        }
    }
}

/// Ranges and addresses of different networks on one segment that overlap.
fn check_ranges(
    networks: &[SegmentNetwork<'_>],
    is_reference: &[bool],
    pods: &[PodNetworks<'_>],
    findings: &mut Vec<Finding>,
) {
    let mut claims: BTreeMap<&str, Vec<Claim>> = BTreeMap::new();
    for (network, is_reference) in networks.iter().zip(is_reference) {
        let is_whereabouts = network.addressing.ipam == "whereabouts";
        let name = network.network.chain.as_ref().filter(|_| is_whereabouts);
        let name = name.map(|chain| network_name(&plugins(chain)).to_owned());
        let claim = |(first, last), pool: Option<IpNet>, path: &str| Claim {
            first,
            last,
            store: network.store.clone(),
            is_reference: *is_reference,
            pool: pool.and_then(|pool| name.as_ref().map(|name| format!("{name} {pool}"))),
            owner: format!("network {}", network.network.name),
            finding: finding(network.network, FindingCode::PL615, path, ""),
        };
        let of_segment = claims.entry(&network.segment).or_default();
        for pool in &network.addressing.pools {
            of_segment.extend(pool.free_ranges().into_iter().map(|range| claim(range, Some(pool.subnet), &pool.path)));
        }
        of_segment.extend(network.addressing.fixed.iter().map(|fixed| {
            let ip = fixed.address.addr();
            claim((ip, ip), None, &format!("{}/address", fixed.path))
        }));
    }
    for used in pods {
        for (position, (attachment, index)) in used.pod.attachments.iter().zip(&used.networks).enumerate() {
            let Some(network) = index.map(|index| &networks[index]) else { continue };
            for (number, ip) in requested_addresses(&attachment.ips) {
                let place = used.pod.place(&format!("{position}/ips/{number}"));
                let entry = Finding::new(FindingCode::PL615, "").pod(&used.pod.name).source(place);
                let entry = entry.interface(&attachment.interface).network(&attachment.network);
                let (store, owner) = (network.store.clone(), used.pod.describe());
                claims.entry(&network.segment).or_default().push(Claim {
                    first: ip,
                    last: ip,
                    store,
                    is_reference: false,
                    pool: None,
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
    let (mut reported, mut places) = (BTreeSet::new(), BTreeSet::new());
    for (index, claim) in claims.iter().enumerate() {
        let earlier = if claim.is_reference { &furthest_own } else { &furthest };
        let mut earlier = earlier.iter().flatten().copied().map(|index: usize| (index, &claims[index]));
        let overlapped = earlier.find(|(_, other)| {
            let same_family = other.first.is_ipv4() == claim.first.is_ipv4();
            same_family && !other.knows(claim) && other.last >= claim.first
        });
        if let Some((earlier, other)) = overlapped {
            let (at, own, other) = if claim.is_reference { (earlier, other, claim) } else { (index, claim, other) };
            // Ranges that are cut by what they exclude may meet more than once.
            let place = own.finding.source.as_ref().map(ToString::to_string);
            let met = other.finding.source.as_ref().map(ToString::to_string);
            let is_new = place.is_none() || places.insert((place, met));
            if is_new && (reported.insert(at) || !claim.is_reference) {
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
    entry.message = match (describe_range(own), describe_range(other)) {
        (own, same) if own == same => format!("{own} is of {} too", other.owner),
        (own, wide) => format!("{own} overlaps {wide}, of {}", other.owner),
    };
    let at = other.finding.source.as_ref().map(|source| format!("the other one is at {source}"));
    entry.notes([format!("both are on {segment}, and neither knows the addresses that the other gives")]).notes(at)
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

fn describe_range(claim: &Claim) -> String {
    if claim.first == claim.last { claim.first.to_string() } else { format!("{} - {}", claim.first, claim.last) }
}

/// The addresses of a list `ips`, with their positions.
fn requested_addresses(ips: &[String]) -> impl Iterator<Item = (usize, IpAddr)> {
    let read = |text: &String| text.parse::<IpNet>().map(|net| net.addr()).ok().or_else(|| text.parse().ok());
    ips.iter().enumerate().filter_map(move |(index, text)| Some((index, read(text)?)))
}

/// Names, the first few of them.
fn join_names(names: &[String]) -> String {
    match names.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", names[..MAX_NAMES].join(", ")),
        None => names.join(", "),
    }
}
