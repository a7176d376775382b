//! What terway-cli makes of an `eni-config` on a node (Terway v1.17.5, `cmd/terway-cli/cni.go`, `mergeConfigList`).
//!
//! The custom list is taken instead of Terway's own entry, never merged with it. The result depends on the node too:
//! on its kernel's BPF helpers, on whether a Cilium chain was there before, on feature gates. Where that is not known,
//! every conflist that can come of it is given.

use super::eni_config::{CONF, CONFLIST, EniConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The plugin of Terway.
pub(super) const TERWAY: &str = "terway";
/// The plugin of Cilium that Terway chains behind itself.
pub(super) const CILIUM: &str = "cilium-cni";
/// Ways to a pod, key `eniip_virtual_type`.
const VETH: &str = "veth";
const IPVLAN: &str = "ipvlan";
const V2: &str = "datapathv2";

/// What the node said of a Cilium chain when terway-cli ran last (`/var/run/eni/node_capabilities`,
/// `has_cilium_chainer`; without it, whether there is a link `cilium_net`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Before {
    /// It ran with one.
    Cilium,
    /// It ran without one.
    None,
    /// Nothing is known: a new node.
    New,
}

/// A node, as far as terway-cli looks at it. The kernel is 5.10 or later, else terway-cli refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Whether bpftool lists `bpf_skb_ecn_set_ce`.
    pub edt: bool,
    /// What was there before.
    pub before: Before,
    /// Whether Cilium's state lets host routing be used, or there is none.
    pub host_routing: bool,
    /// Whether the feature gate `AutoDataPathV2` turns ipvlan into Datapath V2 here.
    pub auto_v2: bool,
}

/// What is known of a node; what is not is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// As [`Node::edt`].
    pub edt: Option<bool>,
    /// As [`Node::before`].
    pub before: Option<Before>,
    /// As [`Node::host_routing`].
    pub host_routing: Option<bool>,
    /// As [`Node::auto_v2`].
    pub auto_v2: Option<bool>,
    /// Whether the node has its ENIs for single pods (label `k8s.aliyun.com/exclusive-mode-eni-type: eniOnly`): then
    /// `terway-cli nodeconfig` replaces every chain by a fixed list (`node.go`, `overrideCNI`).
    pub exclusive: bool,
}

/// The fixed list of a node with exclusive ENIs (`node.go`, `eniOnlyCNI`).
fn exclusive() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "terway-chainer",
        "plugins": [
            { "capabilities": { "bandwidth": true }, "host_stack_cidrs": ["169.254.20.10/32"], "type": TERWAY },
        ],
    })
}

/// Every conflist that can come of the configuration on a node of which this is known, each once.
///
/// # Errors
/// Why terway-cli refuses it, on every such node.
pub fn alternatives(config: &EniConfig, facts: &NodeFacts) -> Result<Vec<Value>, String> {
    let mut lists = Vec::new();
    let mut refused = None;
    for node in possible_nodes(facts) {
        match conflist(config, &node) {
            Ok(_) if facts.exclusive => return Ok(vec![exclusive()]),
            Ok(list) if lists.contains(&list) => {}
            Ok(list) => lists.push(list),
            Err(why) => refused = Some(why),
        }
    }
    match refused {
        Some(why) if lists.is_empty() => Err(why),
        _ => Ok(lists),
    }
}

/// Every node that fits what is known of one.
fn possible_nodes(facts: &NodeFacts) -> Vec<Node> {
    let either = |known: Option<bool>| known.map_or(vec![false, true], |known| vec![known]);
    let befores = facts.before.map_or(vec![Before::None, Before::New, Before::Cilium], |before| vec![before]);
    let mut nodes = Vec::new();
    for before in befores {
        for auto_v2 in either(facts.auto_v2) {
            for host_routing in either(facts.host_routing) {
                nodes.extend(either(facts.edt).into_iter().map(|edt| Node { edt, before, host_routing, auto_v2 }));
            }
        }
    }
    nodes
}

/// The conflist that terway-cli makes of the configuration on a node.
///
/// # Errors
/// Why it refuses it.
pub fn conflist(config: &EniConfig, node: &Node) -> Result<Value, String> {
    let key = if config.data.contains_key(CONFLIST) { CONFLIST } else { CONF };
    let json = config.json(key).ok_or_else(|| format!("there is no {CONF}"))?;
    let value = json.value.map_err(|problem| format!("{key} is not JSON: {}", problem.message))?;
    if !config.data.contains_key(CONF) && config.whole {
        return Err(format!("there is no {CONF}"));
    }
    let entries = match &value {
        Value::Object(top) if top.contains_key("plugins") => match &top["plugins"] {
            Value::Array(plugins) => plugins.clone(),
            // Of an object the library gives its values in no order; of anything else none.
            Value::Object(plugins) => plugins.values().cloned().collect(),
            _ => Vec::new(),
        },
        _ => vec![value],
    };
    let plugins = merge(entries, config.network_policy(), node)?;
    let mut list = json!({ "cniVersion": "0.4.0", "name": "terway-chainer" });
    if !plugins.is_empty() {
        list["plugins"] = Value::Array(plugins);
    }
    Ok(list)
}

