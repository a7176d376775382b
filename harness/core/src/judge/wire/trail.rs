//! Where the packets of a question went, for people to read: how far they were seen, and who stayed silent.

use super::seen::{Act, Flow, Question, flow, flows};
use crate::plan::{Party, Pod};
use crate::wire::decode::Net;
use crate::wire::{Aim, Capture, Direction, Tap, next_hop};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One line per place that a question should have come by.
pub(super) fn trail(act: &Act<'_>, pod: &Pod, question: &Question, aim: &Aim) -> Vec<String> {
    let mine = flows(act, pod, question);
    let passed = |capture: &Capture, way: Direction| passed(act, capture, question, &mine, way);
    let mut lines = Vec::new();
    let mut silent = Vec::new();
    for (name, capture) in act.at_pod(pod) {
        match passed(capture, Direction::Out) {
            Some(text) => lines.push(format!("{name} of pod {}: {text}", pod.name)),
            None => silent.push(name),
        }
        lines.extend(neighbours(act, pod, name, capture, question.to));
    }
    if lines.is_empty() && !silent.is_empty() {
        lines.push(format!("pod {} sent nothing of it by {}", pod.name, silent.join(", ")));
    }
    for (party, capture) in &act.script.captures {
        if let (Party::Node(_), Tap::Uplink(uplink)) = (party, &capture.interface) {
            let text = passed(capture, Direction::Out);
            lines.push(format!("uplink {uplink} of {party}: {}", text.unwrap_or_else(|| "nothing of it".to_owned())));
        }
    }
    if let Some(party) = &aim.party {
        for capture in act.far(Some(party)) {
            let text = passed(capture, Direction::In);
            let place = match &capture.interface {
                Tap::Name(name) | Tap::Uplink(name) => name,
            };
            lines.push(format!("{place} of {party}: {}", text.unwrap_or_else(|| "nothing of it".to_owned())));
        }
    }
    lines
}

/// `2 questions out, no answer in; the first: ...`; `way` is the way that questions go there. Only this pod's count.
fn passed(
    act: &Act<'_>,
    capture: &Capture,
    question: &Question,
    mine: &BTreeSet<Flow>,
    way: Direction,
) -> Option<String> {
    let frames = act.frames(capture);
    let is_mine = |packet, is_answer| flow(packet, is_answer).is_some_and(|flow| mine.contains(&flow));
    let asked: Vec<_> =
        frames.iter().filter(|(at, packet)| *at == way && question.is(packet) && is_mine(packet, false)).collect();
    let answers =
        frames.iter().filter(|(at, packet)| *at != way && question.is_answer(packet) && is_mine(packet, true)).count();
    let (first, (to, fro)) = (asked.first()?, if way == Direction::Out { ("out", "in") } else { ("in", "out") });
    let count = |number: usize, word: &str| match number {
        0 => format!("no {word}"),
        1 => format!("1 {word}"),
        more => format!("{more} {word}s"),
    };
    Some(format!("{} {to}, {} {fro}; the first: {}", count(asked.len(), "question"), count(answers, "answer"), first.1))
}

/// Says so where the next hop was asked for and did not tell.
fn neighbours(act: &Act<'_>, pod: &Pod, name: &str, capture: &Capture, to: IpAddr) -> Option<String> {
    let kernel = crate::wire::aim::kernel(act.observation, &pod.name).ok()?;
    let (dev, via) = next_hop(kernel, to)?;
    let hop = via.unwrap_or(to);
    if dev != name {
        return None;
    }
    let arps = || {
        act.frames(capture).iter().filter_map(|(_, packet)| match &packet.net {
            Net::Arp(arp) => Some(arp),
            _ => None,
        })
    };
    let asked = arps().filter(|arp| arp.is_question && IpAddr::V4(arp.target) == hop).count();
    let told = arps().any(|arp| !arp.is_question && IpAddr::V4(arp.sender) == hop);
    (asked > 0 && !told)
        .then(|| format!("{name} of pod {}: asked {asked} times who has {hop}, and nobody told", pod.name))
}
