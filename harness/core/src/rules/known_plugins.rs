//! The plugins that rules know by name, and what each is in a chain.

use crate::keys::{KeyTable, Kind, PluginKeys};

/// Plugins of other projects: known by name alone.
const OTHERS: [&str; 23] = [
    "cilium-cni",
    "multus-shim",
    "flannel",
    "calico",
    "calico-ipam",
    "antrea",
    "kube-ovn",
    "ovn-k8s-cni-overlay",
    "ovs",
    "ovs-cni",
    "sriov",
    "ib-sriov",
    "ib-sriov-cni",
    "accelerated-bridge",
    "macvtap",
    "bond",
    "rdma",
    "spiderpool",
    "coordinator",
    "userspace",
    "cnv-bridge",
    "cnv-tuning",
    "veth",
];

/// What a plugin is: none for one that is not known, has no place among others, or is Terway's.
pub(crate) fn role(name: &str) -> Option<Kind> {
    find_plugin(name).map(|plugin| plugin.kind)
}

/// Whether a plugin is one of containernetworking/plugins.
pub(crate) fn is_of_plugins(name: &str) -> bool {
    find_plugin(name).is_some_and(|plugin| plugin.source == "plugins")
}

fn find_plugin(name: &str) -> Option<&'static PluginKeys> {
    KeyTable::embedded().plugin(name).filter(|plugin| plugin.kind != Kind::Other && plugin.source != "terway")
}

/// Whether a name is known.
pub(crate) fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

/// Every name that is known.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KeyTable::embedded().plugins().iter().map(|plugin| plugin.name.as_str()).chain(OTHERS)
}
