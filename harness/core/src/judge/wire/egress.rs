//! Egress probes: what a pod must reach (`PL401` to `PL407`).
//!
//! The path of a request (interface, gateway, source address, tags) is judged by captured frames. Where no frame was
//! captured because nothing was sent, `PL401` reports it.

use super::frames::{DecodedProbes, Flows, Frame, RequestPattern, describe_path};
use super::messages;
use crate::finding::{Finding, FindingCode};
use crate::judge::judgement::JudgementBuilder;
use crate::plan::{Pod, ProbeEndpoint, Protocol, Wanted, WantedReach};
use crate::script::{ProbeTarget, find_target, ids, uplink_of};
use crate::wire::decode::{Net, Packet};
use crate::wire::{Capture, Direction, ProbeAction, ProbeEnd, ProbeResult, Tap, dns};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One `reaches` as it is judged.
pub(super) struct EgressProbe<'a> {
    pub probes: &'a DecodedProbes<'a>,
    pub pod: &'a Pod,
    /// The node that the pod is on, from 1.
    pub node: usize,
    pub id: &'a str,
    pub item: &'a Wanted<WantedReach>,
    pub target: ProbeTarget,
    pub seen: &'a ProbeResult,
    pub request: RequestPattern,
    /// The flows of the request.
    pub flows: Flows,
}

impl EgressProbe<'_> {
    /// A finding about this request.
    pub fn finding(&self, code: FindingCode, message: &str) -> Finding {
        let text = messages::question(self.item.value.by, self.item.value.port, &self.target);
        let entry = Finding::new(code, format!("{text}: {message}")).pod(&self.pod.name).source(&self.item.source);
        Finding { interface: self.item.value.through.as_ref().map(|through| through.value.clone()), ..entry }
    }

    /// Whether the target address itself answered.
    pub fn is_answered(&self) -> bool {
        match &self.seen.end {
            // A DNS query is answered only by a DNS answer.
            ProbeEnd::Answered { by, .. } => self.item.value.lookup.is_none() && *by == self.target.address,
            ProbeEnd::Resolved { by, .. } => *by == self.target.address,
            _ => false,
        }
    }

    /// Adds that the pod's captures lack a packet that must have been there.
    fn add_fault(&self, packet: &str, judgement: &mut JudgementBuilder) {
        let fault = format!("answered, but no capture of pod {} has the {packet}", self.pod.name);
        judgement.add_unobserved(format!("probe {}: {fault}", self.id));
    }

    pub fn path_notes(&self) -> Vec<String> {
        describe_path(self.probes, self.pod, &self.request, &self.target)
    }
}

/// Judges a `reaches`.
pub(super) fn judge(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    node: usize,
    id: &str,
    item: &Wanted<WantedReach>,
    judgement: &mut JudgementBuilder,
) {
    let wanted = &item.value;
    judgement.count_fact();
    let target = match find_target(probes.observation, &wanted.to) {
        Ok(target) => target,
        Err(why) => {
            let entry = Finding::new(FindingCode::PL401, "not reached: the target has no address");
            return judgement.add_finding(entry.pod(&pod.name).source(&item.source).found(why.to_string()));
        }
    };
    let Some(seen) = probes.result(id, judgement) else { return };
    let request = RequestPattern { by: wanted.by, to: target.address, port: wanted.port, from: wanted.from };
    let flows = Flows::new(probes, pod, &request);
    let case = EgressProbe { probes, pod, node, id, item, target, seen, request, flows };
    judge_reply(&case, judgement);
    judge_lookup(&case, judgement);
    judge_through(&case, judgement);
    judge_gateway(&case, judgement);
    judge_seen_from(&case, judgement);
    judge_tags(&case, judgement);
}

/// Whether a name server returned exactly the expected address.
fn judge_lookup(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let (Some(lookup), ProbeEnd::Resolved { code, addresses, .. }) = (&case.item.value.lookup, &case.seen.end) else {
        return;
    };
    judgement.count_fact();
    let wanted = lookup.resolves_to.value;
    if code != dns::NO_ERROR || addresses.is_empty() || addresses.iter().any(|address| *address != wanted) {
        let entry = case.finding(FindingCode::PL407, &format!("{} resolves to a different address", lookup.name));
        let entry = entry.source(&lookup.resolves_to.source).expected(format!("{} is {wanted}", lookup.name));
        judgement.add_finding(entry.found(messages::end(case.seen)));
    }
}

