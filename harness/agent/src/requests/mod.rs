//! The lane's requests: one line in, one reply line out, in order, until the lane hangs up.

mod node_commands;

use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use plumbline_core::protocol::{Fault, Op, Outcome, PROTOCOL_VERSION, Reply, Request, Target};
use serde::Deserialize;

use crate::capabilities::probe_capabilities;
use crate::cni::call::PluginContext;
use crate::cni::{attached_chains, chain, versions};
use crate::error::{EXIT_SUCCESS, EndError, RequestError, fault, print_line};
use crate::namespaces::sysctls;
use crate::namespaces::target::run_in_target;
use crate::node::nodes::NodeSet;
use crate::node::plugins::Plugins;
use crate::node::{hosts, links, readiness, topology};
use crate::observe;
use crate::process::Processes;
use crate::runtime::{leftovers, result_cache};
use crate::state::StateReader;
use crate::wire::{open_close, probe};

/// What the agent has between two requests. Each request gets the parts that it needs.
pub struct AgentContext {
    /// The plugins of a private node; none on a node that the agent did not make.
    pub plugins: Option<Plugins>,
    /// The nodes that the agent serves.
    pub nodes: NodeSet,
    /// Runs processes, and reads the lane's requests.
    pub processes: Processes,
    /// Whether the node remains when the lane hangs up.
    pub stays: bool,
    /// The namespace of the last trials of capabilities. It ends with the agent, because its end delays changes of links.
    pub trial_namespace: Option<OwnedFd>,
    /// Reads the state of the last pod for which a chain ran.
    states: Option<StateReader>,
}

impl AgentContext {
    /// The context at the start of a mode.
    pub fn new(plugins: Option<Plugins>, nodes: NodeSet, processes: Processes) -> Self {
        Self { plugins, nodes, processes, stays: false, trial_namespace: None, states: None }
    }

    /// Checks that the agent made the node.
    ///
    /// # Errors
    /// A fault that names the request.
    fn check_private(&self, action: &str) -> Result<(), RequestError> {
        self.plugins.as_ref().map(|_| ()).ok_or_else(|| not_private(action))
    }

    /// What running plugins needs.
    ///
    /// # Errors
    /// A fault on a node that the agent did not make.
    fn plugin_context(&mut self, action: &str) -> Result<PluginContext<'_>, RequestError> {
        let plugins = self.plugins.as_ref().ok_or_else(|| not_private(action))?;
        Ok(PluginContext { plugins, nodes: &self.nodes, processes: &mut self.processes, states: &mut self.states })
    }
}

fn not_private(action: &str) -> RequestError {
    fault(action, "node: expected a private node; this agent runs as `serve`")
}

/// Serves requests until standard input ends.
///
/// # Errors
/// [`EndError::HungUp`] when the lane hangs up during a request; [`EndError::Internal`] when a reply cannot be written.
pub fn serve_requests(mut context: AgentContext) -> Result<u8, EndError> {
    while let Some(line) = context.processes.input.next_line()? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let reply = reply_to(&line, &mut context)?;
        if context.plugins.is_some() {
            reap_orphans();
        }
        let text = serde_json::to_string(&reply);
        print_line(&text.map_err(|error| EndError::Internal(format!("write a reply: {error}")))?)?;
        // Closed after the reply: the kernel takes some time for each of them.
        context.processes.input.sockets.retired.clear();
    }
    if context.stays {
        // Until SIGKILL: PID 1 of a namespace gets no other signal without a handler.
        loop {
            nix::unistd::pause();
        }
    }
    Ok(EXIT_SUCCESS)
}

