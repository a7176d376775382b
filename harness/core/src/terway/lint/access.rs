//! The document's table, "Access using a public IP address and port": masqAll and symmetric_routing, with and without
//! Datapath V2; and what portmap needs for any access.

use super::{Chain, ChainPlugin, Linter};
use crate::chain::go_key;
use crate::finding::FindingCode;
use crate::terway::usage::{Access, MASQ_ALL, NFTABLES_DROPS_MASQ_ALL, Need, SYMMETRIC};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The document's table: setting, without Datapath V2, with it.
pub const ROWS: [(&str, Need, Need); 2] =
    [("masqAll", Need::NotRequired, Need::Required), ("symmetric_routing", Need::Required, Need::Required)];

/// A line of the table for one use of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableRow {
    /// The setting.
    pub setting: String,
    /// Whether the document's table wants it.
    pub need: Need,
    /// What the configuration says: `true`, `false`, `not set`.
    pub set: String,
    /// Whether it is in force with the versions that are known; none where that is not known.
    pub in_force: Option<bool>,
}

const TABLE: &str = "the document, \"Access using a public IP address and port\"";

/// Takes from the configuration whether it makes Datapath V2, unless the usage says so.
pub(super) fn settle(linter: &mut Linter<'_>) {
    let makes = linter.lists.iter().filter(|list| is_v2(list)).count();
    match (linter.usage.datapath_v2, makes) {
        (None, 0) if !linter.lists.is_empty() => linter.usage.datapath_v2 = Some(false),
        (None, n) if n == linter.lists.len() && n > 0 => linter.usage.datapath_v2 = Some(true),
        (None, _) => linter.untold("whether nodes run Datapath V2: it hangs on each node; say --datapath-v2 yes or no"),
        _ => {}
    }
}

pub(super) fn lint(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    contradiction(chain, linter);
    let Some(access) = linter.usage.access else {
        linter.untold("what the access needs: say --access node, public, both or none");
        return;
    };
    let portmap = chain.plugin("portmap");
    if access == Access::None {
        linter.check();
        if let Some(portmap) = portmap {
            let message = "portmap is in the chain, and no pod has a hostPort";
            linter.add(FindingCode::PL629, chain.at(portmap, "type"), message);
        }
    } else {
        maps(chain, portmap, access, linter);
    }
    for (setting, without, with) in ROWS {
        let need = match (access.is_public(), linter.usage.datapath_v2) {
            (false, _) => Need::Unsaid,
            (true, _) if without == with => without,
            (true, Some(false)) => without,
            (true, Some(true)) => with,
            (true, None) => Need::Unknown,
        };
        let row = if setting == "masqAll" { masq_all(portmap, linter, need) } else { symmetric(chain, linter, need) };
        linter.check();
        let at = if setting == "masqAll" { portmap } else { chain.terway() };
        if let Some(link) = at {
            judge(chain, link, &row, access, linter);
        }
        linter.report.table.push(row);
    }
}

/// What every access to a hostPort needs.
fn maps(chain: &Chain<'_>, portmap: Option<&ChainPlugin>, access: Access, linter: &mut Linter<'_>) {
    linter.check();
    let Some(portmap) = portmap else {
        let message = format!("there is no portmap in the chain: no hostPort answers at {}", access.words());
        let notes = ["the document, \"Configure a portmap\": the plugin behind Terway's entry".to_owned()];
        linter.add_lack(chain.top_at("plugins"), message, notes);
        return;
    };
    linter.check();
    let capable = portmap.key("capabilities").and_then(Value::as_object).and_then(|all| go_key(all, "portMappings"));
    if capable != Some(&Value::Bool(true)) {
        let message = "portmap has no `\"capabilities\": {\"portMappings\": true}`: the runtime hands no port to it";
        let notes = ["the document's examples for both accesses have it".to_owned()];
        linter.add_lack(chain.at(portmap, "capabilities"), message, notes);
    }
}

fn masq_all(portmap: Option<&ChainPlugin>, linter: &Linter<'_>, need: Need) -> TableRow {
    let value = portmap.and_then(|portmap| portmap.key("masqAll"));
    let on = value == Some(&Value::Bool(true));
    let snat = portmap.and_then(|portmap| portmap.key("snat")) != Some(&Value::Bool(false));
    let backend = portmap.and_then(|portmap| portmap.key("backend")).and_then(Value::as_str);
    let in_force = match (on && snat, linter.usage.portmap_version, backend) {
        (false, _, _) => Some(false),
        (true, None, _) => None,
        (true, Some(version), Some("nftables")) => Some(version > NFTABLES_DROPS_MASQ_ALL),
        (true, Some(version), _) => Some(version >= MASQ_ALL),
    };
    TableRow { setting: "masqAll".to_owned(), need, set: said(value), in_force }
}

