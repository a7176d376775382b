//! A cluster's own ranges: those of its pods and services, and the addresses of the API server and of the cluster's DNS, as
//! pods use them. They are read from the cluster, never from the profile, because the tests show that pods reach the real
//! addresses.

use crate::manifests;
use crate::objects::error_message;
use futures::future::join_all;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

const STAGE: &str = "cluster ranges";
/// The ConfigMap with the configuration of kubeadm, which creates kind's clusters. No other object has the range of all pods.
const KUBEADM: &str = "kubeadm-config";
/// The key in it.
const KUBEADM_KEY: &str = "ClusterConfiguration";
/// The namespace of the cluster's own components.
const SYSTEM: &str = "kube-system";
/// The service that pods use as their name server, with any implementation (kubeadm's constant).
const DNS: &str = "kube-dns";
/// The service of the API server.
const API: &str = "kubernetes";

/// A cluster's own ranges and addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterRanges {
    /// The ranges of pods: the cluster's, and those of its nodes.
    pub pods: Vec<IpNet>,
    /// The ranges of services.
    pub services: Vec<IpNet>,
    /// The API server's addresses for pods: those of its service.
    pub api: Vec<IpAddr>,
    /// The addresses of the cluster's DNS.
    pub dns: Vec<IpAddr>,
}

/// The part of kubeadm's configuration that is read.
#[derive(Debug, Deserialize)]
struct ClusterConfiguration {
    networking: Networking,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Networking {
    pod_subnet: String,
}

impl ClusterRanges {
    /// Reads the ranges from the cluster.
    ///
    /// # Errors
    /// `TestbedError` when one of them is missing. A route that covers an unknown range would otherwise stay undetected.
    pub async fn read(client: &Client) -> Result<Self, TestbedError> {
        let system = || Api::<Service>::namespaced(client.clone(), SYSTEM);
        let all = ListParams::default();
        let (settings, nodes, ranges) = (
            Api::<ConfigMap>::namespaced(client.clone(), SYSTEM),
            Api::<Node>::all(client.clone()),
            Api::<ServiceCIDR>::all(client.clone()),
        );
        let services = [(Api::<Service>::namespaced(client.clone(), "default"), API), (system(), DNS)];
        let (settings, nodes, ranges, services) = tokio::join!(
            settings.get(KUBEADM),
            nodes.list(&all),
            ranges.list(&all),
            join_all(services.iter().map(|(api, name)| api.get(name)))
        );
        let fail = |what: &str, e: &kube::Error| TestbedError::new(STAGE, format!("{what}: {}", error_message(e)));
        let settings = settings.map_err(|e| fail(&format!("config map {SYSTEM}/{KUBEADM}"), &e))?;
        let text = settings.data.as_ref().and_then(|data| data.get(KUBEADM_KEY)).map_or("", String::as_str);
        let mut pods = pod_ranges(text)?;
        for node in nodes.map_err(|e| fail("nodes", &e))? {
            let own = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.clone()).unwrap_or_default();
            pods.extend(parse_all::<IpNet>(&own, &format!("podCIDRs of node {}", node.name_any()))?);
        }
        let mut found = Self { pods: widest(pods), ..Self::default() };
        let mut of_services = Vec::new();
        for range in ranges.map_err(|e| fail("ServiceCIDRs", &e))? {
            let cidrs = range.spec.as_ref().and_then(|spec| spec.cidrs.clone()).unwrap_or_default();
            of_services.extend(parse_all::<IpNet>(&cidrs, &format!("cidrs of ServiceCIDR {}", range.name_any()))?);
        }
        found.services = widest(of_services);
        let mut addresses = Vec::new();
        for (service, name) in services.into_iter().zip([API, DNS]) {
            let service = service.map_err(|e| fail(&format!("service {name}"), &e))?;
            let ips = service.spec.and_then(|spec| spec.cluster_ips).unwrap_or_default();
            addresses.push(parse_all::<IpAddr>(&ips, &format!("clusterIPs of service {name}"))?);
        }
        found.dns = addresses.pop().unwrap_or_default();
        found.api = addresses.pop().unwrap_or_default();
        found.check_complete()
    }

    /// Returns the ranges if none is missing.
    fn check_complete(self) -> Result<Self, TestbedError> {
        let missing = [
            ("range of pods", self.pods.is_empty()),
            ("range of services", self.services.is_empty()),
            ("address of the API server", self.api.is_empty()),
            ("address of its DNS", self.dns.is_empty()),
        ];
        match missing.iter().find(|(_, is_missing)| *is_missing) {
            Some((what, _)) => Err(TestbedError::new(STAGE, format!("the cluster has no {what}"))),
            None => Ok(self),
        }
    }

