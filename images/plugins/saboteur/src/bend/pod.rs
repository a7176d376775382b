//! Other state of the pod: sysctls, neighbours, queueing disciplines, packet filter rules.

use super::firewall;
use crate::call::{Call, Done};
use std::net::IpAddr;

/// IPv6 is switched off on the interface.
pub fn disable_v6(call: &mut Call) -> Done {
    let path = format!("net/ipv6/conf/{}/disable_ipv6", call.interface);
    call.set_pod_sysctl(&path, "1")
}

/// A sysctl of the interface has another value.
pub fn change_device_sysctl(call: &mut Call) -> Done {
    let path = format!("net/ipv4/conf/{}/arp_ignore", call.interface);
    call.set_pod_sysctl(&path, "3")
}

/// A sysctl of the whole pod has another value.
pub fn change_sysctl(call: &mut Call) -> Done {
    call.set_pod_sysctl("net/ipv4/ip_default_ttl", "33")
}

/// The pod forwards packets.
pub fn enable_forwarding(call: &mut Call) -> Done {
    call.set_pod_sysctl("net/ipv4/ip_forward", "1")
}

/// A permanent neighbour on the interface.
pub fn add_neighbour(call: &mut Call) -> Done {
    let index = call.index()?;
    let address = IpAddr::from([198, 51, 100, 9]);
    Ok(call.pod()?.set_neighbour(address, index, &[0x02, 0, 0, 0, 0, 0x09])?)
}

/// Another queueing discipline.
pub fn change_qdisc(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_root_qdisc(index, "pfifo")?)
}

/// A packet filter rule in the pod.
pub fn add_firewall_rule(call: &mut Call) -> Done {
    call.in_pod(firewall::add_rule)
}
