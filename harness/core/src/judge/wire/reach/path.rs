//! The way that a question took: interface, gateway, source address, tags. Each is judged by frames that were seen; where
//! none was seen because nothing was sent, `PL401` has said so.

use super::Case;
use crate::finding::{Finding, FindingCode};
use crate::judge::ledger::Ledger;
use crate::judge::wire::seen::{Frame, flow, flows};
use crate::judge::wire::words;
use crate::plan::{Party, Protocol};
use crate::source::Source;
use crate::wire::decode::{Net, Packet};
use crate::wire::{Capture, Direction, ProbeEnd, Send, Tap, ids, uplink_of};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Out by the interface wanted and by no other, and the answer back by it.
pub(super) fn through(case: &Case<'_>, ledger: &mut Ledger) {
    let Some(through) = &case.item.value.through else {
        return;
    };
    let name = through.value.as_str();
    let all = case.act.at_pod(case.pod);
    type Fits<'f> = &'f dyn Fn(&Packet) -> bool;
    let by = |way: Direction, fits: Fits<'_>| -> (bool, Vec<&str>) {
        let has = |capture: &Capture| case.act.frames(capture).iter().any(|(at, packet)| *at == way && fits(packet));
        let seen: Vec<&str> = all.iter().filter(|(_, capture)| has(capture)).map(|(name, _)| *name).collect();
        let astray = seen.iter().filter(|other| **other != name && !case.act.are_one_way(case.pod, name, other));
        (seen.contains(&name), astray.copied().collect())
    };
    let is_there = all.iter().any(|(known, _)| *known == name);
    let (is_out, out_astray) = by(Direction::Out, &|packet| case.question.is_from(packet));
    if !is_out && out_astray.is_empty() {
        if case.is_answered() {
            ledger.check();
            ledger.unobserved(format!("probe {}: answered, and seen by no capture of pod {}", case.id, case.pod.name));
        }
        // Else nothing was sent at all, which is told already.
        return;
    }
    ledger.check();
    if !is_out || !out_astray.is_empty() {
        let found = if is_there {
            format!("left by {}", out_astray.join(", "))
        } else {
            format!("left by {}; the pod has no interface {name}", out_astray.join(", "))
        };
        let entry = case.finding(FindingCode::PL402, "left by another interface").expected(format!("left by {name}"));
        ledger.add(about(entry, case, &through.source).found(Some(found)));
        return;
    }
    if !case.is_answered() {
        return;
    }
    ledger.check();
    let (is_back, back_astray) = by(Direction::In, &|packet| case.question.is_answer(packet));
    if !back_astray.is_empty() {
        let entry = case.finding(FindingCode::PL402, "the answer came back by another interface");
        let entry =
            entry.expected(format!("back by {name}")).found(Some(format!("back by {}", back_astray.join(", "))));
        ledger.add(about(entry, case, &through.source));
    } else if !is_back {
        ledger
            .unobserved(format!("probe {}: answered, and no capture of pod {} saw the answer", case.id, case.pod.name));
    }
}

fn about(entry: Finding, case: &Case<'_>, source: &Source) -> Finding {
    entry.source(source).notes(case.trail())
}

