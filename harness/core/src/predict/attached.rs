//! Predictions for a pod whose chains a container runtime ran: only the state after all of them is known. It is compared
//! with the state of a pod without attachments, and on the node with what belongs to this pod.

use super::case::PluginCase;
use super::compare::{self, Difference};
use super::expected::Expected;
use super::plugins;
use super::world::{Predicted, World};
use super::{JudgedCall, masquerade};
use crate::chain::go_key;
use crate::cni::{AttachedChain, PluginCall, StateAfter};
use crate::observe::is_v6_link_local;
use crate::state::{Change, FactKey, FactKind, NamespaceState, PodAndNode, Subject, peer_name};
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The interface of the default network.
const DEFAULT_INTERFACE: &str = "eth0";

/// The folders of a shared node of which files are read.
const FOLDERS: [&str; 2] = ["/run/cni/", "/var/lib/cni/"];

/// A predicted fact, with the place of the call that made it last.
type ByCall = BTreeMap<(Subject, FactKey), (usize, Predicted)>;

/// Judges the calls of all chains of a pod. A difference belongs to the call that predicts the fact last; one that no call
/// predicts belongs to the last call of the chain of its interface, or of the last chain.
///
/// Where one plugin can't be predicted, or the runtime has no record of a chain, only facts of interfaces are compared whose
/// chains can be. Without a baseline nothing is.
pub fn judge_attached(after: &StateAfter) -> Vec<JudgedCall<'_>> {
    let Some(baseline) = &after.baseline else { return Vec::new() };
    let before = PodAndNode {
        pod: adopt_default_network(baseline, &after.now.pod),
        node: without_pod(&after.now.node, &after.chains),
    };
    let calls: Vec<(&AttachedChain, &PluginCall)> =
        after.chains.iter().flat_map(|chain| chain.calls.iter().map(move |call| (chain, call))).collect();
    let mut judged: Vec<JudgedCall<'_>> = calls
        .iter()
        .map(|(chain, call)| JudgedCall { is_observed: false, ..JudgedCall::new(call, chain.calls.len()) })
        .collect();
    let predicted = predict_all(&calls, &before, &after.now, &mut judged);
    let without_model = judged.iter().filter(|one| one.unpredicted.is_some()).map(|one| one.call.ifname.as_str());
    let without_record = after.chains.iter().filter(|chain| chain.calls.is_empty()).map(|chain| chain.ifname.as_str());
    let unpredicted: BTreeSet<&str> = without_model.chain(without_record).collect();
    let is_compared = |subject: Subject, key: &FactKey, text: Option<&str>| {
        let belongs = subject == Subject::Pod || is_of_pod(key, text, &after.chains);
        belongs && (unpredicted.is_empty() || is_of_whole_chain(key, &after.chains, &unpredicted))
    };
    let is_predicted_here = |subject: Subject, key: &FactKey, predicted: &Predicted| {
        let now = after.now.of(subject);
        let text = if let Expected::Value(text) = &predicted.expected { Some(text.as_str()) } else { now.get(key) };
        let is_joined = !unpredicted.is_empty() && is_joined_route(key, now);
        is_compared(subject, key, text) && !is_joined && !is_counted_higher(key, predicted, now)
    };
    for (place, one) in judged.iter_mut().enumerate() {
        let own: BTreeMap<(Subject, FactKey), Predicted> = predicted
            .iter()
            .filter(|((subject, key), (by, fact))| *by == place && is_predicted_here(*subject, key, fact))
            .map(|(key, (_, predicted))| (key.clone(), predicted.clone()))
            .collect();
        (one.differences, one.coverage) = compare::compare(&after.now, &own, &[]);
        // What the fact was before is known from the baseline.
        for difference in &mut one.differences {
            difference.before = before.of(difference.subject).get(&difference.key).map(str::to_owned);
        }
    }
    let changes = before.changes_to(&after.now).into_iter().filter(|change| {
        let text = change.after.as_deref().or(change.before.as_deref());
        is_compared(change.subject, &change.key, text) && !predicted.contains_key(&(change.subject, change.key.clone()))
    });
    for change in changes.filter(|change| !compare::settles_later(&change.key) && !is_of_host(change)) {
        let Some(place) = place_of(&calls, &change.key) else { continue };
        judged[place].differences.push(Difference {
            subject: change.subject,
            key: change.key,
            predicted: None,
            before: change.before,
            found: change.after,
        });
    }
    judged.iter_mut().for_each(|one| one.differences = compare::join_moved(std::mem::take(&mut one.differences)));
    judged
}

