//! Each node's own part of the pods' range, as a cluster gives each node a podCIDR.

use super::networks::Configured;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use plumbline_testbed::error::TestbedError;
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The configuration with every `subnet` of host-local's `ranges` moved on to that of a node, counted from 1: the first
/// node has what is written, the second the subnet of the same size right after it.
///
/// # Errors
/// [`TestbedError`] when there is no subnet to move, or none of that number.
pub fn moved(first: &Configured, node: usize) -> Result<Configured, TestbedError> {
    let testbed_error = |cause: String| {
        TestbedError::new("read the node's networks", format!("network {} on node {node}: {cause}", first.network))
            .with_hint("give its ipam host-local ranges with subnets, which each node can have its own of")
    };
    let mut whole: Value = serde_json::from_str(&first.config).map_err(|error| testbed_error(error.to_string()))?;
    let mut found = 0;
    let plugins = whole.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten();
    for sets in plugins.filter_map(|plugin| plugin.pointer_mut("/ipam/ranges")?.as_array_mut()) {
        for range in sets.iter_mut().filter_map(Value::as_array_mut).flatten() {
            let Some(subnet) = range.get_mut("subnet") else { continue };
            let written = subnet.as_str().unwrap_or_default().to_owned();
            let parsed: IpNet = written.parse().map_err(|_| testbed_error(format!("{written:?} is no subnet")))?;
            let next =
                on(parsed, node).ok_or_else(|| testbed_error(format!("there is no such subnet after {written}")))?;
            *subnet = Value::from(next.to_string());
            found += 1;
        }
    }
    if found == 0 {
        return Err(testbed_error("it has no subnet that could be each node's own".to_owned()));
    }
    Ok(Configured { config: whole.to_string(), ..first.clone() })
}

/// The subnet of the same size, so many after this one.
fn on(first: IpNet, node: usize) -> Option<IpNet> {
    let steps = u32::try_from(node.checked_sub(1)?).ok()?;
    match first {
        IpNet::V4(net) => {
            let size = 1_u32.checked_shl(32 - u32::from(net.prefix_len()))?;
            let start = u32::from(net.network()).checked_add(size.checked_mul(steps)?)?;
            Ipv4Net::new(Ipv4Addr::from(start), net.prefix_len()).ok().map(IpNet::V4)
        }
        IpNet::V6(net) => {
            let size = 1_u128.checked_shl(128 - u32::from(net.prefix_len()))?;
            let start = u128::from(net.network()).checked_add(size.checked_mul(u128::from(steps))?)?;
            Ipv6Net::new(Ipv6Addr::from(start), net.prefix_len()).ok().map(IpNet::V6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ipam: &str) -> Configured {
        let config = format!(r#"{{"name":"n","plugins":[{{"type":"ptp","ipam":{ipam}}},{{"type":"portmap"}}]}}"#);
        Configured { network: "n".into(), config, links: 2 }
    }

    #[test]
    fn each_node_has_the_next_subnet_of_both_families() {
        let ranges = r#"{"ranges":[[{"subnet":"10.132.0.0/23"}],[{"subnet":"fd00:1::/64"}]]}"#;
        let third = moved(&network(ranges), 3).unwrap().config;
        assert!(third.contains(r#""10.132.4.0/23""#) && third.contains(r#""fd00:1:0:2::/64""#), "{third}");
    }

    #[test]
    fn no_subnet_and_no_room_are_the_beds_fault() {
        assert!(moved(&network(r#"{"type":"static"}"#), 2).unwrap_err().cause().contains("no subnet that could"));
        let last = r#"{"ranges":[[{"subnet":"255.255.255.0/24"}]]}"#;
        assert!(moved(&network(last), 2).unwrap_err().cause().contains("no such subnet"));
        assert!(moved(&network(r#"{"ranges":[[{"subnet":"x"}]]}"#), 2).unwrap_err().cause().contains("no subnet"));
    }
}
