//! What a cluster has of its own: the ranges of its pods and services, and the addresses at which pods find the API server
//! and the cluster's DNS. Asked of the cluster itself, never taken from the profile: what is to be shown is that a pod
//! reaches what is there.

use crate::manifests;
use crate::objects::words;
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
/// Where kubeadm, which makes kind's clusters, keeps what it was told: the range of all pods stands in no other object.
const KUBEADM: &str = "kubeadm-config";
/// The key in it.
const KUBEADM_KEY: &str = "ClusterConfiguration";
/// The namespace of the cluster's own parts.
const SYSTEM: &str = "kube-system";
/// The service that pods are told as their name server, whatever stands behind it (kubeadm's constant).
const DNS: &str = "kube-dns";
/// The service of the API server.
const API: &str = "kubernetes";

/// What a cluster has of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterRanges {
    /// The ranges of pods: that of the cluster, and those of its nodes.
    pub pods: Vec<IpNet>,
    /// The ranges of services.
    pub services: Vec<IpNet>,
    /// The API server's addresses as pods know them: those of its service.
    pub api: Vec<IpAddr>,
    /// The addresses of the cluster's DNS.
    pub dns: Vec<IpAddr>,
}

/// What is read of kubeadm's configuration.
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
    /// Asks the cluster.
    ///
    /// # Errors
    /// `TestbedError` when it does not tell one of them: with a range unknown, a route that swallows it would be silent.
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
        let fail = |what: &str, e: &kube::Error| TestbedError::new(STAGE, format!("{what}: {}", words(e)));
        let settings = settings.map_err(|e| fail(&format!("config map {SYSTEM}/{KUBEADM}"), &e))?;
        let text = settings.data.as_ref().and_then(|data| data.get(KUBEADM_KEY)).map_or("", String::as_str);
        let mut pods = pod_ranges(text)?;
        for node in nodes.map_err(|e| fail("nodes", &e))? {
            let own = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.clone()).unwrap_or_default();
            pods.extend(parsed::<IpNet>(&own, &format!("podCIDRs of node {}", node.name_any()))?);
        }
        let mut found = Self { pods: widest(pods), ..Self::default() };
        let mut of_services = Vec::new();
        for range in ranges.map_err(|e| fail("ServiceCIDRs", &e))? {
            let cidrs = range.spec.as_ref().and_then(|spec| spec.cidrs.clone()).unwrap_or_default();
            of_services.extend(parsed::<IpNet>(&cidrs, &format!("cidrs of ServiceCIDR {}", range.name_any()))?);
        }
        found.services = widest(of_services);
        let mut addresses = Vec::new();
        for (service, name) in services.into_iter().zip([API, DNS]) {
            let service = service.map_err(|e| fail(&format!("service {name}"), &e))?;
            let ips = service.spec.and_then(|spec| spec.cluster_ips).unwrap_or_default();
            addresses.push(parsed::<IpAddr>(&ips, &format!("clusterIPs of service {name}"))?);
        }
        found.dns = addresses.pop().unwrap_or_default();
        found.api = addresses.pop().unwrap_or_default();
        found.whole()
    }

    /// Itself, when nothing of it is lacking.
    fn whole(self) -> Result<Self, TestbedError> {
        let lacking = [
            ("range of pods", self.pods.is_empty()),
            ("range of services", self.services.is_empty()),
            ("address of the API server", self.api.is_empty()),
            ("address of its DNS", self.dns.is_empty()),
        ];
        match lacking.iter().find(|(_, lacks)| *lacks) {
            Some((what, _)) => Err(TestbedError::new(STAGE, format!("the cluster tells no {what}"))),
            None => Ok(self),
        }
    }

    /// All that no added route may take away from a pod's eth0: both ranges, and the addresses that are in neither.
    pub fn ranges(&self) -> Vec<IpNet> {
        let single = self.api.iter().chain(&self.dns).map(|address| IpNet::from(*address));
        widest(self.pods.iter().chain(&self.services).copied().chain(single).collect())
    }
}

/// The range of all pods in kubeadm's configuration; of two families both, with a comma between them.
fn pod_ranges(text: &str) -> Result<Vec<IpNet>, TestbedError> {
    let file = format!("{KUBEADM_KEY} of config map {SYSTEM}/{KUBEADM}");
    let found: ClusterConfiguration = manifests::decode(&file, text).at_stage(STAGE)?;
    let parts: Vec<String> = found.networking.pod_subnet.split(',').map(|part| part.trim().to_owned()).collect();
    parsed(&parts, &file)
}

fn parsed<T: std::str::FromStr>(texts: &[String], of: &str) -> Result<Vec<T>, TestbedError>
where
    T::Err: std::fmt::Display,
{
    let one = |text: &String| text.parse().map_err(|e| TestbedError::new(STAGE, format!("{of}: {text:?}: {e}")));
    texts.iter().map(one).collect()
}

/// Without those that lie in another one, in the order in which they came. Neighbours stay two: a range is named as its
/// cluster names it.
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

    fn own() -> ClusterRanges {
        ClusterRanges {
            pods: nets(&["10.128.0.0/14"]),
            services: nets(&["172.30.0.0/16"]),
            api: vec!["172.30.0.1".parse().unwrap()],
            dns: vec!["172.30.0.10".parse().unwrap()],
        }
    }

    #[test]
    fn a_range_within_another_one_is_not_named_beside_it() {
        let all = nets(&["10.128.0.0/24", "10.128.0.0/14", "10.132.0.0/14", "10.128.0.0/14"]);
        assert_eq!(widest(all), nets(&["10.128.0.0/14", "10.132.0.0/14"]), "and neighbours are not made one");
    }

    #[test]
    fn a_name_server_outside_of_both_ranges_is_one_of_its_own() {
        assert_eq!(own().ranges(), nets(&["10.128.0.0/14", "172.30.0.0/16"]));
        let local = ClusterRanges { dns: vec!["169.254.20.10".parse().unwrap()], ..own() };
        assert_eq!(local.ranges(), nets(&["10.128.0.0/14", "172.30.0.0/16", "169.254.20.10/32"]));
    }

    #[test]
    fn what_a_cluster_does_not_tell_is_an_error() {
        assert_eq!(own().whole().unwrap(), own());
        for (lacking, words) in [
            (ClusterRanges { pods: vec![], ..own() }, "no range of pods"),
            (ClusterRanges { services: vec![], ..own() }, "no range of services"),
            (ClusterRanges { api: vec![], ..own() }, "no address of the API server"),
            (ClusterRanges { dns: vec![], ..own() }, "no address of its DNS"),
        ] {
            let cause = lacking.whole().unwrap_err().cause();
            assert!(cause.ends_with(words), "{cause}");
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