/// Predicts the calls one after the other, each on the predicted state after the one before. What a prediction leaves open
/// is taken from the state after all calls.
fn predict_all(
    calls: &[(&AttachedChain, &PluginCall)],
    before: &PodAndNode,
    now: &PodAndNode,
    judged: &mut [JudgedCall<'_>],
) -> ByCall {
    let mut state = before.clone();
    let mut predicted = ByCall::new();
    for (place, (chain, call)) in calls.iter().enumerate() {
        let call = with_previous_routes(chain, call);
        let Some(case) = PluginCase::read(&call) else { continue };
        let mut world = World::new(&state);
        if let Err(reason) = plugins::predict(&case, &mut world) {
            judged[place].unpredicted = Some(reason);
            continue;
        }
        // The record has one result, that of the whole chain.
        let (facts, _) = world.into_predicted();
        for ((subject, key), fact) in facts {
            let found = now.of(subject).get(&key);
            let value = match &fact.expected {
                Expected::Value(value) => Some(value.as_str()),
                Expected::Absent => None,
                open => found.filter(|found| open.admits(Some(found))),
            };
            let of_subject = match subject {
                Subject::Pod => &mut state.pod,
                Subject::Node => &mut state.node,
            };
            match value {
                Some(value) => of_subject.set(key.clone(), value),
                None => of_subject.retain(|known, _| *known != key),
            }
            predicted.insert((subject, key), (place, fact));
        }
    }
    predicted
}

/// The call with the routes in its `prevResult` that the chain's IPAM gives: the cached result is the final one, from which
/// a later plugin may have taken them.
fn with_previous_routes(chain: &AttachedChain, call: &PluginCall) -> PluginCall {
    let mut call = call.clone();
    let first = chain.calls.first().and_then(|first| first.stdin.as_object());
    let given = first.and_then(|conf| go_key(go_key(conf, "ipam")?.as_object()?, "routes"));
    if let (Some(Value::Array(given)), Some(Value::Object(previous))) = (given, call.stdin.get_mut("prevResult")) {
        let routes = previous.entry("routes").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(routes) = routes {
            routes.extend(given.iter().cloned());
        }
    }
    call
}

/// The state of a pod without attachments as if it were this pod: with the MAC address and the addresses of its default
/// network.
fn adopt_default_network(baseline: &NamespaceState, now: &NamespaceState) -> NamespaceState {
    let identity = |state: &NamespaceState| {
        let mac = state.get(&FactKey::link(DEFAULT_INTERFACE, "mac")).map(str::to_owned);
        let addresses = state.of_link(FactKind::Address, DEFAULT_INTERFACE);
        let addresses: Vec<IpNet> = addresses.filter_map(|(key, _)| key.item.parse().ok()).collect();
        let of_family = |v6: bool| {
            let own = |net: &&IpNet| net.addr().is_ipv6() == v6 && !is_v6_link_local(net.addr());
            addresses.iter().find(own).map(|net| net.addr().to_string())
        };
        [mac, of_family(false), of_family(true)]
    };
    let renamed: Vec<(String, String)> =
        identity(baseline).into_iter().zip(identity(now)).filter_map(|(old, new)| Some((old?, new?))).collect();
    let rename = |text: &str| {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            let (head, tail) = word.split_once('/').map_or((word, None), |(head, tail)| (head, Some(tail)));
            let head = renamed.iter().find(|(old, _)| old == head).map_or(head, |(_, new)| new.as_str());
            words.push(tail.map_or_else(|| head.to_owned(), |tail| format!("{head}/{tail}")));
        }
        words.join(" ")
    };
    let mut adopted = NamespaceState::default();
    for (key, value) in baseline.iter() {
        adopted.set(FactKey::new(key.kind, key.link.clone(), rename(&key.item)), rename(value));
    }
    adopted
}

