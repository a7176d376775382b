//! The captures of one expectation.

use super::model::Arrival;
use plumbline_core::plan::ProbeEndpoint;
use plumbline_core::wire::{CaptureResult, ProbeResult, WireObservation};

/// The probe and the captures of one expectation: their ids in the script have one prefix.
pub(super) struct PathCaptures<'a> {
    pub probe: Option<&'a ProbeResult>,
    pub captures: Vec<(&'a str, Option<&'a ProbeEndpoint>, &'a CaptureResult)>,
}

impl<'a> PathCaptures<'a> {
    /// Finds the `place`-th item of a kind. Ids may count from 0 or from 1.
    pub(super) fn of(wire: &'a WireObservation, kind: &str, place: usize) -> Option<Self> {
        let number =
            |id: &str| -> Option<usize> { id.strip_prefix(kind)?.strip_prefix('/')?.split('/').next()?.parse().ok() };
        let mut numbers: Vec<usize> = wire.script.probes.iter().filter_map(|(_, probe)| number(&probe.id)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let prefix = format!("{kind}/{}", numbers.get(place)?);
        let party =
            |id: &str| wire.script.captures.iter().find(|(_, capture)| capture.id == id).map(|(party, _)| party);
        let captures = wire.results.captures.iter().filter_map(|capture| {
            let suffix = capture.id.strip_prefix(&prefix)?.strip_prefix('/')?;
            Some((suffix, party(&capture.id), capture))
        });
        let probe = wire.results.probes.iter().find(|probe| probe.id == prefix);
        Some(Self { probe, captures: captures.collect() })
    }

    /// One text per capture: its place, number of frames, and tags.
    pub(super) fn stations(&self) -> Vec<String> {
        let text = |(_, party, capture): &(&str, Option<&ProbeEndpoint>, &CaptureResult)| {
            let place = party.iter().map(|party| format!("{} ", endpoint(party))).collect::<String>();
            let place = format!("{place}{}", capture.interface);
            let frames = match capture.frames.len() {
                0 => "NO FRAME".to_owned(),
                1 => "1 frame".to_owned(),
                many => format!("{many} frames"),
            };
            format!("{place}: {frames}{}", tags(capture))
        };
        self.captures.iter().map(text).collect()
    }

    /// How far the packets came: before the first capture without a frame.
    pub(super) fn arrival(&self) -> Arrival {
        let order = [("pod", Arrival::Pod), ("uplink", Arrival::Node), ("far", Arrival::Uplink)];
        let empty = |suffix: &str| {
            let mut here = self.captures.iter().filter(|(known, ..)| *known == suffix).peekable();
            here.peek().is_some() && here.all(|(.., capture)| capture.frames.is_empty())
        };
        order.into_iter().find(|(suffix, _)| empty(suffix)).map(|(_, arrival)| arrival).unwrap_or_default()
    }
}

/// A probe's endpoint as text.
pub(super) fn endpoint(endpoint: &ProbeEndpoint) -> String {
    match endpoint {
        ProbeEndpoint::Host(host) => host.clone(),
        ProbeEndpoint::Pod(pod) => format!("pod {pod}"),
        ProbeEndpoint::Node(number) => format!("node {number}"),
    }
}

/// The tags of a capture's frames, as text. Empty if there is no frame.
fn tags(capture: &CaptureResult) -> String {
    let mut all: Vec<Vec<u16>> = capture.frames.iter().map(|frame| vlans(&frame.bytes)).collect();
    all.sort();
    all.dedup();
    let word = |ids: &Vec<u16>| match ids.as_slice() {
        [] => "untagged".to_owned(),
        ids => format!("VLAN {}", ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" in ")),
    };
    if all.is_empty() { String::new() } else { format!(", {}", all.iter().map(word).collect::<Vec<_>>().join(" and ")) }
}

/// VLAN ids of a frame in hex, outermost first. Tags follow both MAC addresses (IEEE 802.1Q, clause 9).
fn vlans(bytes: &str) -> Vec<u16> {
    let word = |at: usize| bytes.get(at * 2..at * 2 + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let mut ids = Vec::new();
    let mut at = 12;
    while let Some(0x8100 | 0x88a8) = word(at) {
        ids.extend(word(at + 2).map(|control| control & 0x0fff));
        at += 4;
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_outermost_first() {
        assert_eq!(vlans("0200000000010200000000020800"), Vec::<u16>::new());
        assert_eq!(vlans("02000000000102000000000288a8606481000065080045"), [100, 101]);
        assert_eq!(vlans("0200"), Vec::<u16>::new());
    }
}
