//! What a network's configuration says that its plugins will not do: `PL6xx`.
//!
//! Nothing here fails a scenario but a configuration of which no chain can be made: the run goes on, and what the
//! plugins do with it is seen in the kernel.

use super::known_keys;
use super::ledger::Ledger;
use crate::chain::{self, ChainLink, go_key};
use crate::finding::{Finding, FindingCode};
use crate::plan::{Network, Plan, Pod};
use crate::words::did_you_mean;
use ipnet::IpNet;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Spec versions that released plugins know (cni v1.3.1 `pkg/version`).
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// Writes down everything that is doubtful in one network's configuration.
pub(super) fn lint(network: &Network, ledger: &mut Ledger) {
    // One that exists already has no text here.
    if network.manifest.is_none() {
        return;
    }
    let Some(chain) = &network.chain else {
        let text = network.config.as_deref().unwrap_or_default();
        let why = chain::parse(text, &network.name).err().unwrap_or_default();
        ledger.add(
            Finding::new(FindingCode::PL603, format!("no chain can be read from the configuration: {why}"))
                .network(&network.name)
                .source(network.place("")),
        );
        return;
    };
    if !VERSIONS.contains(&chain.cni_version.as_str()) {
        let entry = doubt(
            network,
            FindingCode::PL606,
            "cniVersion",
            format!("cniVersion {} is none that plugins know", chain.cni_version),
        );
        ledger.add(entry.notes([format!("known: {}", VERSIONS.join(", "))]));
    }
    let makers: Vec<&str> = chain
        .links
        .iter()
        .map(|link| link.plugin.as_str())
        .filter(|plugin| known_keys::MAKERS.contains(plugin))
        .collect();
    if let [first, second, ..] = makers.as_slice() {
        ledger.add(doubt(
            network,
            FindingCode::PL607,
            "plugins",
            format!("{first} and {second} both make the interface: the second one fails"),
        ));
    }
    for (position, link) in chain.links.iter().enumerate() {
        let prefix = if chain.is_list { format!("plugins/{position}/") } else { String::new() };
        Linter { network, prefix, link, ledger }.plugin(position, &chain.cni_version, chain.is_list);
    }
}

/// Writes down keys of `cni-args` that look like one of route-override's and are none: they go to every plugin of the
/// chain, each takes what it knows, and nobody says which were left.
pub(super) fn lint_args(plan: &Plan, pod: &Pod, ledger: &mut Ledger) {
    for attachment in &pod.attachments {
        let network = plan.networks.iter().find(|network| network.name == attachment.network);
        let chain = network.and_then(|network| network.chain.as_ref());
        let overrides = chain.is_some_and(|chain| chain.links.iter().any(|link| link.plugin == "route-override"));
        let Some(Value::Object(args)) = attachment.cni_args.as_ref().filter(|_| overrides) else {
            continue;
        };
        let options = known_keys::ROUTE_OVERRIDE;
        for key in args.keys().filter(|key| !options.iter().any(|known| known.eq_ignore_ascii_case(key))) {
            if let Some(near) = did_you_mean(key, options) {
                let entry = Finding::new(
                    FindingCode::PL602,
                    format!("route-override has no key `{key}`: it is dropped from `cni-args` without a word"),
                );
                let entry = entry.pod(&pod.name).interface(&attachment.interface).network(&attachment.network);
                ledger.add(entry.source(&pod.source).notes([format!("did you mean `{near}`?")]));
            }
        }
    }
}

/// A finding that points at a key of the configuration where its place is known, else at the network.
fn doubt(network: &Network, code: FindingCode, path: &str, message: String) -> Finding {
    Finding::new(code, message).network(&network.name).source(network.place(path))
}

struct Linter<'a, 'b> {
    network: &'a Network,
    prefix: String,
    link: &'a ChainLink,
    ledger: &'b mut Ledger,
}

impl Linter<'_, '_> {
    fn add(&mut self, code: FindingCode, path: &str, message: String, notes: impl IntoIterator<Item = String>) {
        let entry = doubt(self.network, code, &format!("{}{path}", self.prefix), message);
        self.ledger.add(entry.notes(notes));
    }

