//! Are the plugins known, on the nodes, and in an order that can work.

use super::{Chain, Linter};
use crate::finding::{Finding, FindingCode};
use crate::keys::Kind;
use crate::rules::known_plugins;
use crate::rules::{ClusterFacts, Context, Use, check_network};
use crate::source::Source;
use crate::suggestion::suggest;
use crate::terway::eni_config::CONFLIST;
use crate::terway::expected::{CILIUM, TERWAY};

/// Rules of chains in general of which this lint has better ones.
const OWN: [FindingCode; 3] = [FindingCode::PL604, FindingCode::PL607, FindingCode::PL633];

/// Keys of portmap whose releases `versions` checks.
const OWN_KEYS: [&str; 2] = ["masqAll", "backend"];

pub(super) fn lint(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    order(chain, linter);
    nodes(chain, linter);
    let known = || known_plugins::names().filter(|name| known_plugins::role(name) != Some(Kind::Ipam));
    for link in &chain.links {
        linter.check();
        let there = linter.cluster.is_some_and(|cluster| cluster.has_everywhere(&link.plugin));
        if known().any(|known| known == link.plugin) || there {
            continue;
        }
        let near = suggest(&link.plugin, known());
        let message = format!(
            "plugin `{}` is not known here: whether it is on the nodes, and what it does, is unknown",
            link.plugin
        );
        linter.add(FindingCode::PL633, chain.at(link, "type"), message).notes(near);
    }
    // What holds for every chain: keys that a plugin drops, values that can't be meant.
    linter.check();
    let cluster = ClusterFacts::default();
    let context = Context { network_use: Use::Terway, releases: &linter.releases, cluster: &cluster };
    let found = check_network(&chain.network(), &context);
    let portmaps = chain.links.iter().filter(|link| link.plugin == "portmap");
    let own: Vec<Source> = portmaps.flat_map(|link| OWN_KEYS.map(|key| chain.at(link, key))).collect();
    let is_own = |finding: &Finding| {
        OWN.contains(&finding.code)
            || (finding.code == FindingCode::PL610 && finding.source.as_ref().is_some_and(|at| own.contains(at)))
    };
    linter.report.findings.extend(found.into_iter().filter(|finding| !is_own(finding)));
}

fn order(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    linter.check();
    let terway = chain.links.iter().position(|link| link.plugin == TERWAY);
    for (position, link) in chain.links.iter().enumerate() {
        let at = chain.at(link, "type");
        let behind = terway.is_some_and(|terway| position > terway);
        match link.plugin.as_str() {
            TERWAY if behind => {
                linter.add(
                    FindingCode::PL630,
                    at,
                    "Terway is in the chain twice: the second one finds eth0 there, and fails",
                );
            }
            CILIUM if !behind => {
                linter
                    .add(FindingCode::PL630, at, "cilium-cni comes before Terway")
                    .note("terway-cli gives it the way to the pod that it has seen so far: an empty one");
            }
            "bandwidth" => {
                linter.add(FindingCode::PL630, at, "bandwidth can't work behind Terway: it looks for the node's end of a veth in the result")
                    .note("Terway's result names no end on the node; give `\"capabilities\": {\"bandwidth\": true}` to Terway, which limits by itself");
            }
            main if known_plugins::role(main) == Some(Kind::Main) => {
                let message = format!("{main} makes an interface of its own: eth0 is Terway's, so it fails");
                linter.add(FindingCode::PL630, at, message);
            }
            meta if !behind && known_plugins::role(meta) == Some(Kind::Meta) && terway.is_some() => {
                let message = format!("{meta} comes before Terway, and has no earlier result to work on");
                linter.add(FindingCode::PL630, at, message);
            }
            _ => {}
        }
    }
}

/// What a cluster that was looked at says to the chain.
fn nodes(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    let Some(cluster) = linter.cluster else {
        if chain.links.len() > 1 {
            linter.untold("whether the plugins are on every node, and whether a node has its ENIs for single pods: `--context` looks");
        }
        return;
    };
    for link in &chain.links {
        let lacking = cluster.lacking(&link.plugin);
        linter.check();
        if !lacking.is_empty() {
            let message = format!("plugin `{}` is not on {}", link.plugin, lacking.join(", "));
            linter.add(FindingCode::PL632, chain.at(link, "type"), message).note(
                "Terway's image brings terway and cilium-cni alone; every other plugin must be in /opt/cni/bin already",
            );
        }
    }
    if cluster.nodes.iter().any(|node| node.plugins.is_none()) && chain.links.len() > 1 {
        linter.untold("which plugins are on the nodes: reading them needs a pod on each node");
    }
    let exclusive: Vec<&str> =
        cluster.nodes.iter().filter(|node| node.facts.exclusive).map(|node| node.name.as_str()).collect();
    if chain.key == CONFLIST {
        linter.check();
        if !exclusive.is_empty() {
            let message = format!("{} will not run this chain", exclusive.join(", "));
            linter.add(FindingCode::PL631, chain.top_at("plugins"), message)
                .note("their ENIs are for single pods (k8s.aliyun.com/exclusive-mode-eni-type: eniOnly)")
                .note("the sources: terway-cli nodeconfig puts a fixed list with Terway alone in its place, symmetric_routing gone too; the document is silent");
        }
    }
}
