//! By which interfaces of the node questions came in and answers left.

use super::{Case, why};
use crate::finding::FindingCode;
use crate::judge::ledger::Ledger;
use crate::judge::wire::seen::Frame;
use crate::plan::Party;
use crate::wire::Direction;
use crate::wire::decode::Packet;

/// The interfaces at which a frame of one kind was seen going one way.
fn seen<'a>(case: &'a Case<'_>, way: Direction, fits: &dyn Fn(&Packet) -> bool) -> Vec<&'a str> {
    let has = |frames: &[Frame]| frames.iter().any(|(at, packet)| *at == way && fits(packet));
    case.at_node().into_iter().filter(|(_, frames)| has(frames)).map(|(name, _)| name).collect()
}

/// Answers left by the interface wanted, else by the one at which the questions came in.
pub(super) fn links(case: &Case<'_>, ledger: &mut Ledger) {
    let came = seen(case, Direction::In, &|packet| case.is_question(packet));
    let left = seen(case, Direction::Out, &|packet| case.is_answer(packet));
    let back_by = case.wanted().back_by.as_ref();
    let (wanted, source) = match back_by {
        Some(back_by) => (vec![back_by.value.as_str()], &back_by.source),
        None => (came.clone(), &case.item.source),
    };
    if left.is_empty() {
        if back_by.is_some() && case.is_answered() {
            ledger.check();
            ledger.unobserved(format!("{}: answered, and no interface of the node showed the answer", case.text()));
        }
        return;
    }
    // Where nothing came in at the node's own interfaces, the question was asked on the node itself.
    if wanted.is_empty() {
        return;
    }
    ledger.check();
    let astray: Vec<&str> = left.iter().copied().filter(|name| !wanted.contains(name)).collect();
    if astray.is_empty() {
        return;
    }
    let entry = case.finding(FindingCode::PL421, "the answer left the node by another interface").source(source);
    let entry = entry
        .expected(format!("the answer by {}, as the question came", wanted.join(", ")))
        .found(Some(format!("the answer by {}", astray.join(", "))));
    let shown = astray.iter().filter_map(|name| {
        let frames = case.frames_of(&Party::Node(case.node), name);
        let is_it = |(way, packet): &&Frame| *way == Direction::Out && case.is_answer(packet);
        frames.iter().find(is_it).map(|(_, packet)| format!("left by {name}: {packet}"))
    });
    ledger.add(entry.notes(shown).notes(why::astray(case, &astray)));
}

/// A line for each place that the question or its answer should have come by.
pub(super) fn trail(case: &Case<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let pod = Party::Pod(case.pod.name.clone());
    for (at, capture) in case.act.script.captures.iter().filter(|(at, _)| *at == case.sender && *at != pod) {
        let (crate::wire::Tap::Name(place) | crate::wire::Tap::Uplink(place)) = &capture.interface;
        lines.push(line(case, &format!("{place} of {at}"), case.act.frames(capture), Direction::Out));
    }
    for (name, frames) in case.at_node() {
        lines.push(line(case, &format!("{name} of node {}", case.node), frames, Direction::In));
    }
    let in_pod = case.frames_of(&pod, crate::wire::reached::POD_INTERFACE);
    lines.push(line(case, &format!("eth0 of pod {}", case.pod.name), in_pod, Direction::In));
    lines
}

/// `eth0 of node 1: saw questions in, no answer out`; `way` is the way that questions go there.
fn line(case: &Case<'_>, place: &str, frames: &[Frame], way: Direction) -> String {
    let asked = frames.iter().filter(|(at, packet)| *at == way && case.is_question(packet)).count();
    let told = frames.iter().filter(|(at, packet)| *at != way && case.is_answer(packet)).count();
    if asked == 0 && told == 0 {
        return format!("{place}: saw nothing of it");
    }
    let count = |number: usize, word: &str| match number {
        0 => format!("no {word}"),
        _ => format!("{word}s"),
    };
    let (to, fro) = if way == Direction::Out { ("out", "in") } else { ("in", "out") };
    format!("{place}: saw {} {to}, {} {fro}", count(asked, "question"), count(told, "answer"))
}
