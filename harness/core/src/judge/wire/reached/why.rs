//! What the chain and the node explain of what was seen: facts of the plan and of the node's kernel beside a finding that
//! stands without them.

use super::Case;
use crate::finding::FindingCode;
use crate::judge::ledger::Ledger;
use crate::plan::Party;
use serde_json::Value;

/// Up to this release portmap's nftables backend does not read `masqAll` (portmap_nftables.go from v1.6.0 to v1.9.1).
const DEFECT: &str = "portmap's nftables backend, of 1.6.0 to 1.9.1 in every release, does not read masqAll; the iptables \
                      backend does since 1.2.0";

/// Why an answer left by these interfaces.
pub(super) fn astray(case: &Case<'_>, interfaces: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    let topology = &case.act.plan.topology;
    let of_node = |name: &&str| topology.ports.iter().find(|port| port.node == case.node && port.name == **name);
    let Some(eni) = interfaces.iter().filter_map(of_node).find(|port| port.eni.is_some()) else {
        return notes;
    };
    let rules =
        case.act.observation.nodes.iter().filter(|seen| seen.node == case.node).flat_map(|seen| &seen.kernel.rules);
    let is_pods = |rule: &&crate::observe::Rule| rule.from.is_some_and(|net| net.addr() == case.there.address);
    for rule in rules.filter(is_pods) {
        notes.push(format!(
            "{} is an ENI: rule {} of the node, `from {} lookup {}`, sends what the pod says there",
            eni.name, rule.priority, case.there.address, rule.table
        ));
    }
    notes.push(match &topology.symmetric {
        None => {
            "the chain does not ask for symmetric_routing (Terway 1.15.0 and later), so nothing brings an answer back \
                 to where its question came in"
                .to_owned()
        }
        Some(symmetric) => {
            format!("the chain asks for symmetric routing by {}, and it does not hold", symmetric.interface)
        }
    });
    notes
}

/// What the chain's portmap is told about source addresses.
pub(super) fn source(case: &Case<'_>) -> Vec<String> {
    let Some(portmap) = portmap(case) else { return Vec::new() };
    let told = |key: &str| portmap.get(key).map_or_else(|| "not given".to_owned(), Value::to_string);
    vec![format!(
        "portmap of the chain: masqAll {}, snat {}, backend {}",
        told("masqAll"),
        told("snat"),
        told("backend")
    )]
}

/// Says so where portmap is known not to do what it is told.
pub(super) fn known_defect(case: &Case<'_>, ledger: &mut Ledger) {
    let Some(portmap) = portmap(case) else { return };
    let is_node = |party: &Party| *party == Party::Node(case.node);
    let wants_node = match case.wanted().seen_from.as_ref().map(|wanted| &wanted.value) {
        Some(None) => true,
        Some(Some(crate::plan::SeenAs::Party(party))) => is_node(party),
        Some(Some(crate::plan::SeenAs::Address(address))) => case.addresses(&Party::Node(case.node)).contains(address),
        None => false,
    };
    if portmap["masqAll"] != true || portmap["backend"] != "nftables" || !wants_node {
        return;
    }
    let entry = case.finding(FindingCode::PL423, "masqAll does nothing with portmap's nftables backend");
    let entry = entry.expected("masqueraded, as masqAll says").found(Some("not masqueraded".to_owned()));
    ledger.add(entry.notes([DEFECT.to_owned()]));
}

/// The configuration of portmap in the default network.
fn portmap(case: &Case<'_>) -> Option<Value> {
    let network = case.act.plan.topology.default_network.as_ref()?;
    let whole: Value = serde_json::from_str(&network.config).ok()?;
    whole["plugins"].as_array()?.iter().find(|plugin| plugin["type"] == "portmap").cloned()
}
