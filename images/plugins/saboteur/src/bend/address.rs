//! Addresses of the interface.

use crate::call::{Call, Done, Problem};
use ipnet::IpNet;
use nix::poll::{PollTimeout, poll};
use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressScope};
use plumbline_netlink::{NewAddress, address as addresses};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// Replaces the IPv4 address. Routes with a gateway stay, as they would if the plugin had set this address.
fn replace(call: &mut Call, old: IpNet, new: &NewAddress) -> Done {
    let (index, routes) = (call.index()?, call.routes()?);
    call.pod()?.delete_address(old, index)?;
    call.pod()?.add_address(new)?;
    call.restore_routes(&routes)
}

/// Replaces the address in kernel and result.
fn replace_reported(call: &mut Call, change: impl Fn(IpNet) -> Done<IpNet>) -> Done {
    let (index, old) = (call.index()?, call.address(false)?);
    let new = change(old)?;
    replace(call, old, &NewAddress::new(new, index))?;
    replace_in_result(call, old, new)
}

fn replace_in_result(call: &mut Call, old: IpNet, new: IpNet) -> Done {
    let old = Value::from(old.to_string());
    let mut entries = call.result_addresses().iter_mut();
    let entry = entries.find(|entry| entry["address"] == old);
    let entry = entry.ok_or_else(|| Problem::failed(format!("the result has no address {old}")))?;
    entry["address"] = Value::from(new.to_string());
    Ok(())
}

fn next(address: IpNet) -> Done<IpNet> {
    let IpAddr::V4(own) = address.addr() else { return Err(Problem::failed("no IPv4 address")) };
    let next = Ipv4Addr::from(u32::from(own).wrapping_add(1));
    IpNet::new(next.into(), address.prefix_len()).map_err(|error| Problem::failed(error.to_string()))
}

/// No IPv4 address in the kernel.
pub fn remove(call: &mut Call) -> Done {
    let (index, old) = (call.index()?, call.address(false)?);
    Ok(call.pod()?.delete_address(old, index)?)
}

/// The next address, in kernel and result.
pub fn increment(call: &mut Call) -> Done {
    replace_reported(call, next)
}

/// A longer prefix, in kernel and result.
pub fn lengthen_prefix(call: &mut Call) -> Done {
    let longer = |old: IpNet| IpNet::new(old.addr(), old.prefix_len() + 1).map_err(|e| Problem::failed(e.to_string()));
    replace_reported(call, longer)
}

/// A second address on the interface.
pub fn add_extra(call: &mut Call) -> Done {
    let (index, own) = (call.index()?, call.address(false)?);
    Ok(call.pod()?.add_address(&NewAddress::new(next(next(own)?)?, index))?)
}

/// An address on another interface of the pod.
pub fn add_elsewhere(call: &mut Call) -> Done {
    let (index, _) = call.other_interface()?;
    let extra = IpNet::from(IpAddr::from([198, 51, 100, 7]));
    Ok(call.pod()?.add_address(&NewAddress::new(extra, index))?)
}

/// host-local gives the address of another lease, and keeps no lease of its own.
pub fn share(call: &mut Call) -> Done {
    let folder = lease_folder(call);
    let name = |entry: std::io::Result<std::fs::DirEntry>| Some(entry.ok()?.file_name().to_str()?.to_owned());
    let entries = std::fs::read_dir(&folder).map_err(|error| Problem::failed(format!("{folder}: {error}")))?;
    let leased: Vec<Ipv4Addr> = entries.filter_map(|entry| name(entry)?.parse().ok()).collect();
    let own = call.result_addresses().first().and_then(|entry| entry["address"].as_str()?.parse::<IpNet>().ok());
    let own = own.ok_or_else(|| Problem::failed("host-local gave no address"))?;
    // The first pod has an address of its own.
    let Some(other) = leased.into_iter().map(IpAddr::V4).find(|other| *other != own.addr()) else { return Ok(()) };
    std::fs::remove_file(format!("{folder}/{}", own.addr()))?;
    let shared = IpNet::new(other, own.prefix_len()).map_err(|error| Problem::failed(error.to_string()))?;
    replace_in_result(call, own, shared)
}

