//! Terway's `eni-config`.

use super::Pair;

const ENTRY: &str = r#"{ "cniVersion": "0.4.0", "name": "terway", "type": "terway" }"#;
const SETTINGS: &str = r#"{ "version": "1", "max_pool_size": 5 }"#;

/// A ConfigMap with these keys, each a text.
fn config_map(name: &str, keys: &[(&str, &str)]) -> String {
    let keys = keys.iter().map(|(key, text)| format!("  {key}: |\n    {text}\n"));
    let head =
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: kube-system\ndata:\n");
    head + &keys.collect::<String>()
}

/// `eni-config` with these keys beside those that it needs.
fn eni_config(keys: &[(&str, &str)]) -> String {
    config_map("eni-config", &[&[("10-terway.conf", ENTRY), ("eni_conf", SETTINGS)][..], keys].concat())
}

/// The list of the chain with this plugin behind Terway's entry.
fn behind(plugin: &str) -> String {
    eni_config(&[("10-terway.conflist", &format!(r#"{{ "plugins": [ {ENTRY}, {{ {plugin} }} ] }}"#))])
}

pub fn pairs() -> Vec<Pair> {
    let list = |plugins: &str| eni_config(&[("10-terway.conflist", &format!(r#"{{ "plugins": {plugins} }}"#))]);
    let settings = |text: &str| config_map("eni-config", &[("10-terway.conf", ENTRY), ("eni_conf", text)]);
    let entry = |keys: &str| {
        let entry = ENTRY.replace(" }", &format!(", {keys} }}"));
        config_map("eni-config", &[("10-terway.conf", &entry), ("eni_conf", SETTINGS)])
    };
    let whole = format!(r#"{{ "plugins": [ {ENTRY} ] }}"#);
    vec![
        Pair::new(
            "`cni_chain`, which releases after 1.17.5 read",
            "PL610",
            eni_config(&[("cni_chain", "- type: portmap")]),
            eni_config(&[]),
        ),
        Pair::new(
            "`cni_chain` beside a list",
            "PL635",
            eni_config(&[("cni_chain", "- type: portmap"), ("10-terway.conflist", &whole)]),
            eni_config(&[("cni_chain", "- type: portmap")]),
        )
        .others(&["PL610"]),
        Pair::new(
            "`cni_chain` with Terway's own entry",
            "PL634",
            eni_config(&[("cni_chain", "- type: terway")]),
            eni_config(&[("cni_chain", "- type: portmap")]),
        )
        .others(&["PL610"]),
        Pair::new(
            "a list under `10-terway.conf`",
            "PL627",
            config_map("eni-config", &[("10-terway.conf", &whole), ("eni_conf", SETTINGS)]),
            eni_config(&[("10-terway.conflist", &whole)]),
        ),
        Pair::new(
            "`10-terway.conf` in a node's own ConfigMap",
            "PL635",
            config_map("pool-b", &[("10-terway.conf", ENTRY), ("eni_conf", SETTINGS)]),
            config_map("pool-b", &[("eni_conf", SETTINGS)]),
        ),
        Pair::new(
            "wrong type in a fragment",
            "PL634",
            config_map("eni-config", &[("eni_conf", r#"{ "max_pool_size": "5" }"#)]),
            config_map("eni-config", &[("eni_conf", r#"{ "max_pool_size": 5 }"#)]),
        ),
        Pair::new(
            "text for a list in `eni_conf`",
            "PL634",
            settings(r#"{ "security_groups": "sg-1" }"#),
            settings(r#"{ "security_groups": [ "sg-1" ] }"#),
        ),
        Pair::new(
            "list for a text in `vswitches`",
            "PL634",
            settings(r#"{ "vswitches": { "zone-a": "vsw-1" } }"#),
            settings(r#"{ "vswitches": { "zone-a": [ "vsw-1" ] } }"#),
        ),
        Pair::new("wrong type in Terway's entry", "PL634", entry(r#""mtu": "1500""#), entry(r#""mtu": 1500"#)),
        Pair::new(
            "misspelt key of `eni_conf`",
            "PL624",
            settings(r#"{ "max_pool_sise": 5 }"#),
            settings(r#"{ "max_pool_size": 5 }"#),
        ),
        Pair::new(
            "key twice in `eni_conf`",
            "PL635",
            settings(r#"{ "min_eni": 1, "min_eni": 2 }"#),
            settings(r#"{ "min_eni": 1, "max_eni": 2 }"#),
        ),
        Pair::new(
            "`eni_conf` is null",
            "PL620",
            eni_config(&[])
                .replace("  eni_conf: |\n    { \"version\": \"1\", \"max_pool_size\": 5 }\n", "  eni_conf: null\n"),
            eni_config(&[]),
        ),
        Pair::new("no JSON", "PL621", settings("{ \"version\": }"), settings("{}")),
        Pair::new("no plugin", "PL622", list("[]"), list(&format!("[ {ENTRY} ]"))),
        Pair::new(
            "first plugin is not Terway's entry",
            "PL623",
            list(r#"[ { "type": "portmap" } ]"#),
            list(&format!("[ {ENTRY} ]")),
        ),
        Pair::new("main plugin behind Terway", "PL630", behind(r#""type": "macvlan""#), behind(r#""type": "portmap""#)),
        Pair::new(
            "misspelt plugin behind Terway",
            "PL633",
            behind(r#""type": "portmpa""#),
            behind(r#""type": "portmap""#),
        ),
        Pair::new(
            "key of a plugin behind Terway",
            "PL602",
            behind(r#""type": "portmap", "masqall": true, "snatt": true"#),
            behind(r#""type": "portmap", "masqAll": true, "snat": true"#),
        ),
    ]
}
