//! Settings of a network's configuration that its plugins ignore or refuse: `PL6xx`.
//!
//! Nothing here fails a scenario but a configuration of which no chain can be made: the run goes on, and what the
//! plugins do with it is seen in the kernel.

use super::judgement::JudgementBuilder;
use super::known_keys;
use crate::chain::{self, ChainLink, go_key};
use crate::finding::{Finding, FindingCode};
use crate::plan::{Network, Plan, Pod};
use crate::suggestion::suggest;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Spec versions that released plugins know (cni v1.3.1 `pkg/version`).
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Writes down everything that is suspicious in one network's configuration.
pub(super) fn lint(network: &Network, judgement: &mut JudgementBuilder) {
    // One that exists already has no text here.
    if network.manifest.is_none() {
        return;
    }
    let Some(chain) = &network.chain else {
        let text = network.config.as_deref().unwrap_or_default();
        let why = chain::parse(text, &network.name).err().unwrap_or_default();
        let message = format!("configuration holds no readable chain: {why}");
        return judgement.add_finding(finding(network, FindingCode::PL603, "", message));
    };
    if !VERSIONS.contains(&chain.cni_version.as_str()) {
        let message = format!("cniVersion {} is unknown to plugins", chain.cni_version);
        let entry = finding(network, FindingCode::PL606, "cniVersion", message);
        judgement.add_finding(entry.notes([format!("known: {}", VERSIONS.join(", "))]));
    }
    let plugins = chain.links.iter().map(|link| link.plugin.as_str());
    let main: Vec<&str> = plugins.filter(|plugin| known_keys::MAIN.contains(plugin)).collect();
    if let [first, second, ..] = main.as_slice() {
        let message = format!("{first} and {second} are both main plugins: the second one fails");
        judgement.add_finding(finding(network, FindingCode::PL607, "plugins", message));
    }
    for (position, link) in chain.links.iter().enumerate() {
        let prefix = if chain.is_list { format!("plugins/{position}/") } else { String::new() };
        Linter { network, prefix, link, judgement }.plugin(position, &chain.cni_version, chain.is_list);
    }
}

/// Writes down keys of `cni-args` that look like one of route-override's and are none: they go to every plugin of the
/// chain, each reads the keys that it knows, and no plugin reports the others.
pub(super) fn lint_args(plan: &Plan, pod: &Pod, judgement: &mut JudgementBuilder) {
    for attachment in &pod.attachments {
        let network = plan.networks.iter().find(|network| network.name == attachment.network);
        let chain = network.and_then(|network| network.chain.as_ref());
        let overrides = chain.is_some_and(|chain| chain.links.iter().any(|link| link.plugin == "route-override"));
        let Some(Value::Object(args)) = attachment.cni_args.as_ref().filter(|_| overrides) else { continue };
        let options = known_keys::ROUTE_OVERRIDE;
        for key in args.keys().filter(|key| !options.iter().any(|known| known.eq_ignore_ascii_case(key))) {
            if let Some(near) = suggest(key, options) {
                let message = format!("route-override has no key `{key}`: it is ignored in `cni-args`");
                let entry = Finding::new(FindingCode::PL602, message).pod(&pod.name).source(&pod.source);
                let entry = entry.interface(&attachment.interface).network(&attachment.network);
                judgement.add_finding(entry.notes([near]));
            }
        }
    }
}

/// A finding that points at a key of the configuration where its place is known, else at the network.
fn finding(network: &Network, code: FindingCode, path: &str, message: String) -> Finding {
    Finding::new(code, message).network(&network.name).source(network.place(path))
}

struct Linter<'a, 'b> {
    network: &'a Network,
    prefix: String,
    link: &'a ChainLink,
    judgement: &'b mut JudgementBuilder,
}

impl Linter<'_, '_> {
    fn add(&mut self, code: FindingCode, path: &str, message: String, notes: impl IntoIterator<Item = String>) {
        let entry = finding(self.network, code, &format!("{}{path}", self.prefix), message);
        self.judgement.add_finding(entry.notes(notes));
    }

    /// Adds that a value is implausible.
    fn add_implausible(&mut self, path: &str, message: String) {
        self.add(FindingCode::PL605, path, message, []);
    }

    fn plugin(&mut self, position: usize, version: &str, is_list: bool) {
        let plugin = self.link.plugin.as_str();
        let Value::Object(conf) = &self.link.conf else { return };
        if position == 0 && known_keys::META.contains(&plugin) {
            let message = format!("{plugin} is first in the chain and has no previous result");
            let notes = (plugin == "route-override")
                .then(|| "upstream's binary panics: exit 2, nothing on standard output".to_owned());
            self.add(FindingCode::PL604, "type", message, notes);
        }
        if plugin == "route-override" && version == "1.1.0" {
            let message = "route-override supports cniVersion up to 1.0.0: the chain fails with code 1".to_owned();
            self.add(FindingCode::PL606, "type", message, []);
        }
        self.keys(conf, is_list);
        self.values(conf);
        if let Some(Value::Object(ipam)) = go_key(conf, "ipam") {
            self.ipam(ipam);
        }
    }

