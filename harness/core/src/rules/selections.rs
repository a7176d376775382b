//! Rules about what a pod requests: the elements of its networks annotation.

use super::addresses::unfit_address;
use super::capabilities;
use super::context::PodRequests;
use super::keys::reads_runtime_key;
use super::known_plugins;
use super::requested_addresses;
use super::sysctls;
use super::typed_values::{MismatchKind, check_value};
use super::values::check_mac;
use super::view::{Addressing, PluginView, plugins};
use crate::finding::{Finding, FindingCode};
use crate::keys::{Key, KeyTable, Object, PluginKeys};
use crate::plan::{Attachment, Network};
use crate::suggestion::suggest;
use ipnet::IpNet;
use serde_json::Value;

/// The way to the keys of `cni-args` in a plugin's configuration.
const OF_ARGS: [&str; 2] = ["args", "cni"];

/// Main and meta plugins that take a MAC address from `CNI_ARGS` where the capability `mac` is not declared.
const MAC_FROM_ARGS: [&str; 4] = ["macvlan", "bridge", "tap", "tuning"];

/// Checks what one pod requests. `networks` has the network of each attachment, where it is known.
pub(super) fn check(pod: &PodRequests, networks: &[Option<&Network>], findings: &mut Vec<Finding>) {
    let mut has_default = [false; 2];
    for (index, attachment) in pod.attachments.iter().enumerate() {
        let network = networks.get(index).copied().flatten();
        let mut checker = Checker { pod, index, attachment, findings };
        checker.check_keys();
        checker.check_values();
        checker.check_default_route(&mut has_default);
        if let Some((network, chain)) = network.and_then(|network| Some((network, network.chain.as_ref()?))) {
            let plugins = plugins(chain);
            checker.check_args(&plugins);
            checker.check_capabilities(&plugins);
            checker.check_sysctls(network, &plugins);
            requested_addresses::check(pod, index, &plugins, findings);
        }
    }
}

/// Reports static networks without addresses, those of which a pod requests `ips` left out.
pub(super) fn check_unaddressed(network: &Network, pods_request_ips: bool, findings: &mut Vec<Finding>) {
    let Some(chain) = network.chain.as_ref().filter(|_| !pods_request_ips) else { return };
    let plugins = plugins(chain);
    capabilities::check_static(network, &plugins, &Addressing::read(&plugins), findings);
}

