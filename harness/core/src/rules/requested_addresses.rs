//! Rules about the addresses and gateways that a pod requests, against the configuration of its network (`PL605`).

use super::addresses::{find_lost_gateways, is_link_local};
use super::context::PodRequests;
use super::view::{Addressing, PluginView, Pool, finding, plugins};
use crate::finding::{Finding, FindingCode};
use crate::plan::{Attachment, Network};
use ipnet::IpNet;
use std::net::IpAddr;

/// Checks the attachment at an index of a pod.
pub(super) fn check(pod: &PodRequests, index: usize, plugins: &[PluginView<'_>], findings: &mut Vec<Finding>) {
    let (Some(attachment), Some(main)) =
        (pod.attachments.get(index), plugins.iter().find(|plugin| plugin.ipam().is_some()))
    else {
        return;
    };
    let mut add = |key: &str, message: String, note: &str| {
        let entry = Finding::new(FindingCode::PL605, message).pod(&pod.name).network(&attachment.network);
        let entry = entry.interface(&attachment.interface).source(pod.place(&format!("{index}/{key}")));
        findings.push(entry.notes([note]));
    };
    let addressing = Addressing::read_with(plugins, attachment.cni_args.as_ref());
    for (number, text) in attachment.ips.iter().enumerate() {
        let key = format!("ips/{number}");
        match main.ipam_type() {
            "static" if !text.contains('/') => {
                let note = "write the address with the length, such as 192.0.2.10/24 (plugins/ipam/static/main.go)";
                add(&key, format!("`{text}` has no prefix length: static refuses it"), note);
            }
            "host-local" if !main.declares("ipRanges") => {
                if let Some(why) = host_local_refusal(text, &addressing.pools) {
                    add(&key, why, "the plugin ends with an error for this pod (plugins/ipam/host-local/main.go)");
                }
            }
            _ => {}
        }
    }
    check_default_route(attachment, main, &addressing, &mut add);
}

/// Why host-local does not give a requested address.
fn host_local_refusal(text: &str, pools: &[Pool]) -> Option<String> {
    let ip = read_address(text)?;
    if pools.is_empty() {
        return None;
    }
    let Some(pool) = pools.iter().find(|pool| pool.first <= ip && ip <= pool.last) else {
        let ranges: Vec<String> = pools.iter().map(|pool| format!("{} - {}", pool.first, pool.last)).collect();
        return Some(format!("{ip} is not within {}: host-local refuses it", ranges.join(" or ")));
    };
    (pool.gateway == Some(ip)).then(|| format!("{ip} is the gateway of {}: host-local refuses it", pool.subnet))
}

/// Multus adds the default route when the chain has ended: the gateway must be on the interface's networks.
fn check_default_route(
    attachment: &Attachment,
    main: &PluginView<'_>,
    addressing: &Addressing,
    add: &mut dyn FnMut(&str, String, &str),
) {
    let Some(subnets) = subnets_of(attachment, main.ipam_type(), addressing) else { return };
    for gateway in attachment.default_route.iter().flatten() {
        let nets: Vec<IpNet> =
            subnets.iter().copied().filter(|net| net.addr().is_ipv4() == gateway.is_ipv4()).collect();
        let leads = |to: &IpNet| to.prefix_len() > 0 && to.contains(gateway);
        let is_reached = addressing.routes.iter().flatten().any(|route| route.to.as_ref().is_some_and(leads));
        if is_reached || is_link_local(gateway) || nets.is_empty() {
            continue;
        }
        if nets.iter().any(|net| net.addr() == *gateway && net.prefix_len() != net.max_prefix_len()) {
            let note = "name the address of the router";
            add("default-route", format!("gateway {gateway} is the pod's own address"), note);
        } else if !nets.iter().any(|net| net.contains(gateway)) {
            let nets: Vec<String> = nets.iter().map(|net| net.trunc().to_string()).collect();
            let message =
                format!("gateway {gateway} is not within {}: the kernel refuses the default route", nets.join(" or "));
            add("default-route", message, "Multus ends with an error for this pod");
        }
    }
}

/// The networks of an attachment, with its own addresses where they are known. None where only the node knows them.
fn subnets_of(attachment: &Attachment, ipam: &str, addressing: &Addressing) -> Option<Vec<IpNet>> {
    let args = attachment.cni_args.as_ref().and_then(|args| args.get("ips"));
    let requested = || attachment.ips.iter().filter_map(|ip| ip.parse::<IpNet>().ok());
    let fixed = || addressing.fixed.iter().map(|fixed| fixed.address);
    match ipam {
        "static" if args.is_some() => None,
        "static" if addressing.is_by_pod && !attachment.ips.is_empty() => Some(requested().collect()),
        "static" => Some(fixed().chain(requested()).collect()),
        "host-local" | "whereabouts" => Some(addressing.pools.iter().map(|pool| pool.subnet).collect()),
        _ => None,
    }
}

/// Checks the gateways of a network's routes against the addresses that pods request; those of the first pod that does
/// not reach one. Networks whose pods request none are checked without them.
pub(super) fn check_gateways(network: &Network, users: &[(&PodRequests, &Attachment)], findings: &mut Vec<Finding>) {
    let Some(chain) = &network.chain else { return };
    let plugins = plugins(chain);
    let ipam = plugins.iter().find(|plugin| plugin.ipam().is_some()).map_or("", |plugin| plugin.ipam_type());
    for (pod, attachment) in users {
        let addressing = Addressing::read_with(&plugins, attachment.cni_args.as_ref());
        if !addressing.is_by_pod {
            return;
        }
        let Some(routes) = &addressing.routes else { continue };
        let subnets: Vec<IpNet> =
            subnets_of(attachment, ipam, &addressing).into_iter().flatten().map(|net| net.trunc()).collect();
        let lost = find_lost_gateways(routes, &subnets);
        for (path, message) in &lost {
            let note = match attachment.ips.as_slice() {
                [] => format!("{} requests no address", pod.describe()),
                ips => format!("{} requests {}", pod.describe(), ips.join(", ")),
            };
            findings.push(finding(network, FindingCode::PL605, path, message.clone()).notes([note]));
        }
        if !lost.is_empty() {
            return;
        }
    }
}

/// An address, with or without the prefix length.
fn read_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpNet>().map(|net| net.addr()).ok().or_else(|| text.parse().ok())
}