    fn keys(&mut self, conf: &Map<String, Value>, is_list: bool) {
        let plugin = self.link.plugin.as_str();
        let Some(known) = known_keys::of_plugin(plugin) else { return };
        // A bare configuration may also have the keys of a list.
        let of_list = ["cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins"];
        for (key, value) in conf {
            if known.iter().any(|known| known.eq_ignore_ascii_case(key))
                || (!is_list && of_list.contains(&key.as_str()))
            {
                continue;
            }
            if key.eq_ignore_ascii_case("vlan") && matches!(plugin, "macvlan" | "ipvlan") {
                let effect = format!("the interface is not on VLAN {value}, its frames are untagged");
                let message = format!("{plugin} has no key `{key}`: {effect}");
                let notes = [
                    "no release of the plugin reads it".to_owned(),
                    "for a tagged interface, use master NAME.ID, or the vlan plugin with vlanId".to_owned(),
                ];
                self.add(FindingCode::PL601, key, message, notes);
                continue;
            }
            let near = suggest(key, known.iter().copied()).into_iter();
            let notes = near.chain([format!("{plugin} reads: {}", known.join(", "))]);
            self.add(FindingCode::PL602, key, format!("{plugin} has no key `{key}`: it is ignored"), notes);
        }
    }

    /// Values that the plugin refuses, or that cannot work.
    fn values(&mut self, conf: &Map<String, Value>) {
        let plugin = self.link.plugin.as_str();
        let modes: &[&str] = match plugin {
            "macvlan" => &["", "bridge", "private", "vepa", "passthru"],
            "ipvlan" => &["", "l2", "l3", "l3s"],
            _ => &[],
        };
        if let (Some(Value::String(mode)), false) = (go_key(conf, "mode"), modes.is_empty())
            && !modes.contains(&mode.as_str())
        {
            let notes = [format!("it has: {}", modes[1..].join(", "))];
            self.add(FindingCode::PL605, "mode", format!("{plugin} has no mode `{mode}`"), notes);
        }
        for (name, key) in [("vlan", "vlanId"), ("bridge", "vlan")] {
            if let (true, Some(id)) = (plugin == name, go_key(conf, key).and_then(Value::as_i64))
                && !(0..=4094).contains(&id)
            {
                self.add_implausible(key, format!("{id} is not a VLAN id"));
            }
        }
        for key in ["addroutes", "delroutes"] {
            if let (true, Some(Value::Array(routes))) = (plugin == "route-override", go_key(conf, key)) {
                self.routes(routes, key);
            }
        }
    }

    fn routes(&mut self, routes: &[Value], path: &str) {
        for (index, route) in routes.iter().enumerate() {
            let at = format!("{path}/{index}/dst");
            let text = |key| route.as_object().and_then(|route| go_key(route, key)).and_then(Value::as_str);
            match text("dst").map(|dst| (dst, dst.parse::<IpNet>())) {
                None => self.add_implausible(&format!("{path}/{index}"), "a route without `dst`".to_owned()),
                Some((dst, Err(_))) => self.add_implausible(&at, format!("`{dst}` is not a network")),
                Some((dst, Ok(net))) if net.addr() != net.network() => {
                    let network = net.trunc();
                    let message =
                        format!("`{dst}` has host bits, so no kernel route equals it; the network is {network}");
                    self.add_implausible(&at, message);
                }
                Some(_) => {}
            }
            if let Some(gateway) = text("gw").filter(|gateway| gateway.parse::<IpAddr>().is_err()) {
                self.add_implausible(&format!("{path}/{index}/gw"), format!("`{gateway}` is not an address"));
            }
        }
    }

    fn ipam(&mut self, ipam: &Map<String, Value>) {
        let plugin = go_key(ipam, "type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(known) = known_keys::of_ipam(&plugin) {
            for key in ipam.keys().filter(|key| !known.iter().any(|known| known.eq_ignore_ascii_case(key))) {
                let notes = [format!("{plugin} reads: {}", known.join(", "))];
                let message = format!("ipam plugin {plugin} has no key `{key}`: it is ignored");
                self.add(FindingCode::PL602, &format!("ipam/{key}"), message, notes);
            }
        }
        if plugin != "static" {
            return;
        }
        if let Some(Value::Array(addresses)) = go_key(ipam, "addresses") {
            for (index, address) in addresses.iter().enumerate() {
                self.static_address(address, &format!("ipam/addresses/{index}"));
            }
        }
        if let Some(Value::Array(routes)) = go_key(ipam, "routes") {
            self.routes(routes, "ipam/routes");
        }
    }

    fn static_address(&mut self, entry: &Value, path: &str) {
        let Value::Object(entry) = entry else { return };
        let is_known = |key: &&String| known_keys::STATIC_ADDRESS.iter().any(|known| known.eq_ignore_ascii_case(key));
        for key in entry.keys().filter(|key| !is_known(key)) {
            let message = format!("ipam plugin static has no key `{key}` for an address: it is ignored");
            self.add(FindingCode::PL602, &format!("{path}/{key}"), message, []);
        }
        let text = go_key(entry, "address").and_then(Value::as_str).unwrap_or_default();
        let at = format!("{path}/address");
        let Ok(net) = text.parse::<IpNet>() else {
            return self.add_implausible(&at, format!("`{text}` is not an address with a prefix length"));
        };
        let ip = net.addr();
        if ip.is_multicast() || ip.is_loopback() || ip.is_unspecified() {
            self.add_implausible(&at, format!("`{text}` can't be an interface's address"));
        }
        if let Some(gateway) = go_key(entry, "gateway").and_then(Value::as_str) {
            let at = format!("{path}/gateway");
            match gateway.parse::<IpAddr>() {
                Err(_) => self.add_implausible(&at, format!("`{gateway}` is not an address")),
                Ok(gateway) if gateway == ip => {
                    self.add_implausible(&at, format!("gateway {gateway} is the pod's own address"));
                }
                Ok(gateway)
                    if !net.contains(&gateway) && !matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) =>
                {
                    self.add_implausible(&at, format!("gateway {gateway} is not within {}", net.trunc()));
                }
                Ok(_) => {}
            }
        }
    }
}
