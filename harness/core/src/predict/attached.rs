//! Predictions for a pod whose chains a container runtime ran: only the state after all of them is known. It is compared
//! with the state of a pod without attachments, and on the node with what belongs to this pod.

use super::case::PluginCase;
use super::compare;
use super::expected::Expected;
use super::plugins;
use super::world::{Predicted, World};
use super::{JudgedCall, compare::Difference};
use crate::cni::{AttachedChain, PluginCall, StateAfter};
use crate::observe::is_v6_link_local;
use crate::state::{FactKey, FactKind, NamespaceState, PodAndNode, Subject, peer_name};
use ipnet::IpNet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The interface of the default network.
const DEFAULT_INTERFACE: &str = "eth0";

/// A predicted fact, with the place of the call that made it last.
type ByCall = BTreeMap<(Subject, FactKey), (usize, Predicted)>;

/// Judges the calls of all chains of a pod. A difference belongs to the call that predicts the fact last; one that no call
/// predicts belongs to the last call of the chain of its interface, or of the last chain.
///
/// Where one plugin can't be predicted, only facts of interfaces are compared whose chains can be.
pub fn judge_attached(after: &StateAfter) -> Vec<JudgedCall<'_>> {
    let before = PodAndNode {
        pod: adopt_default_network(&after.baseline, &after.now.pod),
        node: without_pod(&after.now.node, &after.chains),
    };
    let calls: Vec<(&AttachedChain, &PluginCall)> =
        after.chains.iter().flat_map(|chain| chain.calls.iter().map(move |call| (chain, call))).collect();
    let mut judged: Vec<JudgedCall<'_>> = calls
        .iter()
        .map(|(chain, call)| JudgedCall { is_observed: false, ..JudgedCall::new(call, chain.calls.len()) })
        .collect();
    let predicted = predict_all(&calls, &before, &after.now, &mut judged);
    let unpredicted: BTreeSet<&str> =
        judged.iter().filter(|one| one.unpredicted.is_some()).map(|one| one.call.ifname.as_str()).collect();
    let is_compared = |subject: Subject, key: &FactKey| {
        let belongs = subject == Subject::Pod || is_of_pod(key, &after.now.node, &after.chains);
        belongs && (unpredicted.is_empty() || is_of_whole_chain(key, &after.chains, &unpredicted))
    };
    for (place, one) in judged.iter_mut().enumerate() {
        let own: BTreeMap<(Subject, FactKey), Predicted> = predicted
            .iter()
            .filter(|((subject, key), (by, _))| *by == place && is_compared(*subject, key))
            .map(|(key, (_, predicted))| (key.clone(), predicted.clone()))
            .collect();
        (one.differences, one.coverage) = compare::compare(&after.now, &own, &[]);
        // What the fact was before is known from the baseline.
        for difference in &mut one.differences {
            difference.before = before.of(difference.subject).get(&difference.key).map(str::to_owned);
        }
    }
    let changes = before.changes_to(&after.now).into_iter().filter(|change| {
        is_compared(change.subject, &change.key) && !predicted.contains_key(&(change.subject, change.key.clone()))
    });
    for change in changes.filter(|change| !compare::settles_later(&change.key)) {
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
        // The record has one result, the final one, in which the parts of each plugin are not told apart.
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
    let first = chain.calls.first().map(|first| &first.stdin["ipam"]["routes"]);
    if let (Some(Value::Array(given)), Some(Value::Object(previous))) = (first, call.stdin.get_mut("prevResult")) {
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
    without.retain(|key, _| !is_of_pod(key, node, chains));
    without
}

/// Whether a fact of the node belongs to the attachments of a pod: it is of the other end of one of its veths, a file that
/// names its container, or a firewall rule that does.
fn is_of_pod(key: &FactKey, node: &NamespaceState, chains: &[AttachedChain]) -> bool {
    let names =
        |chain: &AttachedChain, text: &str| !chain.container_id.is_empty() && text.contains(&chain.container_id);
    match key.kind {
        FactKind::File => {
            let text = node.get(key).unwrap_or_default();
            chains.iter().any(|chain| {
                let holds = text.lines().nth(1).is_none_or(|interface| interface == chain.ifname);
                holds && (names(chain, text) || names(chain, &key.item))
            })
        }
        // The rules of the default network name the same container.
        FactKind::Firewall => chains.iter().any(|chain| names(chain, &key.item) && has_word(&key.item, &chain.network)),
        _ => chains.iter().any(|chain| key.link == peer_name(&chain.ifname)),
    }
}

/// Whether a text has a word; words consist of letters, digits and what else names of networks may have.
fn has_word(text: &str, word: &str) -> bool {
    let separates = |each: char| !(each.is_ascii_alphanumeric() || matches!(each, '_' | '.' | '-'));
    text.split(separates).any(|one| one == word)
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