/// Whether a reply arrived, and from the expected endpoint.
fn judge_reply(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let expected = format!("a reply from {}", case.target.address);
    if !case.is_answered() {
        let entry = case.finding(FindingCode::PL401, "not reached").expected(expected).found(messages::end(case.seen));
        judgement.add_finding(entry.notes(case.path_notes()));
        return;
    }
    let Some(endpoint) = &case.target.endpoint else { return };
    let far = case.probes.far_captures(Some(endpoint));
    let arrived = far.iter().flat_map(|capture| case.probes.packets(capture, Direction::In));
    let arrived: Vec<_> = arrived.filter(|packet| case.request.matches(packet, false)).collect();
    if far.is_empty() || arrived.iter().any(|packet| case.flows.has(packet, false)) {
        return;
    }
    if arrived.is_empty() {
        let entry = case
            .finding(FindingCode::PL401, "a different endpoint replied")
            .expected(format!("a reply from {} by {endpoint}", case.target.address))
            .found(format!("{}; no capture of {endpoint} has the request", messages::end(case.seen)));
        judgement.add_finding(entry.notes(case.path_notes()));
    } else {
        judgement.add_unobserved(format!(
            "probe {}: answered, but its request cannot be distinguished from others that reached {endpoint}",
            case.id
        ));
    }
}

/// The request left through the expected interface only, and the reply arrived through it.
fn judge_through(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let Some(through) = &case.item.value.through else { return };
    let name = through.value.as_str();
    let all = case.probes.pod_captures(case.pod);
    type Fits<'f> = &'f dyn Fn(&Packet) -> bool;
    let by = |way: Direction, fits: Fits<'_>| -> (bool, Vec<&str>) {
        let has = |capture: &Capture| case.probes.packets(capture, way).any(fits);
        let seen: Vec<&str> = all.iter().filter(|(_, capture)| has(capture)).map(|(name, _)| *name).collect();
        let others = seen.iter().filter(|other| **other != name && !case.probes.are_one_way(case.pod, name, other));
        (seen.contains(&name), others.copied().collect())
    };
    let is_there = all.iter().any(|(known, _)| *known == name);
    let (is_out, out_others) = by(Direction::Out, &|packet| case.request.matches_from_sender(packet));
    if !is_out && out_others.is_empty() {
        if case.is_answered() {
            judgement.count_fact();
            case.add_fault("request", judgement);
        }
        // Otherwise nothing was sent, which is reported already.
        return;
    }
    judgement.count_fact();
    if !is_out || !out_others.is_empty() {
        let mut found = format!("left through {}", out_others.join(", "));
        if !is_there {
            found.push_str(&format!("; the pod has no interface {name}"));
        }
        let entry = case.finding(FindingCode::PL402, "request left through a different interface");
        let entry = entry.expected(format!("left through {name}")).found(found).source(&through.source);
        judgement.add_finding(entry.notes(case.path_notes()));
        return;
    }
    if !case.is_answered() {
        return;
    }
    judgement.count_fact();
    let (is_back, back_others) = by(Direction::In, &|packet| case.request.matches(packet, true));
    if !back_others.is_empty() {
        let entry = case.finding(FindingCode::PL402, "reply arrived through a different interface");
        let entry =
            entry.expected(format!("back through {name}")).found(format!("back through {}", back_others.join(", ")));
        judgement.add_finding(entry.source(&through.source).notes(case.path_notes()));
    } else if !is_back {
        case.add_fault("reply", judgement);
    }
}

