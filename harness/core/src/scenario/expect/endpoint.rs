//! Endpoints of probes: hosts, pods, their interfaces and addresses, by the names in an expectation.

use super::{Reader, Scene};
use crate::chain::go_key;
use crate::plan::{Destination, Pod, ProbeEndpoint, Unreachable, Wanted, WantedReach};
use crate::scenario::file::Where;
use crate::scenario::names;
use crate::scenario::strict::Located;
use std::net::IpAddr;

/// The interface that the default network makes.
const DEFAULT_INTERFACE: &str = "eth0";

/// A destination, and the copies that it stands for where it names more than one pod.
pub(super) struct ProbeTarget {
    pub destination: Destination,
    pub copies: Vec<String>,
}

impl ProbeTarget {
    /// Whether it is an IPv4 destination.
    pub fn is_v4(&self) -> bool {
        match &self.destination {
            Destination::Address { address, .. } => address.is_ipv4(),
            Destination::Pod { v6, .. } => !v6,
        }
    }

    /// Whether the scenario names no endpoint that has the address.
    pub fn has_no_owner(&self) -> bool {
        matches!(self.destination, Destination::Address { at: None, .. })
    }
}

/// The lists of one pod: where a destination is "all other copies", one for each of them.
pub(super) fn expand_copies<T: HasDestination>(pod: &str, all: &[Wanted<(Vec<String>, T)>]) -> Vec<Wanted<T>> {
    let mut found = Vec::new();
    for Wanted { value: (copies, wanted), source } in all {
        if copies.is_empty() {
            found.push(Wanted { value: wanted.clone(), source: source.clone() });
        }
        for other in copies.iter().filter(|other| *other != pod) {
            let mut wanted = wanted.clone();
            if let Destination::Pod { pod, .. } = wanted.destination() {
                pod.clone_from(other);
            }
            found.push(Wanted { value: wanted, source: source.clone() });
        }
    }
    found
}

/// What has a destination.
pub(super) trait HasDestination: Clone {
    /// The destination, to be changed.
    fn destination(&mut self) -> &mut Destination;
}

impl HasDestination for WantedReach {
    fn destination(&mut self) -> &mut Destination {
        &mut self.to
    }
}

impl HasDestination for Unreachable {
    fn destination(&mut self) -> &mut Destination {
        &mut self.to
    }
}

impl<'a> Scene<'a> {
    /// The pods that a name stands for: one, or all copies of one.
    pub fn named(&self, name: &str) -> Vec<String> {
        if self.pods.iter().any(|pod| pod.name == name) {
            return vec![name.to_owned()];
        }
        self.groups.iter().filter(|group| group.of == name).flat_map(|group| group.names.clone()).collect()
    }

    /// Every name that stands for pods.
    pub fn pod_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let groups = self.groups.iter().map(|group| group.of.as_str());
        self.pods.iter().map(|pod| pod.name.as_str()).chain(groups)
    }

    pub(super) fn endpoint_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.topology.hosts.iter().map(|host| host.name.as_str()).chain(self.pods.iter().map(|pod| pod.name.as_str()))
    }

    pub(super) fn endpoint(&self, name: &str) -> Option<ProbeEndpoint> {
        if self.topology.hosts.iter().any(|host| host.name == name) {
            return Some(ProbeEndpoint::Host(name.to_owned()));
        }
        self.pods.iter().any(|pod| pod.name == name).then(|| ProbeEndpoint::Pod(name.to_owned()))
    }

    fn pod(&self, name: &str) -> Option<&'a Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// Whether an endpoint is known to have an address before anything runs. For a pod, these are the requested
    /// addresses: by its annotation, and by static IPAM.
    fn has(&self, endpoint: &ProbeEndpoint, address: IpAddr) -> bool {
        match endpoint {
            ProbeEndpoint::Host(name) => self.topology.hosts.iter().filter(|host| host.name == *name).any(|host| {
                // A whole network on `lo` is answered for; of a port's network only its own address is.
                host.behind.iter().any(|net| net.contains(&address))
                    || host.ports.iter().flat_map(|port| &port.addresses).any(|net| net.addr() == address)
            }),
            ProbeEndpoint::Pod(name) => {
                self.pod(name).is_some_and(|pod| self.requested_addresses(pod).contains(&address))
            }
            ProbeEndpoint::Node(_) => false,
        }
    }

    fn requested_addresses(&self, pod: &Pod) -> Vec<IpAddr> {
        let bare = |text: &str| text.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok());
        let mut found: Vec<IpAddr> = Vec::new();
        for attachment in &pod.attachments {
            found.extend(attachment.ips.iter().filter_map(|ip| bare(ip)));
            let network = self.networks.iter().find(|network| attachment.names(pod, network));
            let links = network.and_then(|network| network.chain.as_ref()).map_or(&[][..], |chain| &chain.links);
            for link in links {
                let addresses =
                    link.conf.as_object().and_then(|conf| go_key(conf, "ipam")?.get("addresses")?.as_array());
                let texts = addresses.into_iter().flatten().filter_map(|item| item.get("address")?.as_str());
                found.extend(texts.filter_map(bare));
            }
        }
        found
    }
}

