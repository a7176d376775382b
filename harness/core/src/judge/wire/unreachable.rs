//! Forbidden targets: `PL410` and `PL411`, and the controls that prove that a reply would have arrived.

use super::frames::{DecodedProbes, Flows, RequestPattern, describe_path};
use super::messages;
use crate::finding::{Finding, FindingCode};
use crate::judge::judgement::JudgementBuilder;
use crate::plan::{Because, Destination, Pod, ProbeEndpoint, Unreachable, Wanted};
use crate::script::target::kernel_of_pod;
use crate::script::window::needed_window_ms;
use crate::script::{WINDOW_MS, find_target, ids};
use crate::wire::decode::Packet;
use crate::wire::{Capture, Direction, ProbeEnd};

/// Judges a `cannotReach`.
pub(super) fn judge(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    id: &str,
    item: &Wanted<Unreachable>,
    judgement: &mut JudgementBuilder,
) {
    let wanted = &item.value;
    let aims = (find_target(probes.observation, &wanted.to), find_target(probes.observation, &wanted.sender_reaches));
    let (to, control) = match aims {
        (Ok(to), Ok(control)) => (to, control),
        (Err(why), _) | (_, Err(why)) => {
            judgement.count_fact();
            let entry = Finding::new(FindingCode::PL411, "not probed: the target has no address").pod(&pod.name);
            let entry = entry.source(&item.source).expected(wanted.because.name());
            return judgement.add_finding(entry.found(why.to_string()));
        }
    };
    let mut slowest = 0;
    let sender = ProbeEndpoint::Pod(pod.name.clone());
    let mut controls = vec![(ids::SENDER, &sender, &control)];
    if let Some(third) = &wanted.reached_by {
        // Of a third endpoint that did not come up a finding is written already.
        if !matches!(third, ProbeEndpoint::Pod(name) if kernel_of_pod(probes.observation, name).is_err()) {
            controls.push((ids::THIRD, third, &to));
        }
    }
    for (suffix, sender, target) in controls {
        let probe = format!("{id}{suffix}");
        let what = messages::question(wanted.by, wanted.port, target);
        let Some(seen) = probes.result(&probe, judgement) else { return };
        match &seen.end {
            ProbeEnd::Answered { by, .. } if *by == target.address => slowest = slowest.max(seen.took_us),
            _ => {
                let end = messages::end(seen);
                return judgement.add_unobserved(format!("probe {probe}, the control ({what} from {sender}): {end}"));
            }
        }
    }
    let Some(seen) = probes.result(id, judgement) else { return };
    let window =
        probes.script.probes.iter().find(|(_, probe)| probe.id == id).map_or(WINDOW_MS, |(_, it)| it.window_ms);
    if needed_window_ms(slowest) > window {
        return judgement.add_unobserved(format!(
            "probe {id}: its controls took up to {} ms, so no reply within {window} ms proves nothing",
            slowest / 1000
        ));
    }
    judgement.count_fact();
    let request = RequestPattern { by: wanted.by, to: to.address, port: wanted.port, from: wanted.from };
    let text = messages::question(wanted.by, wanted.port, &to);
    let expected = wanted.because.name();
    let found = messages::end(seen);
    let entry = |code: FindingCode, message: &str| {
        let entry = Finding::new(code, format!("{text}: {message}")).pod(&pod.name).source(&item.source);
        let entry = entry.expected(expected).found(found.clone());
        let entry = match &wanted.to {
            Destination::Pod { interface, pod, .. } => {
                entry.notes([format!("{} is the address of {interface} of pod {pod}", to.address)])
            }
            Destination::Address { .. } => entry,
        };
        entry.notes(describe_path(probes, pod, &request, &to))
    };
    let end = match &seen.end {
        ProbeEnd::Answered { .. } => {
            return judgement.add_finding(entry(FindingCode::PL410, "forbidden target reached"));
        }
        ProbeEnd::NoRoute => Because::NoRoute,
        ProbeEnd::NoAnswer => Because::NoAnswer,
        ProbeEnd::Refused => Because::Refused,
        ProbeEnd::Filtered { .. } => Because::Filtered,
        ProbeEnd::Resolved { .. } | ProbeEnd::Sent | ProbeEnd::Unable { .. } => {
            return judgement.add_unobserved(format!("probe {id}: {found}"));
        }
    };
    if end != wanted.because {
        judgement.add_finding(entry(FindingCode::PL411, "not reached, but for a different reason"));
    } else if end == Because::NoAnswer {
        let mine = Flows::new(probes, pod, &request);
        let is_mine = |packet: &Packet| request.matches(packet, false) && mine.has(packet, false);
        let came = |capture: &&Capture| probes.packets(capture, Direction::In).any(is_mine);
        if probes.far_captures(to.endpoint.as_ref()).iter().any(came) {
            judgement
                .add_note(format!("{text} from pod {}: the request arrived there, and no reply came back", pod.name));
        }
    }
}