/// Handed to the neighbour that answers for the gateway's address, and to no other.
pub(super) fn gateway(case: &Case<'_>, ledger: &mut Ledger) {
    let (Some(gateway), Some(through)) = (&case.item.value.gateway, &case.item.value.through) else {
        return;
    };
    let id = format!("{}{}", case.id, ids::GATEWAY);
    let Some(seen) = case.act.heard.probe(&id) else {
        ledger.unobserved(format!("probe {id}: it was not sent"));
        return;
    };
    let mut macs: BTreeSet<String> = BTreeSet::new();
    for (_, capture) in case.act.at_pod(case.pod).into_iter().filter(|(name, _)| *name == through.value) {
        let frames = case.act.frames(capture).iter();
        let out = frames.filter(|(way, packet)| *way == Direction::Out && case.question.is_from(packet));
        macs.extend(out.map(|(_, packet)| packet.destination.clone()));
    }
    let handed = || {
        let who = |mac: &String| match case.act.owner(mac) {
            Some(owner) => format!("{mac} ({owner})"),
            None => mac.clone(),
        };
        macs.iter().map(who).collect::<Vec<_>>().join(", ")
    };
    let address = gateway.value;
    let entry = |message: &str| case.finding(FindingCode::PL403, message).source(&gateway.source);
    match &seen.end {
        ProbeEnd::Answered { mac: Some(mac), .. } => {
            if macs.is_empty() {
                return;
            }
            ledger.check();
            if macs.iter().any(|other| other != mac) {
                let expected = format!("handed to {address} at {mac}");
                let entry = entry("handed to another neighbour").expected(expected);
                ledger.add(entry.found(Some(format!("handed to {}", handed()))));
            }
        }
        ProbeEnd::Answered { mac: None, .. } => {
            ledger.unobserved(format!("probe {id}: answered, and nobody tells with which MAC address"));
        }
        _ => {
            ledger.check();
            let found = if macs.is_empty() {
                "nothing was handed to anybody".to_owned()
            } else {
                format!("handed to {}", handed())
            };
            let entry = entry("nobody answers for the gateway's address").expected(format!("handed to {address}"));
            ledger.add(entry.found(Some(found)).notes([format!("ARP for {address}: {}", words::end(seen))]));
        }
    }
}

/// The source address as the far side saw it: told by the listener, else read from the frames that came there.
pub(super) fn seen_from(case: &Case<'_>, ledger: &mut Ledger) {
    let Some(wanted) = &case.item.value.seen_from else {
        return;
    };
    if !case.is_answered() {
        return;
    }
    let mut sources: BTreeSet<IpAddr> = BTreeSet::new();
    if let ProbeEnd::Answered { saw: Some(saw), .. } = &case.seen.end {
        sources.insert(saw.ip());
    } else {
        let flows = flows(case.act, case.pod, &case.question);
        for capture in case.act.far(case.aim.party.as_ref()) {
            let frames = case.act.frames(capture).iter();
            let came = frames.filter(|(way, packet)| *way == Direction::In && case.question.is(packet));
            let mine = came.filter(|(_, packet)| flow(packet, false).is_some_and(|flow| flows.contains(&flow)));
            sources.extend(mine.filter_map(|(_, packet)| source_of(packet)));
        }
    }
    ledger.check();
    if sources.is_empty() {
        ledger.unobserved(format!("probe {}: answered, and the far end tells nothing of who asked", case.id));
    } else if sources.iter().any(|source| *source != wanted.value) {
        let found: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let entry = case.finding(FindingCode::PL404, "the far side sees another source address").source(&wanted.source);
        ledger.add(
            entry
                .expected(format!("seen from {}", wanted.value))
                .found(Some(format!("seen from {}", found.join(", ")))),
        );
    }
}

fn source_of(packet: &Packet) -> Option<IpAddr> {
    match &packet.net {
        Net::Arp(arp) => Some(IpAddr::V4(arp.sender)),
        Net::Ip(ip) => Some(ip.from),
        Net::Control(_) | Net::Other => None,
    }
}

/// The tags on the node's uplink, of questions and answers, in a capture that is known to show tags.
pub(super) fn tags(case: &Case<'_>, ledger: &mut Ledger) {
    let Some(wanted) = &case.item.value.tags else {
        return;
    };
    let through = case.item.value.through.as_ref().map(|through| through.value.as_str());
    let uplink = uplink_of(case.act.plan, case.pod, through, case.aim.party.as_ref());
    let capture = uplink
        .as_ref()
        .and_then(|uplink| case.act.script.capture(&Party::Node(case.node), &Tap::Uplink(uplink.clone())));
    let (Some(uplink), Some(capture)) = (&uplink, capture) else {
        ledger
            .unobserved(format!("probe {}: tags are wanted, and no uplink of node {} was watched", case.id, case.node));
        return;
    };
    let frames = case.act.frames(capture);
    if let Some(fault) = unproven(case, frames) {
        ledger.unobserved(format!("capture {} at uplink {uplink}: {fault}", capture.id));
        return;
    }
    let flows = flows(case.act, case.pod, &case.question);
    let mine = |packet: &&Packet| {
        let is_mine = |is_answer| flow(packet, is_answer).is_some_and(|flow| flows.contains(&flow));
        (case.question.is(packet) && is_mine(false))
            || (case.question.is_answer(packet) && (case.question.by == Protocol::Arp || is_mine(true)))
    };
    let found: BTreeSet<Vec<u16>> = frames.iter().map(|(_, packet)| packet).filter(mine).map(Packet::vlans).collect();
    let entry = |message: &str| {
        let expected = format!("{} on uplink {uplink}", words::tags(&wanted.value));
        case.finding(FindingCode::PL405, message).source(&wanted.source).expected(expected)
    };
    if found.is_empty() {
        if case.is_answered() {
            ledger.check();
            let entry = entry("reached without the node's uplink");
            ledger.add(entry.found(Some("no frame of it there".to_owned())).notes(case.trail()));
        }
        return;
    }
    priority(case, frames, uplink, ledger);
    ledger.check();
    if found.iter().any(|tags| *tags != wanted.value) {
        let all: Vec<String> = found.iter().map(|tags| words::tags(tags)).collect();
        let mut notes = Vec::new();
        let example =
            frames.iter().map(|(_, packet)| packet).filter(mine).find(|packet| packet.vlans() != wanted.value);
        notes.extend(example.map(|packet| format!("such as {packet}")));
        ledger.add(entry("wrong tags").found(Some(all.join("; "))).notes(notes));
    }
}