/// The state of a node without what belongs to the pod.
fn without_pod(node: &NamespaceState, chains: &[AttachedChain]) -> NamespaceState {
    let mut without = node.clone();
    without.retain(|key, text| !is_of_pod(key, Some(text), chains));
    without
}

/// Whether a fact of the node belongs to the attachments of a pod: it is of the other end of one of its veths, a file that
/// names its container and interface, or a firewall rule that names its network and container, or a chain made for them.
fn is_of_pod(key: &FactKey, text: Option<&str>, chains: &[AttachedChain]) -> bool {
    let known = || chains.iter().filter(|chain| !chain.container_id.is_empty());
    match key.kind {
        FactKind::File if FOLDERS.iter().any(|folder| key.item.starts_with(folder)) => known().any(|chain| {
            let text = text.unwrap_or_default();
            let is_of_interface = text.lines().nth(1).is_none_or(|interface| interface == chain.ifname);
            let names = |text: &str| text.contains(&chain.container_id);
            is_of_interface && (names(text) || names(&key.item))
        }),
        FactKind::File => false,
        // The rules of the default network name the same container.
        FactKind::Firewall => known().any(|chain| {
            let AttachedChain { network, container_id, .. } = chain;
            let comment = format!(r#"name: \"{network}\" id: \"{container_id}\""#);
            let chains = ["", "DN-"].map(|prefix| masquerade::chain_name(prefix, network, container_id));
            key.item.contains(&comment) || chains.iter().any(|name| key.item.contains(name.as_str()))
        }),
        _ => chains.iter().any(|chain| key.link == peer_name(&chain.ifname)),
    }
}

/// Whether a change is one of the host: a sysctl of no device that exists on one side only. It came or went with a module of
/// the kernel.
fn is_of_host(change: &Change) -> bool {
    let is_on_one_side = change.before.is_none() || change.after.is_none();
    change.key.kind == FactKind::Sysctl && change.key.link.is_empty() && is_on_one_side
}

/// Whether the kernel joined a predicted IPv6 route with one of another interface, to one route with several next hops.
fn is_joined_route(key: &FactKey, now: &NamespaceState) -> bool {
    let is_joined = |other: &FactKey| {
        other.kind == FactKind::Route
            && other.item == key.item
            && other.link != key.link
            && other.link.split(' ').any(|link| link == key.link)
    };
    key.kind == FactKind::Route && now.iter().any(|(other, _)| is_joined(other))
}

/// Whether a count of what listens to all packets is higher than predicted: a program in a container may listen too.
fn is_counted_higher(key: &FactKey, predicted: &Predicted, now: &NamespaceState) -> bool {
    let Expected::Value(wanted) = &predicted.expected else { return false };
    let number = |text: &str| text.parse::<u32>().ok();
    key.kind == FactKind::Link
        && matches!(key.item.as_str(), "promiscuity" | "allmulti")
        && now.get(key).and_then(number) > number(wanted)
}

/// Whether a fact is of an interface, or of the node's end of one, whose whole chain can be predicted.
fn is_of_whole_chain(key: &FactKey, chains: &[AttachedChain], unpredicted: &BTreeSet<&str>) -> bool {
    let is_of = |chain: &AttachedChain| key.link == chain.ifname || key.link == peer_name(&chain.ifname);
    chains.iter().any(|chain| is_of(chain) && !unpredicted.contains(chain.ifname.as_str()))
}

/// The call to which a change belongs that no call predicts.
fn place_of(calls: &[(&AttachedChain, &PluginCall)], key: &FactKey) -> Option<usize> {
    let is_of = |chain: &AttachedChain| key.link == chain.ifname || key.link == peer_name(&chain.ifname);
    calls.iter().rposition(|(chain, _)| is_of(chain)).or_else(|| calls.len().checked_sub(1))
}