/// What happens to the entries, in order.
fn merge(entries: Vec<Value>, policy: bool, node: &Node) -> Result<Vec<Value>, String> {
    let (mut wants_cilium, mut has_cilium, mut edt) = (false, false, node.edt);
    let mut datapath = "";
    let mut provider = "iptables".to_owned();
    let mut plugins = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let Value::Object(mut entry) = entry else { return Err(format!("plugin {position} has no `type`")) };
        entry.remove("cniVersion");
        entry.remove("name");
        let kind = entry.get("type").and_then(Value::as_str).map(str::to_owned);
        let kind = kind.ok_or_else(|| format!("plugin {position} has no `type`, or none that is a string"))?;
        if kind == CILIUM {
            (wants_cilium, has_cilium) = (true, true);
            entry.insert("datapath".into(), datapath.into());
        }
        if kind == TERWAY {
            if let Some(given) = entry.get("network_policy_provider") {
                given.as_str().ok_or("network_policy_provider is no string")?.clone_into(&mut provider);
            }
            datapath = way(&entry, &provider, policy, node, datapath)?;
            (wants_cilium, edt) = match datapath {
                VETH => (node.before == Before::Cilium, false),
                _ => (true, edt),
            };
            entry.insert("eniip_virtual_type".into(), datapath.into());
            entry.insert("bandwidth_mode".into(), if edt { "edt" } else { "tc" }.into());
        }
        plugins.push(Value::Object(entry));
    }
    if wants_cilium && !has_cilium {
        plugins.push(json!({
            "type": CILIUM, "enable-debug": false, "log-file": "/var/run/cilium/cilium-cni.log", "data-path": datapath,
        }));
    }
    Ok(plugins)
}

