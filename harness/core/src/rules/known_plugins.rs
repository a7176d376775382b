//! The plugins that rules know by name, and what each is in a chain.

/// What a plugin is in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It creates the interface; a chain has room for one.
    Main,
    /// It changes what an earlier plugin made, and fails without its result.
    Meta,
    /// It assigns addresses for another plugin.
    Ipam,
}

/// Plugins of containernetworking/plugins v1.9.1 and route-override.
const MAIN: [&str; 8] = ["macvlan", "ipvlan", "bridge", "ptp", "vlan", "host-device", "dummy", "tap"];
const META: [&str; 7] = ["route-override", "tuning", "portmap", "bandwidth", "sbr", "vrf", "firewall"];
const IPAM: [&str; 4] = ["dhcp", "host-local", "static", "whereabouts"];

/// Plugins of other projects, and such that have no role: known by name alone.
const OTHERS: [&str; 27] = [
    "loopback",
    "passthru",
    "terway",
    "cilium-cni",
    "multus",
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

/// What a plugin is; none for one that is not known, or has no role.
pub(crate) fn role(name: &str) -> Option<Role> {
    let roles = [(&MAIN[..], Role::Main), (&META[..], Role::Meta), (&IPAM[..], Role::Ipam)];
    roles.into_iter().find(|(names, _)| names.contains(&name)).map(|(_, role)| role)
}

/// Whether a plugin is one of containernetworking/plugins.
pub(crate) fn is_of_plugins(name: &str) -> bool {
    role(name).is_some() && !["route-override", "whereabouts"].contains(&name)
}

/// Whether a name is known.
pub(crate) fn is_known(name: &str) -> bool {
    role(name).is_some() || OTHERS.contains(&name)
}

/// Every name that is known.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MAIN.into_iter().chain(META).chain(IPAM).chain(OTHERS)
}