/// Whether the packets were sent to the gateway's MAC address only.
fn judge_gateway(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let (Some(gateway), Some(through)) = (&case.item.value.gateway, &case.item.value.through) else { return };
    let id = format!("{}{}", case.id, ids::GATEWAY);
    let Some(seen) = case.probes.result(&id, judgement) else { return };
    let mut macs: BTreeSet<String> = BTreeSet::new();
    for (_, capture) in case.probes.pod_captures(case.pod).into_iter().filter(|(name, _)| *name == through.value) {
        let out = case.probes.packets(capture, Direction::Out);
        let out = out.filter(|packet| case.request.matches_from_sender(packet));
        macs.extend(out.map(|packet| packet.destination.clone()));
    }
    let receivers = || {
        let who = |mac: &String| match case.probes.owner(mac) {
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
            judgement.count_fact();
            if macs.iter().any(|other| other != mac) {
                let expected = format!("sent to {address} at {mac}");
                let entry = entry("packet sent to a different neighbour").expected(expected);
                judgement.add_finding(entry.found(format!("sent to {}", receivers())));
            }
        }
        ProbeEnd::Answered { mac: None, .. } => {
            judgement.add_unobserved(format!("probe {id}: answered, but the reply names no MAC address"));
        }
        _ => {
            judgement.count_fact();
            let found =
                if macs.is_empty() { "no packet was sent".to_owned() } else { format!("sent to {}", receivers()) };
            let entry = entry("no neighbour answers for the gateway's address").expected(format!("sent to {address}"));
            judgement.add_finding(entry.found(found).notes([format!("ARP for {address}: {}", messages::end(seen))]));
        }
    }
}

/// The source address at the target: reported by its listener, else read from the frames captured there.
fn judge_seen_from(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let Some(wanted) = &case.item.value.seen_from else { return };
    if !case.is_answered() {
        return;
    }
    let mut sources: BTreeSet<IpAddr> = BTreeSet::new();
    if let ProbeEnd::Answered { saw: Some(saw), .. } = &case.seen.end {
        sources.insert(saw.ip());
    } else {
        for capture in case.probes.far_captures(case.target.endpoint.as_ref()) {
            let arrived = case.probes.packets(capture, Direction::In);
            let is_mine = |packet: &&Packet| case.request.matches(packet, false) && case.flows.has(packet, false);
            sources.extend(arrived.filter(is_mine).filter_map(source_of));
        }
    }
    judgement.count_fact();
    if sources.is_empty() {
        judgement
            .add_unobserved(format!("probe {}: answered, but the far end does not report the source address", case.id));
    } else if sources.iter().any(|source| *source != wanted.value) {
        let found: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let entry = case.finding(FindingCode::PL404, "target sees a different source address").source(&wanted.source);
        let entry = entry.expected(format!("seen from {}", wanted.value));
        judgement.add_finding(entry.found(format!("seen from {}", found.join(", "))));
    }
}

fn source_of(packet: &Packet) -> Option<IpAddr> {
    match &packet.net {
        Net::Arp(arp) => Some(IpAddr::V4(arp.sender)),
        Net::Ip(ip) => Some(ip.from),
        Net::Control(_) | Net::Other => None,
    }
}

/// The tags on the node's uplink, of requests and replies, in a capture that is known to show tags.
fn judge_tags(case: &EgressProbe<'_>, judgement: &mut JudgementBuilder) {
    let Some(wanted) = &case.item.value.tags else { return };
    let through = case.item.value.through.as_ref().map(|through| through.value.as_str());
    let uplink = uplink_of(case.probes.plan, case.pod, through, case.target.endpoint.as_ref());
    let capture = uplink
        .as_ref()
        .and_then(|uplink| case.probes.script.capture(&ProbeEndpoint::Node(case.node), &Tap::Uplink(uplink.clone())));
    let (Some(uplink), Some(capture)) = (&uplink, capture) else {
        let fault = format!("tags are wanted, and no uplink of node {} was watched", case.node);
        return judgement.add_unobserved(format!("probe {}: {fault}", case.id));
    };
    let frames = case.probes.frames(capture);
    if let Some(fault) = find_capture_fault(case, frames) {
        return judgement.add_unobserved(format!("capture {} at uplink {uplink}: {fault}", capture.id));
    }
    let mine = |packet: &&Packet| {
        let is_mine = |is_reply| case.request.matches(packet, is_reply) && case.flows.has(packet, is_reply);
        is_mine(false) || is_mine(true) || (case.request.by == Protocol::Arp && case.request.matches(packet, true))
    };
    let found: BTreeSet<Vec<u16>> = frames.iter().map(|(_, packet)| packet).filter(mine).map(Packet::vlans).collect();
    let entry = |message: &str| {
        let expected = format!("{} on uplink {uplink}", messages::tags(&wanted.value));
        case.finding(FindingCode::PL405, message).source(&wanted.source).expected(expected)
    };
    if found.is_empty() {
        if case.is_answered() {
            judgement.count_fact();
            let entry = entry("reached without using the node's uplink");
            judgement
                .add_finding(entry.found("no frame of this probe on the uplink".to_owned()).notes(case.path_notes()));
        }
        return;
    }
    judge_priority(case, frames, uplink, judgement);
    judgement.count_fact();
    if found.iter().any(|tags| *tags != wanted.value) {
        let all: Vec<String> = found.iter().map(|tags| messages::tags(tags)).collect();
        let mut notes = Vec::new();
        let example =
            frames.iter().map(|(_, packet)| packet).filter(mine).find(|packet| packet.vlans() != wanted.value);
        notes.extend(example.map(|packet| format!("such as {packet}")));
        judgement.add_finding(entry("wrong tags").found(all.join("; ")).notes(notes));
    }
}

