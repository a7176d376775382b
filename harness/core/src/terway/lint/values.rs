//! Values that a plugin refuses, and such that do nothing.

use super::{Chain, ChainPlugin, Linter};
use crate::finding::FindingCode;
use crate::suggestion::suggest;
use crate::terway::eni_config::{CONFLIST, ENI_CONF};
use crate::terway::expected::TERWAY;
use serde_json::{Map, Value};

/// Keys of `symmetric_routing_config` (`plugin/driver/types`): texts, then numbers.
const TEXTS: [&str; 3] = ["interface", "comment", "backend"];
const NUMBERS: [&str; 4] = ["mark", "mask", "table_id", "rule_priority"];

pub(super) fn lint(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    if chain.key == CONFLIST && chain.top.contains_key("plugins") {
        for key in chain.top.keys().filter(|key| !["plugins", "name", "cniVersion"].contains(&key.as_str())) {
            let message = format!("`{key}` beside `plugins` is dropped: terway-cli takes the plugins alone");
            linter.add(FindingCode::PL635, chain.top_at(key), message);
        }
    }
    for link in &chain.links {
        linter.check();
        match link.plugin.as_str() {
            TERWAY => terway(chain, link, linter),
            "portmap" => portmap(chain, link, linter),
            "tuning" => tuning(chain, link, linter),
            _ => {}
        }
    }
}

fn terway(chain: &Chain<'_>, link: &ChainPlugin, linter: &mut Linter<'_>) {
    let on = link.conf.get("symmetric_routing");
    if let Some(other) = on.filter(|value| !value.is_boolean()) {
        let message = format!("`symmetric_routing` is {other}, and counts as false: terway-cli takes `true` alone");
        linter.add(FindingCode::PL635, chain.at(link, "symmetric_routing"), message);
    }
    let Some(config) = link.conf.get("symmetric_routing_config") else { return };
    let at = |key: &str| chain.at(link, &format!("symmetric_routing_config/{key}"));
    let Value::Object(config) = config else {
        if !config.is_null() {
            linter.add(
                FindingCode::PL634,
                at(""),
                "`symmetric_routing_config` is no object: terway-cli ends with an error",
            );
        }
        return;
    };
    if on != Some(&Value::Bool(true)) {
        let message = "`symmetric_routing_config` does nothing while `symmetric_routing` is not true";
        linter.add(FindingCode::PL635, at(""), message);
    }
    for (key, value) in config {
        let name = key.as_str();
        let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
        if (TEXTS.contains(&name) && !value.is_string()) || (NUMBERS.contains(&name) && !whole) {
            let message = format!("`{name}` is {value}: terway-cli ends with an error");
            linter.add(FindingCode::PL634, at(name), message);
        } else if NUMBERS.contains(&name) && value.as_f64().is_some_and(|number| number <= 0.0) {
            let message = format!("`{name}` is {value}, and the default is taken in its place");
            linter.add(FindingCode::PL635, at(name), message)
                .note("Terway's docs/symmetric_routing_config.md says that the daemon refuses it; the source takes the default");
        } else if name == "backend" && !["", "iptables", "nftables"].contains(&value.as_str().unwrap_or_default()) {
            let message =
                format!("`backend` is {value}; there are iptables and nftables: terway-cli ends with an error");
            linter.add(FindingCode::PL634, at(name), message);
        } else if !TEXTS.contains(&name) && !NUMBERS.contains(&name) {
            let near = suggest(name, TEXTS.into_iter().chain(NUMBERS));
            linter
                .add(FindingCode::PL624, at(name), format!("symmetric_routing_config has no key `{name}`"))
                .notes(near);
        }
    }
}

