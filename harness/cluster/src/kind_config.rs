//! kind's configuration: the profile's template, rendered for this host and parsed strictly.

use crate::kind_types::Cluster;
use crate::naming;
use crate::profile::{Loaded, Role};
use plumbline_kube::manifests::render;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use serde::Serialize;

/// The probed properties of the host that change the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// The engine's containers run under cgroup v1.
    pub cgroup_v1: bool,
    /// CAP_SYS_RESOURCE is not in the bounding set, so no container can have it.
    pub lacks_sys_resource: bool,
}

/// Bit number of CAP_SYS_RESOURCE (linux/capability.h).
const CAP_SYS_RESOURCE: u32 = 24;

impl Host {
    /// Reads the engine's cgroup version (`1` or `2`) and the text of `/proc/self/status`.
    /// If the text has no bounding set, no capability counts as missing.
    pub fn new(cgroup_version: Option<&str>, proc_status: &str) -> Self {
        let bounding = proc_status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let bounding = bounding.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX);
        Self { cgroup_v1: cgroup_version == Some("1"), lacks_sys_resource: bounding & (1 << CAP_SYS_RESOURCE) == 0 }
    }
}

#[derive(Serialize)]
struct Values<'a> {
    name: &'a str,
    networking: Subnets,
    host: Host,
    nodes: Vec<NodeValues<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subnets {
    pod_subnet: String,
    service_subnet: String,
}

#[derive(Serialize)]
struct NodeValues<'a> {
    role: Role,
    image: &'a str,
}

/// kind's configuration of one cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Cluster name: `plumbline-<profile>-<hash>`. The hash covers the profile, this configuration and the node image. So a
    /// change of one of them creates another cluster.
    pub name: String,
    /// The text for kind.
    pub text: String,
}

/// Renders kind's configuration for `host`, with the node image that `image` names.
///
/// # Errors
/// `TestbedError` at stage `profile`: a template that can't be rendered, or whose text is not kind's v1alpha4.
pub fn kind_config(loaded: &Loaded, host: Host, image: &str) -> Result<Rendered, TestbedError> {
    let file = loaded.folder.join(&loaded.profile.kind_config).display().to_string();
    let template = loaded.text(&loaded.profile.kind_config)?;
    let with_name = |name: &str| {
        let values = Values {
            name,
            networking: Subnets {
                pod_subnet: loaded.profile.networking.pod_subnet.to_string(),
                service_subnet: loaded.profile.networking.service_subnet.to_string(),
            },
            host,
            nodes: loaded.profile.nodes.iter().map(|node| NodeValues { role: node.role, image }).collect(),
        };
        render(&file, &template, &values).at_stage("profile")
    };
    let profile = &loaded.profile.metadata.name;
    let content = format!("{}\n{image}", with_name(profile)?);
    let name = naming::cluster_name(profile, content.as_bytes());
    let text = with_name(&name)?;
    let cluster = Cluster::parse(&file, &text).at_stage("profile")?;
    if cluster.name != name || cluster.nodes.len() != loaded.profile.nodes.len() {
        let found = format!("cluster {} with {} nodes", cluster.name, cluster.nodes.len());
        return Err(TestbedError::new("profile", format!("{file}: expected cluster {name}, found {found}")));
    }
    Ok(Rendered { name, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{ImageSource, list_profiles};
    use std::path::PathBuf;

    fn root() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    const PLAIN: Host = Host { cgroup_v1: false, lacks_sys_resource: false };
    const BARE: Host = Host { cgroup_v1: true, lacks_sys_resource: true };

    #[test]
    fn every_profile_renders_to_v1alpha4_on_every_host() {
        let names = list_profiles(&root());
        assert!(names.len() >= 5 && names.contains(&"hermetic".to_owned()), "{names:?}");
        for name in names {
            let loaded = Loaded::read(&root(), &name).unwrap();
            for host in [PLAIN, BARE] {
                let rendered = kind_config(&loaded, host, "node:x").unwrap();
                let cluster = Cluster::parse("rendered", &rendered.text).unwrap();
                assert!(cluster.networking.disable_default_cni);
                assert_eq!(cluster.feature_gates.contains_key("KubeletInUserNamespace"), host.lacks_sys_resource);
                assert_eq!(cluster.kubeadm_config_patches.len(), usize::from(host.cgroup_v1));
                assert_eq!(cluster.nodes[0].image.as_deref(), Some("node:x"));
            }
        }
    }

    #[test]
    fn the_name_depends_on_the_content() {
        let loaded = Loaded::read(&root(), "hermetic").unwrap();
        let name = |host, image| kind_config(&loaded, host, image).unwrap().name;
        assert_eq!(name(PLAIN, "a"), name(PLAIN, "a"));
        assert_ne!(name(PLAIN, "a"), name(PLAIN, "b"));
        assert_ne!(name(PLAIN, "a"), name(BARE, "a"));
        assert!(name(PLAIN, "a").starts_with("plumbline-hermetic-"));
    }

    #[test]
    fn unknown_fields_are_refused_with_their_line() {
        let error =
            Cluster::parse("k.yaml", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodez: []\n").unwrap_err();
        assert!(error.file == "k.yaml" && error.reason.contains("nodez") && error.reason.contains('3'), "{error}");
        let text = std::fs::read_to_string(root().join("clusters/hermetic/profile.yaml")).unwrap();
        let error = crate::profile::Profile::parse("p.yaml", &format!("{text}bridgez: []\n")).unwrap_err();
        assert!(error.reason.contains("bridgez"), "{error}");
    }

    #[test]
    fn moving_tags_are_refused() {
        let loaded = Loaded::read(&root(), "upstream").unwrap();
        let ImageSource::Pulled(reference) = &loaded.profile.images.node else { panic!("pulled") };
        let text = loaded.text(std::path::Path::new("profile.yaml")).unwrap();
        let moving = text.replace(reference, "kindest/node:latest");
        let error = crate::profile::Profile::parse("p.yaml", &moving).unwrap_err();
        assert!(error.reason.contains("neither a digest nor an exact tag"), "{error}");
    }

    #[test]
    fn the_host_is_probed_from_the_engine_and_the_bounding_set() {
        assert_eq!(Host::new(Some("1"), "CapBnd:\t000001fffeffffff\n"), BARE);
        assert_eq!(Host::new(Some("2"), "CapBnd:\t000001ffffffffff\n"), PLAIN);
        assert_eq!(Host::new(None, ""), PLAIN);
    }
}
