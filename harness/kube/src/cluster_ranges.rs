//! A cluster's own ranges: those of its pods and services, and the addresses of the API server and of the cluster's DNS, as
//! pods use them. They are read from the cluster, never from the profile, because the tests show that pods reach the real
//! addresses.

use crate::manifests;
use crate::objects::error_message;
use futures::future::join_all;
use ipnet::IpNet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use serde::Deserialize;
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
}
