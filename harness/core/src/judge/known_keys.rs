//! The keys that each known plugin reads. Source: the `NetConf` types of containernetworking/plugins v1.9.1
//! (older releases know fewer), `pkg/types/types.go` of containernetworking/cni v1.3.1, and
//! `cmd/route-override/route-override.go` of route-override. Go matches keys without regard to case, and drops
//! those it does not know silently.

/// Keys that every plugin's configuration may have, with blanks between them.
const COMMON: &str =
    "cniVersion name type capabilities ipam dns args prevResult runtimeConfig cni.dev/valid-attachments";

/// Keys of route-override; the same in `args.cni`.
pub(super) const ROUTE_OVERRIDE: [&str; 5] = ["flushroutes", "flushgateway", "delroutes", "addroutes", "skipcheck"];

/// IPAM plugins with keys of their own.
const IPAM: [&str; 3] = ["dhcp", "host-local", "static"];

/// Keys of each known plugin beside the common ones, with blanks between them.
const PLUGINS: [(&str, &str); 20] = [
    ("bandwidth", "ingressRate ingressBurst egressRate egressBurst shapedSubnets unshapedSubnets"),
    (
        "bridge",
        "bridge isGateway isDefaultGateway forceAddress ipMasq ipMasqBackend mtu hairpinMode \
         promiscMode vlan preserveDefaultVlan vlanTrunk macspoofchk enabledad \
         disableContainerInterface portIsolation mac",
    ),
    ("dummy", ""),
    ("firewall", "backend iptablesAdminChainName firewalldZone ingressPolicy"),
    ("host-device", "device hwaddr dpdkmode kernelpath pciBusID deviceID"),
    ("ipvlan", "master mode mtu linkInContainer"),
    ("loopback", ""),
    ("macvlan", "master mode mtu mac linkInContainer bcqueuelen"),
    ("portmap", "backend snat masqAll markMasqBit externalSetMarkChain conditionsV4 conditionsV6"),
    ("ptp", "ipMasq ipMasqBackend mtu"),
    ("route-override", "flushroutes flushgateway delroutes addroutes skipcheck"),
    ("sbr", "table gateways addSourceHints"),
    ("tap", "multiQueue mtu mac owner group selinuxContext bridge"),
    ("tuning", "sysctl mac promisc mtu allmulti txQLen dataDir"),
    ("vlan", "master vlanId mtu linkInContainer"),
    ("vrf", "vrfname table"),
    // IPAM plugins: the keys of the object `ipam`.
    ("dhcp", "daemonSocketPath request provide priority"),
    ("host-local", "ranges subnet rangeStart rangeEnd gateway routes dataDir resolvConf"),
    ("static", "addresses routes dns"),
    ("passthru", ""),
];

/// Keys of an element of `ipam.addresses` of the static plugin.
pub(super) const STATIC_ADDRESS: [&str; 2] = ["address", "gateway"];

/// Meta plugins: they change what an earlier plugin made, and fail without its result.
pub(crate) const META: [&str; 7] = ["route-override", "tuning", "portmap", "bandwidth", "sbr", "vrf", "firewall"];

/// Main plugins: they create the interface; a chain has room for one.
pub(crate) const MAIN: [&str; 8] = ["macvlan", "ipvlan", "bridge", "ptp", "vlan", "host-device", "dummy", "tap"];

/// The known plugins of chains. IPAM plugins are in another plugin's configuration.
pub(crate) fn plugins() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().map(|(name, _)| *name).filter(|name| !IPAM.contains(name))
}

/// The keys that a plugin's own configuration object may have; none for a plugin not known here.
pub(super) fn of_plugin(plugin: &str) -> Option<Vec<&'static str>> {
    let (_, own) = PLUGINS.iter().find(|(name, _)| *name == plugin)?;
    Some(own.split_whitespace().chain(COMMON.split_whitespace()).collect())
}

/// The keys of the object `ipam` for an IPAM plugin; none for one not known here.
pub(super) fn of_ipam(plugin: &str) -> Option<Vec<&'static str>> {
    let (_, own) = PLUGINS.iter().find(|(name, _)| *name == plugin && IPAM.contains(name))?;
    Some(own.split_whitespace().chain(["type"]).collect())
}