/// Waits for ended processes whose parent has ended, as PID 1 must. No job of the agent runs at this time.
fn reap_orphans() {
    let any_child = Pid::from_raw(-1);
    while matches!(waitpid(any_child, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive) {}
}

fn reply_to(line: &[u8], context: &mut AgentContext) -> Result<Reply, EndError> {
    let request = match parse_request(line) {
        Ok(request) => request,
        Err(reply) => return Ok(*reply),
    };
    let outcome = match carry_out(&request.op, context) {
        Ok(outcome) => outcome,
        Err(RequestError::Fault { action, cause, gone }) => {
            Outcome::Fault(Fault { doing: action, cause: cause.to_string(), gone })
        }
        Err(RequestError::End(error)) => return Err(error),
    };
    Ok(Reply { id: request.id, outcome })
}

/// The number of a request that cannot be parsed, as from an older or newer lane.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

/// Parses a request line.
///
/// # Errors
/// The reply to a line that is no request: a fault with its number, or with 0.
pub fn parse_request(line: &[u8]) -> Result<Request, Box<Reply>> {
    serde_json::from_slice(line).map_err(|error| {
        let id = serde_json::from_slice::<Numbered>(line).map_or(0, |numbered| numbered.id);
        let fault = Fault { doing: "parse a request".to_owned(), cause: error.to_string(), gone: false };
        Box::new(Reply { id, outcome: Outcome::Fault(fault) })
    })
}

/// Carries out one request.
fn carry_out(op: &Op, context: &mut AgentContext) -> Result<Outcome, RequestError> {
    match op {
        Op::Hello => Ok(Outcome::Hello { protocol: PROTOCOL_VERSION, version: env!("CARGO_PKG_VERSION").to_owned() }),
        Op::Bridges(bridges) => links::create_bridges(bridges).map(|()| Outcome::Done),
        Op::Topology(topology) => {
            context.check_private("make a topology")?;
            let done = topology::create_topology(topology, &mut context.nodes, &mut context.processes);
            done.map(|()| Outcome::Done)
        }
        Op::Links(links) => links::create_vlan_links(links).map(|()| Outcome::Done),
        Op::Port { bridge, interface } => {
            links::add_bridge_port(bridge, interface, &mut context.processes.input).map(|()| Outcome::Done)
        }
        Op::BeHost { host, interfaces } => {
            hosts::become_host(host, interfaces, &mut context.processes.input).map(|()| Outcome::Done)
        }
        Op::WireOpen { listeners, captures } => {
            let input = &mut context.processes.input;
            if context.plugins.is_some() {
                readiness::wait_for_all_links(input)?;
                let listens = listeners.iter().any(|(_, one)| one.address.is_ipv6());
                if listens || captures.iter().any(|(_, one)| one.addresses.iter().any(std::net::IpAddr::is_ipv6)) {
                    readiness::wait_for_addresses(input)?;
                }
            }
            let topology = context.nodes.topology.as_ref();
            open_close::open_wire(listeners, captures, &mut input.sockets, topology).map(|()| Outcome::Done)
        }
        Op::WireProbe(probes) => {
            let input = &mut context.processes.input;
            // With open sockets, `WireOpen` has waited.
            if context.plugins.is_some() && input.sockets.is_empty() {
                readiness::wait_for_all_links(input)?;
            }
            probe::send_probes(probes, input, context.nodes.topology.as_ref()).map(Outcome::Probes)
        }
        Op::WireClose => {
            let closed = open_close::close_wire(&mut context.processes.input, context.nodes.topology.as_ref());
            closed.map(|(captures, listeners)| Outcome::WireObservation { captures, listeners })
        }
        Op::PodAdd { name, node } => {
            context.check_private("make a pod")?;
            context.nodes.add_pod(name, *node).map(|path| Outcome::Netns { path })
        }
        Op::PodDel { name } => {
            context.check_private("remove a pod")?;
            context.states.take_if(|states| states.pod == *name);
            context.nodes.remove_pod(name).map(|()| Outcome::Done)
        }
        Op::Cni(request) => chain::run_chain(request, context.plugin_context("run a chain")?).map(Outcome::Chain),
        Op::CniVersions { plugins } => {
            let plugin_context = context.plugin_context("query the versions of plugins")?;
            versions::query_versions(plugins, plugin_context).map(Outcome::Versions)
        }
        Op::Probe => {
            let (probed, namespace) = probe_capabilities(context.nodes.outside.as_ref())?;
            context.trial_namespace = namespace;
            Ok(Outcome::Probed(probed))
        }
        Op::Sysctls { target, names } => run_in_target(target, || sysctls::read_named(names)).map(Outcome::Sysctls),
        Op::Observe { target, with_ip } => {
            observe::observe(target, *with_ip, &context.nodes, &mut context.processes).map(Outcome::Observed)
        }
        Op::Reported { namespace, name, uid } => {
            Ok(Outcome::Reported(result_cache::read_pod_results(namespace, name, uid)))
        }
        Op::PodState(target) => {
            let state = StateReader::read_shared(target, &context.nodes, &mut context.processes)?;
            let chains = match target {
                Target::Sandbox { namespace, name, uid } => attached_chains::list_attached_chains(namespace, name, uid),
                _ => Vec::new(),
            };
            Ok(Outcome::PodState { state, chains })
        }
        Op::Leases { namespace, name, uid } => leftovers::list_pod_leases(namespace, name, uid).map(Outcome::Leases),
        Op::LeasesKept(leases) => leftovers::filter_remaining_leases(leases).map(Outcome::Leases),
        Op::AwaitSandboxRemoval { namespace, name, uid, deadline_ms } => {
            leftovers::wait_until_gone(namespace, name, uid, *deadline_ms, &mut context.processes.input)
        }
        Op::Stay => {
            context.check_private("stay")?;
            context.stays = true;
            Ok(Outcome::Done)
        }
        Op::Read { path } => node_commands::read_path(path),
        Op::Hash { paths } => node_commands::hash_files(paths).map(Outcome::Hashes),
        Op::Exec { target, argv, deadline_ms } => {
            let deadline = std::time::Duration::from_millis(*deadline_ms);
            node_commands::run_program(target, argv, deadline, &context.nodes, &mut context.processes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse_request(&line);
        }

        #[test]
        fn the_reply_to_an_unknown_request_has_its_number(id in any::<u64>(), op in "[a-z]{1,8}") {
            let line = format!(r#"{{"id": {id}, "op": {{"un{op}": 1}}}}"#);
            prop_assert_eq!(parse_request(line.as_bytes()).unwrap_err().id, id);
        }
    }
}