    fn plugin(&mut self, position: usize, version: &str, is_list: bool) {
        let plugin = self.link.plugin.as_str();
        let Value::Object(conf) = &self.link.conf else {
            return;
        };
        if position == 0 && known_keys::NEED_RESULT.contains(&plugin) {
            let message = format!("{plugin} comes first in the chain, and has no earlier result to work on");
            let notes = (plugin == "route-override")
                .then(|| "upstream's binary panics: exit 2, nothing on standard output".to_owned());
            self.add(FindingCode::PL604, "type", message, notes);
        }
        if plugin == "route-override" && version == "1.1.0" {
            let message = "route-override knows cniVersion up to 1.0.0: the chain fails with code 1".to_owned();
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
        let Some(known) = known_keys::of_plugin(plugin) else {
            return;
        };
        // A bare configuration may also have the keys of a list.
        let of_list = ["cniVersions", "disableCheck", "disableGC", "loadOnlyInlinedPlugins"];
        for (key, value) in conf {
            if known.iter().any(|known| known.eq_ignore_ascii_case(key))
                || (!is_list && of_list.contains(&key.as_str()))
            {
                continue;
            }
            if key.eq_ignore_ascii_case("vlan") && matches!(plugin, "macvlan" | "ipvlan") {
                let message = format!(
                    "{plugin} has no key `{key}`: the interface is not on VLAN {value}, its frames are untagged"
                );
                let notes = [
                    "no release of the plugin has it; it is dropped without a word".to_owned(),
                    "for a tagged interface take master NAME.ID, or the vlan plugin with vlanId".to_owned(),
                ];
                self.add(FindingCode::PL601, key, message, notes);
                continue;
            }
            let mut notes = vec![format!("{plugin} reads: {}", known.join(", "))];
            if let Some(near) = did_you_mean(key, known.iter().copied()) {
                notes.insert(0, format!("did you mean `{near}`?"));
            }
            self.add(
                FindingCode::PL602,
                key,
                format!("{plugin} has no key `{key}`: it is dropped without a word"),
                notes,
            );
        }
    }

    /// Values that the plugin refuses, or that can't mean what they say.
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
            self.add(
                FindingCode::PL605,
                "mode",
                format!("{plugin} has no mode `{mode}`"),
                [format!("it has: {}", modes[1..].join(", "))],
            );
        }
        for (name, key) in [("vlan", "vlanId"), ("bridge", "vlan")] {
            if let (true, Some(id)) = (plugin == name, go_key(conf, key).and_then(Value::as_i64))
                && !(0..=4094).contains(&id)
            {
                self.add(FindingCode::PL605, key, format!("{id} is no VLAN id"), []);
            }
        }
        for key in ["addroutes", "delroutes"] {
            if plugin != "route-override" {
                continue;
            }
            if let Some(Value::Array(routes)) = go_key(conf, key) {
                self.routes(routes, key);
            }
        }
    }

    fn routes(&mut self, routes: &[Value], path: &str) {
        for (index, route) in routes.iter().enumerate() {
            let at = format!("{path}/{index}/dst");
            let text = |key| route.as_object().and_then(|route| go_key(route, key)).and_then(Value::as_str);
            match text("dst").map(|dst| (dst, dst.parse::<IpNet>())) {
                None => {
                    self.add(FindingCode::PL605, &format!("{path}/{index}"), "a route without `dst`".to_owned(), [])
                }
                Some((dst, Err(_))) => self.add(FindingCode::PL605, &at, format!("`{dst}` is no network"), []),
                Some((dst, Ok(net))) if net.addr() != net.network() => {
                    self.add(
                        FindingCode::PL605,
                        &at,
                        format!(
                            "`{dst}` has host bits, so no route of the kernel is like it; the network is {}",
                            net.trunc()
                        ),
                        [],
                    );
                }
                Some(_) => {}
            }
            if let Some(gateway) = text("gw")
                && gateway.parse::<IpAddr>().is_err()
            {
                self.add(FindingCode::PL605, &format!("{path}/{index}/gw"), format!("`{gateway}` is no address"), []);
            }
        }
    }

    fn ipam(&mut self, ipam: &Map<String, Value>) {
        let plugin = go_key(ipam, "type").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(known) = known_keys::of_ipam(&plugin) {
            for key in ipam.keys().filter(|key| !known.iter().any(|known| known.eq_ignore_ascii_case(key))) {
                let notes = [format!("{plugin} reads: {}", known.join(", "))];
                self.add(
                    FindingCode::PL602,
                    &format!("ipam/{key}"),
                    format!("ipam plugin {plugin} has no key `{key}`: it is dropped without a word"),
                    notes,
                );
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
        let Value::Object(entry) = entry else {
            return;
        };
        for key in
            entry.keys().filter(|key| !known_keys::STATIC_ADDRESS.iter().any(|known| known.eq_ignore_ascii_case(key)))
        {
            let message = format!("ipam plugin static has no key `{key}` for an address: it is dropped without a word");
            self.add(FindingCode::PL602, &format!("{path}/{key}"), message, []);
        }
        let text = go_key(entry, "address").and_then(Value::as_str).unwrap_or_default();
        let at = format!("{path}/address");
        let Ok(net) = text.parse::<IpNet>() else {
            self.add(FindingCode::PL605, &at, format!("`{text}` is no address with a prefix length"), []);
            return;
        };
        let ip = net.addr();
        if ip.is_multicast() || ip.is_loopback() || ip.is_unspecified() {
            self.add(FindingCode::PL605, &at, format!("`{text}` can't be an interface's address"), []);
        }
        if let Some(gateway) = go_key(entry, "gateway").and_then(Value::as_str) {
            let at = format!("{path}/gateway");
            match gateway.parse::<IpAddr>() {
                Err(_) => self.add(FindingCode::PL605, &at, format!("`{gateway}` is no address"), []),
                Ok(gateway) if gateway == ip => {
                    self.add(FindingCode::PL605, &at, format!("gateway {gateway} is the pod's own address"), [])
                }
                Ok(gateway)
                    if !net.contains(&gateway) && !matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) =>
                {
                    self.add(FindingCode::PL605, &at, format!("gateway {gateway} is not within {}", net.trunc()), []);
                }
                Ok(_) => {}
            }
        }
    }
}