fn symmetric(chain: &Chain<'_>, linter: &Linter<'_>, need: Need) -> TableRow {
    // terway-cli reads it in these very letters, and only `true` counts (cmd/terway-cli/node.go).
    let value = chain.terway().and_then(|terway| terway.conf.get("symmetric_routing"));
    let in_force = match (value == Some(&Value::Bool(true)), linter.usage.terway_version) {
        (false, _) => Some(false),
        (true, None) => None,
        (true, Some(version)) => Some(version >= SYMMETRIC),
    };
    TableRow { setting: "symmetric_routing".to_owned(), need, set: said(value), in_force }
}

fn said(value: Option<&Value>) -> String {
    value.map_or("not set".to_owned(), ToString::to_string)
}

fn judge(chain: &Chain<'_>, link: &ChainPlugin, row: &TableRow, access: Access, linter: &mut Linter<'_>) {
    let at = chain.at(link, &row.setting);
    let column = match linter.usage.datapath_v2 {
        Some(true) => "Datapath V2",
        Some(false) => "Non-Datapath V2",
        None => "either column",
    };
    let line = format!("{TABLE}: {}, {column}: {}", row.setting, row.need.words());
    let is_masq = row.setting == "masqAll";
    match (row.need, row.set.as_str(), row.in_force) {
        (Need::Required, set, Some(false)) => {
            let because = match set {
                "true" => "is true without being in force".to_owned(),
                "not set" => "is missing".to_owned(),
                other => format!("is {other}"),
            };
            let message = format!("`{}` {because}, and needed for {}", row.setting, access.words());
            let mut notes = vec![line];
            if is_masq {
                notes.push("the document's example below its table has `\"masqAll\": false`; the table and Terway's docs/symmetric_routing_config.md (SNAT to the node's address with Datapath V2) say otherwise".to_owned());
            } else {
                notes.push("without it the reply leaves by the pod's ENI, since the node's rule for the pod's address comes first, and not by eth0, where the request came in".to_owned());
            }
            linter.add_lack(at, message, notes);
        }
        (Need::Unknown, "true", _) => {}
        (Need::Unknown, _, _) => {
            let message = format!(
                "`{}` is {}: the document says two things of it",
                row.setting,
                row.set.replace("not set", "missing")
            );
            linter
                .add(FindingCode::PL627, at, message)
                .note(format!("{TABLE}: masqAll, Non-Datapath V2: not required, Datapath V2: required"))
                .note("its example, right below, is for both columns and has `\"masqAll\": false`")
                .note("say --datapath-v2 yes or no to decide between them");
        }
        (Need::NotRequired | Need::Unsaid, "true", _) => {
            let what = if is_masq {
                "the server sees the node's address in the place of its clients'"
            } else {
                "replies to what came in by eth0 leave by eth0, for every pod of the node"
            };
            let why = match (row.need, access) {
                (Need::NotRequired, _) => line,
                (_, Access::None) => format!("{TABLE} wants it for a public address; here there is no hostPort"),
                _ => format!(
                    "{TABLE} wants it for a public address; \"Access using the private IP address and port of a node\" does not have it"
                ),
            };
            let message = format!("`{}` is not needed for {}", row.setting, access.words());
            linter.add(FindingCode::PL629, at, message).note(why).note(format!("what it does: {what}"));
        }
        _ => {}
    }
}

/// Whether a conflist runs Datapath V2.
fn is_v2(list: &Value) -> bool {
    let mut plugins = list["plugins"].as_array().into_iter().flatten();
    plugins.any(|plugin| plugin["eniip_virtual_type"] == "datapathv2")
}

/// Said to be Datapath V2, and the configuration makes another way; or the other way round.
fn contradiction(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    let (Some(said), Some(terway)) = (linter.usage.datapath_v2, chain.terway()) else { return };
    linter.check();
    if linter.lists.is_empty() || linter.lists.iter().any(|list| is_v2(list) == said) {
        return;
    }
    let at = chain.at(terway, "eniip_virtual_type");
    let message = if said {
        "said to run Datapath V2, and this chain makes pods with another way: the entry has no `\"eniip_virtual_type\": \"datapathv2\"`"
    } else {
        "said to run without Datapath V2, and this chain makes pods with it: `eniip_virtual_type` is datapathv2"
    };
    linter
        .add(FindingCode::PL635, at, message)
        .note("terway-cli takes the way from the chain's own entry (cmd/terway-cli/cni.go)");
}
