//! Masquerading of a pod's traffic by iptables (plugins 1.9.1, `pkg/ip/ipmasq_iptables_linux.go`; names of chains:
//! `pkg/utils/utils.go`).

use super::case::PluginCase;
use super::firewall::{self, Place};
use super::model::Unpredicted;
use super::world::World;
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
    for rules in addresses.iter().map(|address| MasqueradeRules::new(case, address)) {
        firewall::add_chain(world, rules.family, &rules.chain);
        for rule in &rules.own {
            firewall::add_rule(world, rules.family, &rules.chain, rule, Place::Last);
        }
        firewall::add_rule(world, rules.family, POSTROUTING, &rules.jump, Place::Last);
    }
    Ok(())
}

/// Removes the rules of each address.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>, addresses: &[IpNet]) {
    world.because("ipMasq", "DEL removes the rules of masquerading");
    for MasqueradeRules { family, chain, own, jump } in addresses.iter().map(|one| MasqueradeRules::new(case, one)) {
        let of = format!(" of {family} nat");
        let rules = own.iter().map(|rule| format!("-A {chain} {rule}{of}"));
        let gone: Vec<String> = rules
            .chain([format!("chain {chain}{of}"), format!("order of {chain}{of}")])
            .chain([format!("-A {POSTROUTING} {jump}{of}")])
            .collect();
        firewall::remove(world, |item| gone.iter().any(|gone| gone == item));
    }
}

/// The chain of packets that leave.
const POSTROUTING: &str = "POSTROUTING";

/// The rules of an address, as `iptables-save` prints them.
struct MasqueradeRules {
    family: &'static str,
    chain: String,
    /// The rules of the chain, in their order.
    own: [String; 2],
    /// The rule that leads to it.
    jump: String,
}

impl MasqueradeRules {
    fn new(case: &PluginCase<'_>, address: &IpNet) -> Self {
        let (network, container) = (case.network(), case.container_id());
        let chain = chain_name("", network, container);
        let (family, multicast, host) = match address {
            IpNet::V4(_) => ("ip", "224.0.0.0/4", 32),
            IpNet::V6(_) => ("ip6", "ff00::/8", 128),
        };
        let comment = format!(r#"-m comment --comment "name: \"{network}\" id: \"{container}\"""#);
        Self {
            family,
            own: [
                format!("-d {} {comment} -j ACCEPT", address.trunc()),
                format!("! -d {multicast} {comment} -j MASQUERADE"),
            ],
            jump: format!("-s {}/{host} {comment} -j {chain}", address.addr()),
            chain,
        }
    }
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
