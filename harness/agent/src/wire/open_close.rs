//! Opening the listeners and captures of a request, and closing them with a report of what they received.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plumbline_core::plan::Topology;
use plumbline_core::protocol::Target;
use plumbline_core::wire::{Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeAction, ProbeEnd};

use super::probe::send_probes;
use crate::error::{During, RequestError};
use crate::input::Input;
use crate::namespaces::target::{describe_target, identify_namespace, open_target, run_in_target};
use crate::node::topology::find_tap_interface;
use crate::sockets::OpenSockets;
use crate::sockets::capture::NamespaceCaptures;
use crate::sockets::listen::OpenListener;

/// How long a listener may take to answer a probe from its own namespace, in milliseconds.
const SELF_PROBE_MS: u64 = 1000;

/// Opens listeners and captures; closes those that were open.
///
/// # Errors
/// A fault that names what cannot be opened; nothing is open then.
pub fn open_wire(
    listeners: &[(Target, Listener)],
    captures: &[(Target, Capture)],
    sockets: &mut OpenSockets,
    topology: Option<&Topology>,
) -> Result<(), RequestError> {
    sockets.discard();
    let opened = open_all(listeners, captures, sockets, topology);
    if opened.is_err() {
        sockets.discard();
    }
    opened
}

fn open_all(
    listeners: &[(Target, Listener)],
    captures: &[(Target, Capture)],
    sockets: &mut OpenSockets,
    topology: Option<&Topology>,
) -> Result<(), RequestError> {
    // One socket for each namespace, however its targets name it, in the order of the first capture.
    let mut by_namespace: Vec<(&Target, Vec<(Capture, String)>)> = Vec::new();
    let mut positions: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for (target, capture) in captures {
        let interface = find_tap_interface(&capture.interface, target, topology)?;
        let identity = identify_namespace(open_target(target)?.as_ref())?;
        let position = *positions.entry(identity).or_insert_with(|| {
            by_namespace.push((target, Vec::new()));
            by_namespace.len() - 1
        });
        by_namespace[position].1.push((capture.clone(), interface));
        sockets.capture_order.push(capture.id.clone());
    }
    for (target, captures) in by_namespace {
        sockets.captures.push(run_in_target(target, || NamespaceCaptures::open(captures))?);
    }
    for (target, listener) in listeners {
        let action = format!("listen on {}:{} in {}", listener.address, listener.port, describe_target(target));
        let opened = run_in_target(target, || OpenListener::open(listener).during(action))?;
        sockets.listeners.push((target.clone(), opened));
    }
    Ok(())
}

/// Probes every listener once more from its own namespace, closes all sockets and returns what they received, in the order
/// in which they were requested.
///
/// # Errors
/// A fault when the counters of a capture cannot be read; the lane hung up.
pub fn close_wire(
    input: &mut Input,
    topology: Option<&Topology>,
) -> Result<(Vec<CaptureResult>, Vec<ListenerResult>), RequestError> {
    // Later senders are the agent's own probes.
    let counts: Vec<usize> = input.sockets.listeners.iter().map(|(_, one)| one.sender_count()).collect();
    let probes: Vec<(Target, Probe)> =
        input.sockets.listeners.iter().map(|(target, one)| (target.clone(), self_probe(&one.request))).collect();
    let answers = send_probes(&probes, input, topology)?;
    let sockets = &mut input.sockets;
    let listeners = std::mem::take(&mut sockets.listeners).into_iter().zip(counts).zip(answers);
    let listeners = listeners.map(|(((_, listener), count), answer)| {
        let alive = matches!(answer.end, ProbeEnd::Answered { saw: Some(_), .. });
        listener.report(alive, count)
    });
    let listeners = listeners.collect();
    let mut seen: BTreeMap<String, Vec<CaptureResult>> = BTreeMap::new();
    for captures in std::mem::take(&mut sockets.captures) {
        let (closed, socket) = captures.close()?;
        sockets.retired.push(socket);
        closed.into_iter().for_each(|(id, capture)| seen.entry(id).or_default().push(capture));
    }
    let order = std::mem::take(&mut sockets.capture_order);
    let captures =
        order.iter().filter_map(|id| seen.get_mut(id).filter(|same| !same.is_empty()).map(|same| same.remove(0)));
    Ok((captures.collect(), listeners))
}

/// A probe of a listener from its own namespace.
fn self_probe(listener: &Listener) -> Probe {
    let to = match listener.address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let what =
        ProbeAction::Request { by: listener.protocol, to, port: Some(listener.port), from: None, dev: None, times: 1 };
    Probe { id: listener.id.clone(), what, window_ms: SELF_PROBE_MS }
}