struct Checker<'a> {
    pod: &'a PodRequests,
    index: usize,
    attachment: &'a Attachment,
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn add(&mut self, code: FindingCode, key: &str, message: impl Into<String>) -> &mut Finding {
        let path = format!("{}/{key}", self.index);
        let entry = Finding::new(code, message).pod(&self.pod.name).source(self.pod.place(path.trim_end_matches('/')));
        self.findings.push(entry.interface(&self.attachment.interface).network(&self.attachment.network));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    fn add_with(&mut self, code: FindingCode, key: &str, message: impl Into<String>, notes: &[&str]) {
        let entry = self.add(code, key, message);
        entry.notes.extend(notes.iter().map(|note| (*note).to_owned()));
    }

    /// Keys that Multus ignores, and the one that is deprecated.
    fn check_keys(&mut self) {
        let Some(table) = KeyTable::embedded().object(Object::NetworkSelection) else { return };
        for key in &self.attachment.other_keys {
            if let Some(known) = table.find(&[], key).filter(|known| known.deprecated) {
                let entry = self.add(FindingCode::PL611, key, format!("the annotation's key `{key}` is deprecated"));
                entry.notes.extend(known.note.clone());
            } else {
                let known: Vec<&str> = table.at(&[]).filter(|known| !known.deprecated).map(Key::name).collect();
                let entry = self.add(FindingCode::PL602, key, format!("Multus has no key `{key}`: it is ignored"));
                entry.notes.extend(suggest(key, known.iter().copied()));
                entry.notes.push(format!("Multus reads: {}", known.join(", ")));
            }
        }
    }

    fn check_values(&mut self) {
        if let Some(Err(why)) = self.attachment.mac.as_deref().map(check_mac) {
            self.add(FindingCode::PL605, "mac", why);
        }
        let nets = self.attachment.ips.iter().map(|ip| ip.parse::<IpNet>().ok()).collect::<Vec<_>>();
        for (index, net) in nets.iter().enumerate() {
            if let Some(why) = net.as_ref().and_then(unfit_address) {
                self.add(FindingCode::PL605, &format!("ips/{index}"), why);
            }
        }
    }

    /// `has_default` says whether an earlier attachment requests one, for IPv4 and IPv6.
    fn check_default_route(&mut self, has_default: &mut [bool; 2]) {
        let Some(requested) = self.attachment.default_route.as_ref() else { return };
        if requested.is_empty() {
            let message = "`default-route` is an empty list: for Multus this is a request";
            let notes = [
                "before 4.2.2 Multus takes eth0's default route away for it; 4.2.2 to 4.3.0 leave it",
                "leave the key out, or name the gateway",
            ];
            self.add_with(FindingCode::PL616, "default-route", message, &notes);
        }
        for gateway in requested.clone() {
            let (family, has) = if gateway.is_ipv4() { ("IPv4", 0) } else { ("IPv6", 1) };
            if std::mem::replace(&mut has_default[has], true) {
                let message = format!("a second default route for {family} is requested: Multus refuses the pod");
                self.add(FindingCode::PL616, "default-route", message);
            }
        }
    }

    /// Keys of `cni-args`: they go to every plugin of the chain, each reads the keys that it knows, and no plugin reports
    /// the others. A plugin that is not known may read any key.
    fn check_args(&mut self, plugins: &[PluginView<'_>]) {
        let Some(Value::Object(args)) = self.attachment.cni_args.clone() else { return };
        let table = KeyTable::embedded();
        let names = || plugins.iter().flat_map(|plugin| [plugin.plugin, plugin.ipam_type()]);
        let readers: Vec<&'static PluginKeys> = names().filter_map(|name| table.plugin(name)).collect();
        let knows_all = names().all(|name| name.is_empty() || table.plugin(name).is_some());
        let known = || readers.iter().flat_map(|reader| reader.at(&OF_ARGS)).map(Key::name);
        for (key, value) in &args {
            let place = format!("cni-args/{key}");
            let mut takers = readers.iter().copied().filter(|reader| reader.find(&OF_ARGS, key).is_some()).peekable();
            if takers.peek().is_none() {
                let near = suggest(key, known());
                if knows_all || near.is_some() {
                    let network = self.attachment.network.clone();
                    let message = format!("no plugin of {network} reads the key `{key}` of `cni-args`: it is ignored");
                    let notes: Vec<&str> = near.iter().map(String::as_str).collect();
                    self.add_with(FindingCode::PL602, &place, message, &notes);
                }
            }
            for reader in takers {
                for mismatch in check_value(reader, &OF_ARGS, key, value) {
                    let MismatchKind::WrongType(value, wanted) = &mismatch.kind else { continue };
                    let message = format!("`{}` is {value}; {} wants {wanted}", mismatch.key, reader.name);
                    let note = "the plugin ends with an error for this pod";
                    self.add_with(FindingCode::PL609, &format!("cni-args/{}", mismatch.place), message, &[note]);
                }
            }
        }
    }

    /// Requests that reach no plugin, because none declares the capability.
    fn check_capabilities(&mut self, plugins: &[PluginView<'_>]) {
        let declares = |capability: &str| plugins.iter().any(|plugin| plugin.declares(capability));
        let is_known = |plugin: &PluginView<'_>| known_plugins::role(plugin.plugin).is_some();
        let network = &self.attachment.network.clone();
        let requests = [
            ("portMappings", self.attachment.port_mappings.is_some()),
            ("bandwidth", self.attachment.bandwidth.is_some()),
        ];
        for (capability, _) in requests.into_iter().filter(|(name, is_set)| *is_set && !declares(name)) {
            let message =
                format!("no plugin of {network} declares the capability `{capability}`: the request is dropped");
            self.add(FindingCode::PL614, capability, message);
        }
        let takes_mac = |plugin: &PluginView<'_>| MAC_FROM_ARGS.contains(&plugin.plugin) || !is_known(plugin);
        if self.attachment.mac.is_some() && !declares("mac") && !plugins.iter().any(takes_mac) {
            let message = format!("no plugin of {network} reads a requested MAC address: the request is dropped");
            self.add(FindingCode::PL614, "mac", message);
        }
        if self.attachment.ips.is_empty() || declares("ips") || !plugins.iter().all(is_known) {
            return;
        }
        let Some(main) = plugins.iter().find(|plugin| plugin.ipam().is_some()) else {
            let message = format!("{network} has no IPAM plugin: the requested addresses are dropped");
            self.add(FindingCode::PL614, "ips", message);
            return;
        };
        let addressing = Addressing::read(plugins);
        match main.ipam_type() {
            "static" if !addressing.fixed.is_empty() => {
                let message = format!(
                    "{network} does not declare the capability `ips`: static adds the requested addresses to its own"
                );
                self.add_with(FindingCode::PL614, "ips", message, &["with the capability they replace its own"]);
            }
            // They reach both by CNI_ARGS.
            "static" | "host-local" => {}
            ipam if reads_runtime_key(ipam, "ips").is_some() || ipam.is_empty() => {
                let message =
                    format!("{network} does not declare the capability `ips`: the requested addresses are dropped");
                self.add(FindingCode::PL614, "ips", message);
            }
            _ => {}
        }
    }

    /// Sysctls of an interface that the pod does not have when the plugin runs.
    fn check_sysctls(&mut self, network: &Network, plugins: &[PluginView<'_>]) {
        let earlier: Vec<String> =
            self.pod.attachments[..=self.index].iter().map(|attachment| attachment.interface.clone()).collect();
        for plugin in plugins {
            for (key, _) in sysctls::sysctls(plugin) {
                let Some(of) = sysctls::interface_of(key).filter(|of| !of.has_dots && of.interface != "eth0") else {
                    continue;
                };
                if !earlier.iter().any(|interface| interface == of.interface) {
                    let own = self.attachment.interface.clone();
                    let message = format!("sysctl `{key}` is of {}, and this attachment is {own}", of.interface);
                    let place = network.place(&plugin.path(&format!("sysctl/{}", key)));
                    let notes = [
                        "tuning fails: there is no such sysctl; write IFNAME in place of the interface".to_owned(),
                        format!("the sysctl is at {place}"),
                    ];
                    self.add(FindingCode::PL617, "", message).notes.extend(notes);
                }
            }
        }
    }
}