/// The priority bits in the outermost tag of the requests, in a capture that is known to show them. Frames without a
/// tag have none; `PL405` reports those.
fn judge_priority(case: &EgressProbe<'_>, frames: &[Frame], uplink: &str, judgement: &mut JudgementBuilder) {
    let Some(wanted) = &case.item.value.priority else { return };
    let out = frames.iter().filter(|(way, _)| *way == Direction::Out).map(|(_, packet)| packet);
    let asked = out.filter(|packet| case.request.matches(packet, false) && case.flows.has(packet, false));
    let asked: Vec<&Packet> = asked.collect();
    judgement.count_fact();
    if asked.is_empty() {
        let fault = format!("VLAN priority expected, but no request left through uplink {uplink}");
        return judgement.add_unobserved(format!("probe {}: {fault}", case.id));
    }
    let bits: BTreeSet<u8> = asked.iter().filter_map(|packet| packet.tags.first()).map(|tag| tag.priority).collect();
    if bits.iter().any(|bits| *bits != wanted.value) {
        let found: Vec<String> = bits.iter().map(|bits| format!("priority {bits}")).collect();
        let is_other = |packet: &&&Packet| packet.tags.first().is_some_and(|tag| tag.priority != wanted.value);
        let example = asked.iter().find(is_other).map(|packet| format!("such as {packet}"));
        let entry = case.finding(FindingCode::PL406, "wrong VLAN priority").source(&wanted.source);
        let entry = entry.expected(format!("priority {} on uplink {uplink}", wanted.value));
        judgement.add_finding(entry.found(found.join("; ")).notes(example));
    }
}

/// Why a capture is not known to show tags: its control frame is not in it, or is in it with other tags or bits.
fn find_capture_fault(case: &EgressProbe<'_>, frames: &[Frame]) -> Option<String> {
    let id = format!("{}{}", case.id, ids::TAGGED);
    let probe = case.probes.script.probes.iter().find(|(_, probe)| probe.id == id);
    let Some(ProbeAction::Control { tags, priority, .. }) = probe.map(|(_, probe)| &probe.what) else {
        return Some("no control frame was sent".to_owned());
    };
    let sent = messages::control(tags, *priority);
    let mut seen = frames.iter().filter(|(_, packet)| packet.net == Net::Control(id.clone())).peekable();
    if seen.peek().is_none() {
        return Some(format!("the control frame with {sent} was not seen in it"));
    }
    let first = |packet: &Packet| packet.tags.first().map_or(0, |tag| tag.priority);
    let shown: Vec<(Vec<u16>, u8)> = seen.map(|(_, packet)| (packet.vlans(), first(packet))).collect();
    if shown.iter().any(|(shown, bits)| shown == tags && bits == priority) {
        return None;
    }
    let shown: Vec<String> = shown.iter().map(|(tags, bits)| messages::control(tags, *bits)).collect();
    Some(format!("the control frame with {sent} is shown in it as {}", shown.join(", ")))
}
