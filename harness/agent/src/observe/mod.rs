//! Reading a network namespace: by netlink, and by `ip`, side by side.
//!
//! The words for flags, kinds and scopes are those that iproute2 prints, so that the two witnesses can be compared
//! (`ip/ipaddress.c`, `ip/iproute.c`, `lib/rt_names.c` of iproute2).

pub mod ip;
pub mod links;
pub mod routes;
pub mod rules;

use std::collections::BTreeMap;

use plumbline_core::observe::KernelState;
use plumbline_core::protocol::{Observed, Target};
use plumbline_netlink::{Netlink, link};

use crate::node::sysctls;
use crate::place::{Place, within};
use crate::trouble::{Doing, Trouble};

/// Reads a namespace; with `with_ip` also by `ip`, started before and awaited after the netlink reading.
///
/// # Errors
/// A fault, marked as gone when there is no such namespace; the end of the talk.
pub fn observe(target: &Target, with_ip: bool, place: &mut Place) -> Result<Observed, Trouble> {
    let runner = &place.runner;
    let (running, kernel, sysctls) = within(target, || {
        let running = with_ip.then(|| runner.start(&ip::jobs())).transpose()?;
        Ok((running, kernel()?, sysctls::read()))
    })?;
    let node = match target {
        Target::Pod(name) => place.bed.node_of(name),
        Target::NodeAt(node) => *node,
        _ => 1,
    };
    let node_links = place.bed.on(node, node_links)?;
    let ip = match running {
        Some(running) => ip::outputs(target, &place.runner.finish(running, &mut place.input)?),
        None => None,
    };
    Ok(Observed { kernel, ip, node_links, sysctls })
}

/// The state of the namespace this thread is in.
fn kernel() -> Result<KernelState, Trouble> {
    let doing = "read a namespace by netlink";
    let mut netlink = Netlink::open().doing(doing)?;
    let listed = netlink.links().doing(doing)?;
    let names: BTreeMap<u32, String> =
        listed.iter().map(|message| (message.header.index, link::name(message).to_owned())).collect();
    let addresses = netlink.addresses().doing(doing)?;
    let mut links: Vec<_> = listed.iter().map(|message| links::link(message, &addresses)).collect();
    links.sort_by_key(|link| link.index);
    let routes = netlink.routes().doing(doing)?.iter().filter_map(|message| routes::route(message, &names)).collect();
    let rules = match netlink.rules() {
        Ok(listed) => listed.iter().map(rules::rule).collect(),
        // A kernel without policy routing has no rules.
        Err(error) if error.is(plumbline_netlink::Errno::EOPNOTSUPP) => Vec::new(),
        Err(error) => return Err(error).doing(doing),
    };
    Ok(KernelState { links, routes, rules })
}

/// The node's links by index.
fn node_links() -> Result<BTreeMap<u32, String>, Trouble> {
    let doing = "list the node's links";
    let listed = Netlink::open().doing(doing)?.links().doing(doing)?;
    Ok(listed.iter().map(|message| (message.header.index, link::name(message).to_owned())).collect())
}