    /// All destinations that no added route may move from a pod's eth0: both ranges, and the addresses outside them.
    pub fn ranges(&self) -> Vec<IpNet> {
        let single = self.api.iter().chain(&self.dns).map(|address| IpNet::from(*address));
        widest(self.pods.iter().chain(&self.services).copied().chain(single).collect())
    }
}

/// The ranges of pods, services and nodes as far as the cluster shows them, and what is not known, each with its reason.
///
/// kubeadm writes the range of pods into a ConfigMap, OpenShift into its object Network; nodes have theirs in `podCIDRs` where
/// a controller gives them out. Without ServiceCIDRs, of the services only that of the API server is known.
pub async fn read_known(client: &Client) -> (Vec<IpNet>, Vec<String>) {
    let all = ListParams::default();
    let network = ApiResource::from_gvk(&GroupVersionKind::gvk("config.openshift.io", "v1", "Network"));
    let (settings, nodes, ranges, api, openshift) = (
        Api::<ConfigMap>::namespaced(client.clone(), SYSTEM),
        Api::<Node>::all(client.clone()),
        Api::<ServiceCIDR>::all(client.clone()),
        Api::<Service>::namespaced(client.clone(), "default"),
        Api::<DynamicObject>::all_with(client.clone(), &network),
    );
    let (settings, nodes, ranges, api, openshift) = tokio::join!(
        settings.get_opt(KUBEADM),
        nodes.list(&all),
        ranges.list(&all),
        api.get_opt(API),
        openshift.get_opt("cluster")
    );
    let mut known = KnownRanges::default();
    if let Ok(Some(settings)) = &settings {
        let text = settings.data.as_ref().and_then(|data| data.get(KUBEADM_KEY)).map_or("", String::as_str);
        known.pods.extend(pod_ranges(text).unwrap_or_default());
    }
    match nodes {
        Ok(nodes) => nodes.iter().for_each(|node| known.add_node(node)),
        Err(error) => known.unknown.push(format!("ranges of nodes: {}", error_message(&error))),
    }
    if let Ok(Some(network)) = &openshift {
        known.add_openshift(&network.data);
    }
    for range in ranges.iter().flatten() {
        let cidrs = range.spec.as_ref().and_then(|spec| spec.cidrs.as_deref()).unwrap_or_default();
        known.services.extend(cidrs.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok()));
    }
    let addresses = api.ok().flatten().and_then(|service| service.spec?.cluster_ips).unwrap_or_default();
    known.finish(&addresses)
}

/// Ranges as far as they are known.
#[derive(Debug, Default)]
struct KnownRanges {
    pods: Vec<IpNet>,
    services: Vec<IpNet>,
    nodes: Vec<IpNet>,
    unknown: Vec<String>,
}

impl KnownRanges {
    fn add_node(&mut self, node: &Node) {
        let cidrs = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.as_deref()).unwrap_or_default();
        self.pods.extend(cidrs.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok()));
        let addresses = node.status.as_ref().and_then(|status| status.addresses.as_deref()).unwrap_or_default();
        let internal = addresses.iter().filter(|address| address.type_ == "InternalIP");
        self.nodes.extend(internal.filter_map(|address| address.address.parse::<IpAddr>().ok().map(IpNet::from)));
    }

    /// OpenShift's object Network `cluster`.
    fn add_openshift(&mut self, network: &Value) {
        let list = |name: &str| network["status"][name].as_array().cloned().unwrap_or_default();
        let parse = |value: &Value| value.as_str().and_then(|text| text.parse::<IpNet>().ok());
        self.pods.extend(list("clusterNetwork").iter().filter_map(|entry| parse(&entry["cidr"])));
        self.services.extend(list("serviceNetwork").iter().filter_map(parse));
    }

    /// All ranges, and what is not known; `api` are the addresses of the API server's service.
    fn finish(mut self, api: &[String]) -> (Vec<IpNet>, Vec<String>) {
        if self.pods.is_empty() {
            self.unknown.push("ranges of pods: the cluster shows none".to_owned());
        }
        if self.services.is_empty() {
            self.services = api.iter().filter_map(|text| text.parse::<IpAddr>().ok().map(IpNet::from)).collect();
            self.unknown.push("ranges of services: the cluster shows none but the API server's address".to_owned());
        }
        let all = self.pods.into_iter().chain(self.services).chain(self.nodes);
        (widest(all.collect()), self.unknown)
    }
}

