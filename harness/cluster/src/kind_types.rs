//! kind's cluster configuration, version v1alpha4, as strict types.
//!
//! The fields are those of `pkg/apis/config/v1alpha4/types.go` of `sigs.k8s.io/kind` 0.33.0. kind itself also refuses unknown
//! fields, but only when it already uses the engine. These types refuse them in a test and before anything is created.

use plumbline_kube::manifests::{self, ManifestError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// `Cluster`.
    pub kind: String,
    /// `kind.x-k8s.io/v1alpha4`.
    pub api_version: String,
    /// Cluster name.
    #[serde(default)]
    pub name: String,
    /// Nodes.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// Cluster-wide network settings.
    #[serde(default)]
    pub networking: Networking,
    /// Kubernetes feature gates.
    #[serde(default)]
    pub feature_gates: BTreeMap<String, bool>,
    /// API server runtime configuration.
    #[serde(default)]
    pub runtime_config: BTreeMap<String, String>,
    /// Merge patches to kubeadm's configuration.
    #[serde(default)]
    pub kubeadm_config_patches: Vec<String>,
    /// JSON 6902 patches to kubeadm's configuration.
    #[serde(default, rename = "kubeadmConfigPatchesJSON6902")]
    pub kubeadm_config_patches_json6902: Vec<PatchJson6902>,
    /// Merge patches to containerd's configuration.
    #[serde(default)]
    pub containerd_config_patches: Vec<String>,
    /// JSON 6902 patches to containerd's configuration.
    #[serde(default, rename = "containerdConfigPatchesJSON6902")]
    pub containerd_config_patches_json6902: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Role; the default is control plane.
    pub role: Option<crate::profile::Role>,
    /// Node image.
    pub image: Option<String>,
    /// Labels of the Kubernetes node.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Mounts from the host.
    #[serde(default)]
    pub extra_mounts: Vec<Mount>,
    /// Ports published on the host.
    #[serde(default)]
    pub extra_port_mappings: Vec<PortMapping>,
    /// Merge patches of this node.
    #[serde(default)]
    pub kubeadm_config_patches: Vec<String>,
    /// JSON 6902 patches of this node.
    #[serde(default, rename = "kubeadmConfigPatchesJSON6902")]
    pub kubeadm_config_patches_json6902: Vec<PatchJson6902>,
}

/// Cluster-wide network settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Networking {
    /// `ipv4`, `ipv6`, `dual`.
    pub ip_family: Option<IpFamily>,
    /// API server's port on the host; random by default.
    pub api_server_port: Option<i32>,
    /// API server's address on the host.
    pub api_server_address: Option<String>,
    /// Pods' subnet.
    pub pod_subnet: Option<String>,
    /// Services' subnet.
    pub service_subnet: Option<String>,
    /// Whether kind's own network plugin is left out.
    #[serde(default, rename = "disableDefaultCNI")]
    pub disable_default_cni: bool,
    /// `iptables`, `ipvs`, `nftables`.
    pub kube_proxy_mode: Option<ProxyMode>,
    /// Search domains of the nodes.
    pub dns_search: Option<Vec<String>>,
}

/// Address families of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpFamily {
    /// Only IPv4.
    Ipv4,
    /// Only IPv6.
    Ipv6,
    /// Both.
    Dual,
}

/// kube-proxy's modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    /// iptables.
    Iptables,
    /// IPVS.
    Ipvs,
    /// nftables.
    Nftables,
}

/// A mount from the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Path in the node.
    pub container_path: String,
    /// Path on the host.
    pub host_path: String,
    /// Read-only.
    #[serde(default)]
    pub read_only: bool,
    /// Whether SELinux labels are changed.
    #[serde(default)]
    pub selinux_relabel: bool,
    /// `None`, `HostToContainer`, `Bidirectional`.
    pub propagation: Option<String>,
}

/// A port published on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortMapping {
    /// Port in the node.
    pub container_port: i32,
    /// Port on the host; random by default.
    pub host_port: Option<i32>,
    /// Address on the host.
    pub listen_address: Option<String>,
    /// `TCP`, `UDP`, `SCTP`.
    pub protocol: Option<String>,
}

/// A JSON 6902 patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchJson6902 {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Object kind.
    pub kind: String,
    /// The patch.
    pub patch: String,
}

impl Cluster {
    /// Decodes strictly.
    ///
    /// # Errors
    /// [`ManifestError`]: an unknown field, a wrong type, or a version other than v1alpha4.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        let cluster: Self = manifests::decode(file, text)?;
        if cluster.kind != "Cluster" || cluster.api_version != "kind.x-k8s.io/v1alpha4" {
            let found = format!("{} {}", cluster.kind, cluster.api_version);
            return Err(ManifestError::new(file, format!("expected kind's Cluster v1alpha4, found {found}")));
        }
        Ok(cluster)
    }
}