/// host-local's folder of the network's leases.
pub fn lease_folder(call: &Call) -> String {
    let data = call.config["ipam"]["dataDir"].as_str().unwrap_or("/var/lib/cni/networks");
    format!("{data}/{}", call.config["name"].as_str().unwrap_or_default())
}

/// host-local gives an address of its subnet that is in none of its ranges.
pub fn leave_range(call: &mut Call) -> Done {
    let own = call.result_addresses().first().and_then(|entry| entry["address"].as_str()?.parse::<IpNet>().ok());
    let Some(IpNet::V4(own)) = own else { return Err(Problem::failed("host-local gave no address")) };
    let last = Ipv4Addr::from(u32::from(own.broadcast()).wrapping_sub(1));
    let outside = IpNet::new(last.into(), own.prefix_len()).map_err(|error| Problem::failed(error.to_string()))?;
    replace_in_result(call, own.into(), outside)
}

/// The address has scope link.
pub fn narrow_scope(call: &mut Call) -> Done {
    let (index, old) = (call.index()?, call.address(false)?);
    replace(call, old, &NewAddress::new(old, index).scope(AddressScope::Link))
}

/// The address has no broadcast address.
pub fn drop_broadcast(call: &mut Call) -> Done {
    let (index, old) = (call.index()?, call.address(false)?);
    replace(call, old, &NewAddress::new(old, index).no_broadcast())
}

/// The address has a label.
pub fn label(call: &mut Call) -> Done {
    let (index, old) = (call.index()?, call.address(false)?);
    let label = format!("{}:7", call.interface);
    replace(call, old, &NewAddress::new(old, index).label(label))
}

/// Duplicate address detection of the IPv6 address fails: the bridge has it meanwhile.
pub fn fail_detection(call: &mut Call) -> Done {
    let (index, own) = (call.index()?, call.address(true)?);
    let bridge = call.config["bridge"].as_str().unwrap_or("cni0").to_owned();
    let other = call.node.link_index(&bridge)?;
    call.node.add_address(&NewAddress::new(own, other).no_dad())?;
    let outcome = detect(call, index, own);
    call.node.delete_address(own, other)?;
    outcome
}

/// Sysctls of the interface that detection needs: that it takes place, and at once.
const DETECTION: [(&str, &str); 2] = [("accept_dad", "1"), ("router_solicitation_delay", "0")];

fn detect(call: &mut Call, index: u32, own: IpNet) -> Done {
    let path = |name: &str| format!("net/ipv6/conf/{}/{name}", call.interface);
    let mut restored = Vec::new();
    for (name, value) in DETECTION {
        let path = path(name);
        let before = call.in_pod(|| Ok(std::fs::read_to_string(format!("/proc/sys/{path}"))?))?;
        call.set_pod_sysctl(&path, value)?;
        restored.push((path, before));
    }
    call.pod()?.delete_address(own, index)?;
    call.pod()?.add_address(&NewAddress::new(own, index))?;
    let outcome = wait_for_failure(call, own);
    for (path, before) in restored {
        call.set_pod_sysctl(&path, before.trim())?;
    }
    outcome
}

fn wait_for_failure(call: &mut Call, own: IpNet) -> Done {
    const STEP_MS: u8 = 5;
    const STEPS: usize = 400;
    let is_flag = |attribute: &AddressAttribute| match attribute {
        AddressAttribute::Flags(flags) => flags.contains(AddressFlags::Dadfailed),
        _ => false,
    };
    for _ in 0..STEPS {
        let listed = call.pod()?.addresses()?;
        let mut of_address = listed.iter().filter(|one| addresses::local(one) == Some(own.addr()));
        if of_address.any(|one| one.attributes.iter().any(is_flag)) {
            return Ok(());
        }
        poll(&mut [], PollTimeout::from(STEP_MS)).map_err(std::io::Error::from)?;
    }
    Err(Problem::failed("duplicate address detection did not fail within 2 seconds"))
}

/// The IPv6 address is missing, and only that.
pub fn remove_v6(call: &mut Call) -> Done {
    let (index, old) = (call.index()?, call.address(true)?);
    Ok(call.pod()?.delete_address(old, index)?)
}