/// `plugins/meta/portmap/main.go` of containernetworking/plugins v1.9.1, `parseConfig` and `ensureBackend`: what it
/// refuses keeps every pod from starting, with or without a hostPort.
fn portmap(chain: &Chain<'_>, link: &ChainPlugin, linter: &mut Linter<'_>) {
    let mut refuse = |key: &str, why: String| {
        linter
            .add(FindingCode::PL634, chain.at(link, key), why)
            .note("portmap ends with an error for every pod, with or without a hostPort");
    };
    for (key, is_text) in [("masqAll", false), ("snat", false), ("externalSetMarkChain", true), ("backend", true)] {
        let fits = |value: &Value| if is_text { value.is_string() } else { value.is_boolean() };
        if let Some(value) = link.key(key).filter(|value| !fits(value) && !value.is_null()) {
            let kind = if is_text { "a text" } else { "true or false" };
            refuse(key, format!("`{key}` is {value}, and must be {kind}"));
        }
    }
    let backend = link.key("backend").and_then(Value::as_str);
    if let Some(other) = backend.filter(|backend| !["iptables", "nftables"].contains(backend)) {
        refuse("backend", format!("`backend` is `{other}`; there are iptables and nftables"));
    }
    let external = link.key("externalSetMarkChain").is_some_and(Value::is_string);
    if external && backend == Some("nftables") {
        refuse(
            "externalSetMarkChain",
            "`externalSetMarkChain` is for iptables alone, and `backend` is nftables".to_owned(),
        );
    }
    if let Some(bit) = link.key("markMasqBit").filter(|bit| !bit.is_null()) {
        if external {
            refuse("markMasqBit", "`markMasqBit` and `externalSetMarkChain` exclude each other".to_owned());
        } else if bit.as_i64().is_none_or(|bit| !(0..=31).contains(&bit)) {
            refuse("markMasqBit", format!("`markMasqBit` is {bit}, and must be 0 to 31"));
        }
    }
}

/// The document, "Disable IPv6 link-local addresses for containers".
fn tuning(chain: &Chain<'_>, link: &ChainPlugin, linter: &mut Linter<'_>) {
    let sysctls = match link.key("sysctl") {
        None => return,
        Some(Value::Object(sysctls)) => sysctls,
        Some(other) => {
            let message = format!("`sysctl` is {other}, and must be an object of texts");
            linter
                .add(FindingCode::PL634, chain.at(link, "sysctl"), message)
                .note("tuning ends with an error for every pod");
            return;
        }
    };
    for (name, value) in sysctls {
        let at = chain.at(link, &format!("sysctl/{name}"));
        if !value.is_string() {
            let message = format!("sysctl `{name}` is {value}, and must be a text such as \"1\"");
            linter.add(FindingCode::PL634, at.clone(), message).note("tuning ends with an error for every pod");
        }
        if !name.starts_with("net.") && !name.starts_with("net/") {
            let message = format!("sysctl `{name}` is not below `net`: tuning refuses it");
            linter.add(FindingCode::PL634, at, message);
        }
    }
    ipv6(chain, link, sysctls, linter);
}

fn ipv6(chain: &Chain<'_>, link: &ChainPlugin, sysctls: &Map<String, Value>, linter: &mut Linter<'_>) {
    let off = |name: &str| {
        let same = |key: &String| key.replace('/', ".") == format!("net.ipv6.conf.{name}.disable_ipv6");
        sysctls.iter().find(|(key, _)| same(key)).filter(|(_, value)| value.as_str() == Some("1")).map(|(key, _)| key)
    };
    let line = "the document, \"Disable IPv6 link-local addresses for containers\": all, default and lo";
    if let (Some(key), None, None, None) = (off("default"), off("all"), off("eth0"), off("IFNAME")) {
        let message = "`disable_ipv6` of `default` alone leaves eth0's link-local address: eth0 is there already";
        linter
            .add(FindingCode::PL635, chain.at(link, &format!("sysctl/{key}")), message)
            .note(line)
            .note("the kernel: `default` is for interfaces that come later");
    }
    let stack = linter.config.json(ENI_CONF).and_then(|json| json.value.ok());
    let stack =
        stack.as_ref().and_then(|conf| conf["ip_stack"].as_str()).filter(|stack| ["dual", "ipv6"].contains(stack));
    let all = off("all").or_else(|| off("eth0")).or_else(|| off("IFNAME"));
    if let (Some(stack), Some(key)) = (stack, all) {
        let message = format!("`disable_ipv6` takes the pods' own IPv6 addresses too, and ip_stack is {stack}");
        linter
            .add(FindingCode::PL635, chain.at(link, &format!("sysctl/{key}")), message)
            .note("Terway's result goes on listing them: nothing else says so");
    }
}