/// The priority bits in the outermost tag of the questions, in a capture that is known to show them. Frames without a
/// tag have none; of those `PL405` tells.
fn priority(case: &Case<'_>, frames: &[Frame], uplink: &str, ledger: &mut Ledger) {
    let Some(wanted) = &case.item.value.priority else {
        return;
    };
    let flows = flows(case.act, case.pod, &case.question);
    let is_mine = |packet: &Packet| flow(packet, false).is_some_and(|flow| flows.contains(&flow));
    let out = frames.iter().filter(|(way, packet)| *way == Direction::Out && case.question.is(packet));
    let asked: Vec<&Packet> = out.map(|(_, packet)| packet).filter(|packet| is_mine(packet)).collect();
    ledger.check();
    if asked.is_empty() {
        ledger.unobserved(format!(
            "probe {}: priority bits are wanted, and no question of it left by uplink {uplink}",
            case.id
        ));
        return;
    }
    let bits: BTreeSet<u8> = asked.iter().filter_map(|packet| packet.tags.first()).map(|tag| tag.priority).collect();
    if bits.iter().any(|bits| *bits != wanted.value) {
        let found: Vec<String> = bits.iter().map(|bits| format!("priority {bits}")).collect();
        let is_other = |packet: &&&Packet| packet.tags.first().is_some_and(|tag| tag.priority != wanted.value);
        let example = asked.iter().find(is_other).map(|packet| format!("such as {packet}"));
        let entry = case.finding(FindingCode::PL406, "wrong priority bits").source(&wanted.source);
        let entry = entry.expected(format!("priority {} on uplink {uplink}", wanted.value));
        ledger.add(entry.found(Some(found.join("; "))).notes(example));
    }
}

/// Why a capture is not known to show tags: its control frame is not in it, or is in it with other tags or bits.
fn unproven(case: &Case<'_>, frames: &[Frame]) -> Option<String> {
    let id = format!("{}{}", case.id, ids::TAGGED);
    let probe = case.act.script.probes.iter().find(|(_, probe)| probe.id == id);
    let Some(Send::Control { tags, priority, .. }) = probe.map(|(_, probe)| &probe.what) else {
        return Some("no control frame was sent".to_owned());
    };
    let sent = words::control(tags, *priority);
    let mut seen = frames.iter().filter(|(_, packet)| packet.net == Net::Control(id.clone())).peekable();
    if seen.peek().is_none() {
        return Some(format!("the control frame with {sent} was not seen in it"));
    }
    let first = |packet: &Packet| packet.tags.first().map_or(0, |tag| tag.priority);
    let shown: Vec<(Vec<u16>, u8)> = seen.map(|(_, packet)| (packet.vlans(), first(packet))).collect();
    if shown.iter().any(|(shown, bits)| shown == tags && bits == priority) {
        return None;
    }
    let shown: Vec<String> = shown.iter().map(|(tags, bits)| words::control(tags, *bits)).collect();
    Some(format!("the control frame with {sent} is shown in it as {}", shown.join(", ")))
}
