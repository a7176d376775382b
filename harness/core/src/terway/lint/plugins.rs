//! Are the plugins known, on the nodes, and in an order that can work.

use super::{Book, Chain};
use crate::finding::FindingCode;
use crate::judge::{doubts, known_keys};
use crate::suggestion::did_you_mean;
use crate::terway::eni_config::CONFLIST;
use crate::terway::expected::{CILIUM, TERWAY};

/// Rules of chains in general of which this lint has better ones.
const OWN: [FindingCode; 2] = [FindingCode::PL604, FindingCode::PL607];

pub(super) fn lint(chain: &Chain<'_>, book: &mut Book<'_>) {
    order(chain, book);
    nodes(chain, book);
    let known = || known_keys::plugins().chain([TERWAY, CILIUM]);
    for link in &chain.links {
        book.check();
        let there = book.cluster.is_some_and(|cluster| cluster.has_everywhere(&link.plugin));
        if known().any(|known| known == link.plugin) || there {
            continue;
        }
        let near = did_you_mean(&link.plugin, known()).map(|near| format!("did you mean `{near}`?"));
        let message = format!(
            "plugin `{}` is not known here: whether it is on the nodes, and what it does, can't be told",
            link.plugin
        );
        book.add(FindingCode::PL633, chain.at(link, "type"), message, near);
    }
    // What holds for every chain: keys that a plugin drops, values that can't be meant.
    book.check();
    let doubts = doubts(&chain.network());
    book.report.findings.extend(doubts.into_iter().filter(|doubt| !OWN.contains(&doubt.code)));
}

fn order(chain: &Chain<'_>, book: &mut Book<'_>) {
    book.check();
    let terway = chain.links.iter().position(|link| link.plugin == TERWAY);
    for (position, link) in chain.links.iter().enumerate() {
        let at = chain.at(link, "type");
        let behind = terway.is_some_and(|terway| position > terway);
        match link.plugin.as_str() {
            TERWAY if behind => {
                book.add(
                    FindingCode::PL630,
                    at,
                    "Terway is in the chain twice: the second one finds eth0 there, and fails",
                    [],
                );
            }
            CILIUM if !behind => {
                let notes = ["terway-cli gives it the way to the pod that it has seen so far: an empty one".to_owned()];
                book.add(FindingCode::PL630, at, "cilium-cni comes before Terway", notes);
            }
            "bandwidth" => {
                let notes = ["Terway's result names no end on the node; give `\"capabilities\": {\"bandwidth\": true}` to Terway, which limits by itself".to_owned()];
                book.add(
                    FindingCode::PL630,
                    at,
                    "bandwidth can't work behind Terway: it looks for the node's end of a veth in the result",
                    notes,
                );
            }
            maker if known_keys::MAKERS.contains(&maker) => {
                let message = format!("{maker} makes an interface of its own: eth0 is Terway's, so it fails");
                book.add(FindingCode::PL630, at, message, []);
            }
            needs if !behind && known_keys::NEED_RESULT.contains(&needs) && terway.is_some() => {
                let message = format!("{needs} comes before Terway, and has no earlier result to work on");
                book.add(FindingCode::PL630, at, message, []);
            }
            _ => {}
        }
    }
}

/// What a cluster that was looked at says to the chain.
fn nodes(chain: &Chain<'_>, book: &mut Book<'_>) {
    let Some(cluster) = book.cluster else {
        if chain.links.len() > 1 {
            book.untold("whether the plugins are on every node, and whether a node has its ENIs for single pods: `--context` looks");
        }
        return;
    };
    for link in &chain.links {
        let lacking = cluster.lacking(&link.plugin);
        book.check();
        if !lacking.is_empty() {
            let message = format!("plugin `{}` is not on {}", link.plugin, lacking.join(", "));
            let notes = [
                "Terway's image brings terway and cilium-cni alone; every other plugin must be in /opt/cni/bin already"
                    .to_owned(),
            ];
            book.add(FindingCode::PL632, chain.at(link, "type"), message, notes);
        }
    }
    if cluster.nodes.iter().any(|node| node.plugins.is_none()) && chain.links.len() > 1 {
        book.untold("which plugins are on the nodes: that can't be read without a pod there");
    }
    let exclusive: Vec<&str> =
        cluster.nodes.iter().filter(|node| node.facts.exclusive).map(|node| node.name.as_str()).collect();
    if chain.key == CONFLIST {
        book.check();
        if !exclusive.is_empty() {
            let message = format!("{} will not run this chain", exclusive.join(", "));
            let notes = [
                "their ENIs are for single pods (k8s.aliyun.com/exclusive-mode-eni-type: eniOnly)".to_owned(),
                "the sources: terway-cli nodeconfig puts a fixed list with Terway alone in its place, symmetric_routing gone too; the document is silent".to_owned(),
            ];
            book.add(FindingCode::PL631, chain.top_at("plugins"), message, notes);
        }
    }
}