impl Reader<'_, '_> {
    /// Reads a destination; `item` is where it stands as a whole.
    pub(super) fn destination<T>(
        &mut self,
        item: &Located<T>,
        file: &Where<'_>,
        senders: &[String],
    ) -> Option<ProbeTarget> {
        match (file.to, file.pod) {
            (Some(to), None) => {
                for (word, is_given) in [("interface", file.interface.is_some()), ("v6", file.v6.is_some())] {
                    if is_given {
                        self.mistakes.fail(item, format!("`{word}` goes with `pod`, and not with `to`"));
                    }
                }
                let address = self.mistakes.read(to, names::host_ip);
                let at = match file.at {
                    None => None,
                    Some(at) => Some(self.owner_of(at, address)?),
                };
                Some(ProbeTarget { destination: Destination::Address { address: address?, at }, copies: Vec::new() })
            }
            (None, Some(pod)) => {
                if let Some(at) = file.at {
                    self.mistakes.fail(at, "`at` goes with `to`; a pod is named already");
                }
                let names = self.scene.named(&pod.value);
                if names.is_empty() {
                    let message = format!("there is no pod `{}` in this scenario", pod.value);
                    self.mistakes.fail_unknown(pod, message, self.scene.pod_names());
                }
                if names.iter().all(|name| senders.contains(name)) && (names.len() == 1 || senders.len() == 1) {
                    let message = format!("pod `{}` reaching itself shows nothing of the network", pod.value);
                    self.mistakes.fail(pod, message);
                }
                let Some(interface) = file.interface else {
                    self.mistakes.fail(item, "`interface` is missing: which of the pod's addresses is meant");
                    return None;
                };
                self.interface_of(interface, &names);
                let destination = Destination::Pod {
                    pod: pod.value.clone(),
                    interface: interface.value.clone(),
                    v6: file.v6.is_some_and(|v6| v6.value),
                };
                // A name of its own stands for one pod; that of copies for each of them.
                let copies = if names == [pod.value.clone()] { Vec::new() } else { names };
                Some(ProbeTarget { destination, copies })
            }
            _ => {
                self.mistakes.fail(item, "expected either `to` or `pod`");
                None
            }
        }
    }

    /// The endpoint that is said to have an address.
    fn owner_of(&mut self, at: &Located<String>, address: Option<IpAddr>) -> Option<ProbeEndpoint> {
        let endpoint = self.endpoint_of(at)?;
        if let Some(address) = address.filter(|address| !self.scene.has(&endpoint, *address)) {
            let name = &at.value;
            let message = match endpoint {
                ProbeEndpoint::Pod(_) => {
                    format!("pod `{name}` does not request {address}; name its address by `pod` and `interface`")
                }
                _ => format!("host `{name}` has {address} neither on a port nor behind it"),
            };
            self.mistakes.fail(at, message);
        }
        Some(endpoint)
    }

    pub(super) fn endpoint_of(&mut self, name: &Located<String>) -> Option<ProbeEndpoint> {
        let found = self.scene.endpoint(&name.value);
        if found.is_none() {
            let message = format!("there is neither a host nor a pod `{}` in this scenario", name.value);
            self.mistakes.fail_unknown(name, message, self.scene.endpoint_names());
        }
        found
    }

    /// Whether an interface is requested for each of these pods; an error where it is not.
    pub(super) fn interface_of(&mut self, interface: &Located<String>, pods: &[String]) -> bool {
        for pod in pods.iter().filter_map(|name| self.scene.pod(name)) {
            let known = || pod.attachments.iter().map(|attachment| attachment.interface.as_str());
            if interface.value != DEFAULT_INTERFACE && !known().any(|known| known == interface.value) {
                let message = format!("pod `{}` requests no interface `{}`", pod.name, interface.value);
                self.mistakes.fail_unknown(interface, message, known().chain([DEFAULT_INTERFACE]));
                return false;
            }
        }
        true
    }
}