/// The range of all pods in kubeadm's configuration; for two families both, separated by a comma.
fn pod_ranges(text: &str) -> Result<Vec<IpNet>, TestbedError> {
    let file = format!("{KUBEADM_KEY} of config map {SYSTEM}/{KUBEADM}");
    let found: ClusterConfiguration = manifests::decode(&file, text).at_stage(STAGE)?;
    let parts: Vec<String> = found.networking.pod_subnet.split(',').map(|part| part.trim().to_owned()).collect();
    parse_all(&parts, &file)
}

fn parse_all<T: std::str::FromStr>(texts: &[String], of: &str) -> Result<Vec<T>, TestbedError>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: &String| text.parse().map_err(|e| TestbedError::new(STAGE, format!("{of}: {text:?}: {e}")));
    texts.iter().map(parse).collect()
}

/// The ranges without those inside another one, in the given order. Adjacent ranges are not merged, so that messages show each
/// range as the cluster has it.
fn widest(all: Vec<IpNet>) -> Vec<IpNet> {
    let mut kept: Vec<IpNet> = Vec::new();
    for net in &all {
        let is_inside = |other: &IpNet| other != net && other.contains(net);
        if !kept.contains(net) && !all.iter().any(is_inside) {
            kept.push(*net);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn example_ranges() -> ClusterRanges {
        ClusterRanges {
            pods: nets(&["10.128.0.0/14"]),
            services: nets(&["172.30.0.0/16"]),
            api: vec!["172.30.0.1".parse().unwrap()],
            dns: vec!["172.30.0.10".parse().unwrap()],
        }
    }

    #[test]
    fn a_range_inside_another_one_is_left_out() {
        let all = nets(&["10.128.0.0/24", "10.128.0.0/14", "10.132.0.0/14", "10.128.0.0/14"]);
        assert_eq!(widest(all), nets(&["10.128.0.0/14", "10.132.0.0/14"]), "adjacent ranges are not merged");
    }

    #[test]
    fn a_name_server_outside_both_ranges_is_a_separate_range() {
        assert_eq!(example_ranges().ranges(), nets(&["10.128.0.0/14", "172.30.0.0/16"]));
        let local = ClusterRanges { dns: vec!["169.254.20.10".parse().unwrap()], ..example_ranges() };
        assert_eq!(local.ranges(), nets(&["10.128.0.0/14", "172.30.0.0/16", "169.254.20.10/32"]));
    }

    #[test]
    fn a_missing_range_or_address_is_an_error() {
        assert_eq!(example_ranges().check_complete().unwrap(), example_ranges());
        for (incomplete, message) in [
            (ClusterRanges { pods: vec![], ..example_ranges() }, "no range of pods"),
            (ClusterRanges { services: vec![], ..example_ranges() }, "no range of services"),
            (ClusterRanges { api: vec![], ..example_ranges() }, "no address of the API server"),
            (ClusterRanges { dns: vec![], ..example_ranges() }, "no address of its DNS"),
        ] {
            let cause = incomplete.check_complete().unwrap_err().cause();
            assert!(cause.ends_with(message), "{cause}");
        }
    }

    #[test]
    fn the_range_of_pods_is_read_from_kubeadms_configuration() {
        let text = "kind: ClusterConfiguration\nnetworking:\n  dnsDomain: cluster.local\n  podSubnet: 10.128.0.0/14,fd00::/56\n";
        assert_eq!(pod_ranges(text).unwrap(), nets(&["10.128.0.0/14", "fd00::/56"]));
        assert!(pod_ranges("").unwrap_err().cause().contains("kubeadm-config"));
        assert!(pod_ranges("networking: { podSubnet: here }").unwrap_err().cause().contains("\"here\""));
    }

    #[test]
    fn known_ranges_are_taken_from_whatever_shows_them() {
        let mut known = KnownRanges::default();
        known.add_openshift(&serde_json::json!({ "status": {
            "clusterNetwork": [{ "cidr": "10.128.0.0/14", "hostPrefix": 23 }], "serviceNetwork": ["172.30.0.0/16"] } }));
        let node = serde_json::json!({ "metadata": {}, "spec": { "podCIDRs": ["10.128.0.0/24"] },
            "status": { "addresses": [{ "type": "InternalIP", "address": "192.0.2.7" }, { "type": "Hostname", "address": "a" }] } });
        known.add_node(&serde_json::from_value(node).unwrap());
        let found = known.finish(&["172.30.0.1".to_owned()]);
        assert_eq!(found, (nets(&["10.128.0.0/14", "172.30.0.0/16", "192.0.2.7/32"]), vec![]));
        let (ranges, unknown) = KnownRanges::default().finish(&["172.21.0.1".to_owned()]);
        assert_eq!((ranges, unknown.len()), (nets(&["172.21.0.1/32"]), 2));
    }
}
