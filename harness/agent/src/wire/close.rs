//! The end of an act: what the captures saw and the listeners heard.

use plumbline_core::plan::Protocol;
use plumbline_core::protocol::Target;
use plumbline_core::wire::{CaptureSeen, ListenerSeen, Probe, ProbeEnd, Send};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::act;
use crate::place::Place;
use crate::trouble::Trouble;

/// How long a listener may take to answer from inside its own namespace, in milliseconds.
const OWN_ANSWER_MS: u64 = 1000;

/// Asks every listener once more from inside its namespace, closes all and tells what was seen, in the order in which it
/// was asked for.
///
/// # Errors
/// A fault when a capture's counters can't be read; the end of the talk.
pub fn close(place: &mut Place) -> Result<(Vec<CaptureSeen>, Vec<ListenerSeen>), Trouble> {
    // What comes from here on is our own.
    let heard: Vec<usize> = place.input.wire.listeners.iter().map(|(_, one)| one.heard()).collect();
    let questions: Vec<(Target, Probe)> =
        place.input.wire.listeners.iter().map(|(target, one)| (target.clone(), question(&one.wanted))).collect();
    let answers = act::probe(&questions, place)?;
    let wire = &mut place.input.wire;
    let listeners = std::mem::take(&mut wire.listeners).into_iter().zip(heard).zip(answers);
    let listeners = listeners.map(|(((_, one), heard), answer)| {
        let alive = matches!(answer.end, ProbeEnd::Answered { saw: Some(_), .. });
        one.seen(alive, heard)
    });
    let listeners = listeners.collect();
    let mut seen: BTreeMap<String, Vec<CaptureSeen>> = BTreeMap::new();
    for one in std::mem::take(&mut wire.captures) {
        let (each, socket) = one.close()?;
        wire.retired.push(socket);
        each.into_iter().for_each(|(id, one)| seen.entry(id).or_default().push(one));
    }
    let order = std::mem::take(&mut wire.order);
    let captures =
        order.iter().filter_map(|id| seen.get_mut(id).filter(|left| !left.is_empty()).map(|left| left.remove(0)));
    Ok((captures.collect(), listeners))
}

fn question(listener: &plumbline_core::wire::Listener) -> Probe {
    let to = match listener.address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    let by: Protocol = listener.protocol;
    let what = Send::Ask { by, to, port: Some(listener.port), from: None, dev: None, times: 1 };
    Probe { id: listener.id.clone(), what, window_ms: OWN_ANSWER_MS }
}