/// The way to a pod that a terway entry comes to on a node.
fn way<'a>(
    entry: &Map<String, Value>,
    provider: &str,
    policy: bool,
    node: &Node,
    before: &'a str,
) -> Result<&'a str, String> {
    let wanted = entry.get("eniip_virtual_type").and_then(Value::as_str).unwrap_or(VETH).to_lowercase();
    let datapath = match wanted.as_str() {
        VETH | "" => {
            let allowed = match node.before {
                Before::Cilium => true,
                Before::None => false,
                Before::New => policy,
            };
            if provider == "ebpf" && allowed && node.host_routing { V2 } else { VETH }
        }
        IPVLAN if node.auto_v2 => V2,
        IPVLAN => IPVLAN,
        V2 => V2,
        // What an earlier terway entry came to stays in force.
        _ => before,
    };
    if datapath.is_empty() {
        Err(format!("eniip_virtual_type `{wanted}` is none that Terway knows"))
    } else {
        Ok(datapath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[(&str, &str)]) -> EniConfig {
        EniConfig::of_cluster(keys.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    const ENTRY: &str =
        r#"{"cniVersion": "0.4.0", "name": "terway", "type": "terway", "capabilities": {"bandwidth": true}, "foo": 1}"#;
    const NODE: Node = Node { edt: true, before: Before::New, host_routing: true, auto_v2: false };

    fn chain(first: &str, rest: &str) -> EniConfig {
        config(&[
            (CONF, ENTRY),
            (CONFLIST, &format!(r#"{{"name": "x", "disableCheck": true, "plugins": [{first}{rest}]}}"#)),
        ])
    }

    fn types(list: &Value) -> Vec<&str> {
        list["plugins"].as_array().unwrap().iter().map(|plugin| plugin["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn names_and_versions_go_and_every_other_key_of_a_plugin_stays() {
        let portmap =
            r#", {"cniVersion": "0.3.1", "name": "p", "type": "portmap", "capabilities": {"portMappings": true}}"#;
        let list = conflist(&chain(ENTRY, portmap), &NODE).unwrap();
        let wanted = json!({
            "cniVersion": "0.4.0", "name": "terway-chainer",
            "plugins": [
                { "type": "terway", "capabilities": { "bandwidth": true }, "foo": 1, "eniip_virtual_type": "veth", "bandwidth_mode": "tc" },
                { "type": "portmap", "capabilities": { "portMappings": true } },
            ],
        });
        assert_eq!(list, wanted);
        let alone = conflist(&config(&[(CONF, ENTRY)]), &NODE).unwrap();
        assert_eq!(types(&alone), ["terway"], "without a list the entry is the chain");
    }

    /// Terway's own test has the same cases (`cni_test.go`).
    #[test]
    fn the_way_to_a_pod_and_cilium_behind_it() {
        let of = |kind: &str, rest: &str, node: &Node| {
            let entry = format!(r#"{{"type": "terway", "eniip_virtual_type": "{kind}"}}"#);
            conflist(&chain(&entry, rest), node).unwrap()
        };
        let v2 = of("datapathv2", "", &NODE);
        assert_eq!(types(&v2), ["terway", "cilium-cni"]);
        assert_eq!(
            (&v2["plugins"][0]["bandwidth_mode"], &v2["plugins"][1]["data-path"]),
            (&json!("edt"), &json!("datapathv2"))
        );
        let ipvlan = of("IPVlan", r#", {"type": "portmap"}"#, &NODE);
        assert_eq!(types(&ipvlan), ["terway", "portmap", "cilium-cni"], "it comes last");
        assert_eq!(ipvlan["plugins"][0]["eniip_virtual_type"], "ipvlan");
        assert_eq!(of("IPVlan", "", &Node { auto_v2: true, ..NODE })["plugins"][0]["eniip_virtual_type"], "datapathv2");
        assert_eq!(of("ipvlan", "", &Node { edt: false, ..NODE })["plugins"][0]["bandwidth_mode"], "tc");
        let listed = of("datapathv2", r#", {"type": "cilium-cni"}, {"type": "portmap"}"#, &NODE);
        assert_eq!(types(&listed), ["terway", "cilium-cni", "portmap"], "where it is listed it stays");
        assert_eq!(listed["plugins"][1]["datapath"], "datapathv2");
        assert_eq!(types(&of("veth", "", &Node { before: Before::Cilium, ..NODE })), ["terway", "cilium-cni"]);
        let before = conflist(&chain(r#"{"type": "cilium-cni"}, {"type": "terway"}"#, ""), &NODE).unwrap();
        assert_eq!(before["plugins"][0]["datapath"], "");
    }

    #[test]
    fn ebpf_policy_turns_veth_into_datapath_v2() {
        let ebpf = chain(r#"{"type": "terway", "network_policy_provider": "ebpf"}"#, "");
        let kind = |node: &Node| conflist(&ebpf, node).unwrap()["plugins"][0]["eniip_virtual_type"].clone();
        assert_eq!(kind(&NODE), "datapathv2");
        assert_eq!(kind(&Node { before: Before::None, ..NODE }), "veth");
        assert_eq!(kind(&Node { host_routing: false, ..NODE }), "veth");
        assert_eq!(alternatives(&ebpf, &NodeFacts::default()).unwrap().len(), 4);
        assert_eq!(
            alternatives(&chain(ENTRY, ""), &NodeFacts { before: Some(Before::New), ..NodeFacts::default() })
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn a_node_with_exclusive_enis_has_a_list_of_its_own() {
        let lists = alternatives(
            &chain(ENTRY, r#", {"type": "portmap"}"#),
            &NodeFacts { exclusive: true, ..NodeFacts::default() },
        );
        assert_eq!(types(&lists.unwrap()[0]), ["terway"]);
    }

    #[test]
    fn what_terway_cli_refuses() {
        for (keys, part) in [
            (vec![], "there is no 10-terway.conf"),
            (vec![(CONF, "")], "is empty"),
            (vec![(CONF, ENTRY), (CONFLIST, "")], "10-terway.conflist is not JSON: it is empty"),
            (vec![(CONFLIST, ENTRY)], "there is no 10-terway.conf"),
            (
                vec![(CONF, ENTRY), (CONFLIST, r#"{"plugins": [{"type": "terway"}, {"type": 1}]}"#)],
                "plugin 1 has no `type`",
            ),
            (vec![(CONF, r#"{"type": "terway", "eniip_virtual_type": "ipvlanx"}"#)], "`ipvlanx` is none"),
            (vec![(CONF, r#"{"type": "terway", "network_policy_provider": 1}"#)], "no string"),
            (vec![(CONF, "[]")], "plugin 0 has no `type`"),
        ] {
            let why = alternatives(&config(&keys), &NodeFacts::default()).unwrap_err();
            assert!(why.contains(part), "{keys:?}: {why}");
        }
        let empty = conflist(&config(&[(CONF, ENTRY), (CONFLIST, r#"{"plugins": []}"#)]), &NODE).unwrap();
        assert_eq!(empty.get("plugins"), None, "an empty list passes, and gives a conflist without plugins");
    }
}
