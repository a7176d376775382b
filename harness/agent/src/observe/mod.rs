//! Reading a network namespace: by netlink, and by `ip` beside it.
//!
//! Flags, kinds and scopes have the names that iproute2 prints, so that both readings can be compared (`ip/ipaddress.c`,
//! `ip/iproute.c`, `lib/rt_names.c` of iproute2).
//!
//! | module | what is in it |
//! |---|---|
//! | [`ip`] | the output of `ip` |
//! | [`links`] | links and addresses, from netlink to the model |
//! | [`routes`] | routes and rules, from netlink to the model |

pub mod ip;
pub mod links;
pub mod routes;

use std::collections::BTreeMap;

use plumbline_core::observe::KernelState;
use plumbline_core::protocol::{Observed, Target};
use plumbline_netlink::{Netlink, link};

use crate::error::{During, RequestError};
use crate::namespaces::sysctls;
use crate::namespaces::target::run_in_target;
use crate::node::nodes::NodeSet;
use crate::process::Processes;

/// Reads a namespace by netlink; with `with_ip` also by `ip`, which runs meanwhile.
///
/// # Errors
/// A fault, marked as gone when there is no such namespace; the lane hung up.
pub fn observe(
    target: &Target,
    with_ip: bool,
    nodes: &NodeSet,
    processes: &mut Processes,
) -> Result<Observed, RequestError> {
    let (running, kernel, sysctls) = run_in_target(target, || {
        let running = with_ip.then(|| processes.start(&ip::jobs())).transpose()?;
        Ok((running, read_kernel_state()?, sysctls::read_all()))
    })?;
    let node = match target {
        Target::Pod(name) => nodes.node_of(name),
        Target::NodeAt(node) => *node,
        _ => 1,
    };
    let node_links = nodes.run_on_node(node, list_link_names)?;
    let ip = match running {
        Some(running) => ip::read_outputs(target, &processes.finish(running)?),
        None => None,
    };
    Ok(Observed { kernel, ip, node_links, sysctls })
}

/// The state of the current namespace.
fn read_kernel_state() -> Result<KernelState, RequestError> {
    let action = "read a namespace by netlink";
    let mut netlink = Netlink::open().during(action)?;
    let listed = netlink.links().during(action)?;
    let names: BTreeMap<u32, String> =
        listed.iter().map(|message| (message.header.index, link::name(message).to_owned())).collect();
    let addresses = netlink.addresses().during(action)?;
    let mut links: Vec<_> = listed.iter().map(|message| links::convert_link(message, &addresses)).collect();
    links.sort_by_key(|link| link.index);
    let routes =
        netlink.routes().during(action)?.iter().filter_map(|message| routes::convert_route(message, &names)).collect();
    let rules = match netlink.rules() {
        Ok(listed) => listed.iter().map(routes::convert_rule).collect(),
        // A kernel without policy routing has no rules.
        Err(error) if error.is(plumbline_netlink::Errno::EOPNOTSUPP) => Vec::new(),
        Err(error) => return Err(error).during(action),
    };
    Ok(KernelState { links, routes, rules })
}

/// The names of the current namespace's links, by index.
fn list_link_names() -> Result<BTreeMap<u32, String>, RequestError> {
    let action = "list the node's links";
    let listed = Netlink::open().during(action)?.links().during(action)?;
    Ok(listed.iter().map(|message| (message.header.index, link::name(message).to_owned())).collect())
}
