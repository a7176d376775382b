//! Masquerading of a pod's traffic by iptables (plugins 1.9.1, `pkg/ip/ipmasq_iptables_linux.go`; names of chains:
//! `pkg/utils/utils.go`).

use super::case::PluginCase;
use super::model::Unpredicted;
use super::world::World;
use crate::state::{FactKey, FactKind, Subject};
use data_encoding::HEXLOWER;
use ipnet::IpNet;
use sha2::{Digest, Sha512};

/// The length of a chain's name (`maxChainLength`).
const CHAIN_LENGTH: usize = 28;

/// The name of a chain of one network and container: a prefix, and as much of the hash as fits.
pub fn chain_name(prefix: &str, network: &str, container: &str) -> String {
    let hash = Sha512::digest(format!("{network}{container}").as_bytes());
    let mut name = format!("CNI-{prefix}{}", HEXLOWER.encode(&hash));
    name.truncate(CHAIN_LENGTH);
    name
}

/// Adds the rules of each address.
///
/// # Errors
/// The nftables backend, which has no model yet.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>, addresses: &[IpNet]) -> Result<(), Unpredicted> {
    if case.text(&["ipMasqBackend"]).is_some_and(|backend| backend != "iptables") {
        return Err(Unpredicted::key("ipMasqBackend"));
    }
    world.because("ipMasq", "masquerading by iptables");
    for item in addresses.iter().flat_map(|address| items(case, address)) {
        world.set_value(Subject::Node, FactKey::new(FactKind::Firewall, "", item), "");
    }
    Ok(())
}

/// Removes the rules of each address.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>, addresses: &[IpNet]) {
    world.because("ipMasq", "DEL removes the rules of masquerading");
    for item in addresses.iter().flat_map(|address| items(case, address)) {
        world.remove(Subject::Node, FactKey::new(FactKind::Firewall, "", item));
    }
}

/// The chain and the rules of an address, as `iptables-save` prints them.
fn items(case: &PluginCase<'_>, address: &IpNet) -> [String; 4] {
    let (network, container) = (case.network(), case.container_id());
    let chain = chain_name("", network, container);
    let (family, multicast, host) = match address {
        IpNet::V4(_) => ("ip", "224.0.0.0/4", 32),
        IpNet::V6(_) => ("ip6", "ff00::/8", 128),
    };
    let comment = format!(r#"-m comment --comment "name: \"{network}\" id: \"{container}\"""#);
    let of = format!("of {family} nat");
    [
        format!("chain {chain} {of}"),
        format!("-A {chain} -d {} {comment} -j ACCEPT {of}", address.trunc()),
        format!("-A {chain} ! -d {multicast} {comment} -j MASQUERADE {of}"),
        format!("-A POSTROUTING -s {}/{host} {comment} -j {chain} {of}", address.addr()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_chains_are_those_of_upstream() {
        // As the plugins named them for the networks `b` and `d` and the container `run-0`.
        assert_eq!(chain_name("", "b", "run-0"), "CNI-d3d54d7a7c2f4b00ad13b687");
        assert_eq!(chain_name("DN-", "d", "run-0"), "CNI-DN-a1ef6dd2afdd247a598b4");
    }
}
