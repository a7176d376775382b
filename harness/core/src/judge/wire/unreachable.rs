//! What must not be reached: `PL410` and `PL411`, beside what proves that an answer could have been heard.

use super::seen::{Act, Question, flow, flows};
use super::trail::trail;
use super::words;
use crate::finding::{Finding, FindingCode};
use crate::judge::ledger::Ledger;
use crate::plan::{Because, Destination, Party, Pod, Unreachable, Wanted};
use crate::wire::aim::kernel;
use crate::wire::window::needed_ms;
use crate::wire::{Direction, ProbeEnd, WINDOW_MS, aim, ids};

/// Judges a `cannotReach`.
pub(super) fn judge(act: &Act<'_>, pod: &Pod, id: &str, item: &Wanted<Unreachable>, ledger: &mut Ledger) {
    let wanted = &item.value;
    let aims = (aim(act.observation, &wanted.to), aim(act.observation, &wanted.sender_reaches));
    let (to, control) = match aims {
        (Ok(to), Ok(control)) => (to, control),
        (Err(why), _) | (_, Err(why)) => {
            ledger.check();
            let entry = Finding::new(FindingCode::PL411, "can't be asked, so nothing is known of it").pod(&pod.name);
            ledger.add(entry.source(&item.source).expected(words::because(wanted.because)).found(Some(why)));
            return;
        }
    };
    let mut slowest = 0;
    let sender = Party::Pod(pod.name.clone());
    let mut controls = vec![(ids::SENDER, &sender, &control)];
    if let Some(third) = &wanted.reached_by {
        // Of a third party that did not come up a finding is written already.
        if !matches!(third, Party::Pod(name) if kernel(act.observation, name).is_err()) {
            controls.push((ids::THIRD, third, &to));
        }
    }
    for (suffix, who, whom) in controls {
        let probe = format!("{id}{suffix}");
        let what = words::question(wanted.by, wanted.port, whom);
        match act.heard.probe(&probe) {
            None => return ledger.unobserved(format!("probe {probe}: it was not sent")),
            Some(seen) => match &seen.end {
                ProbeEnd::Answered { by, .. } if *by == whom.address => slowest = slowest.max(seen.took_us),
                _ => {
                    let end = words::end(seen);
                    return ledger.unobserved(format!("probe {probe}, the control ({what} from {who}): {end}"));
                }
            },
        }
    }
    let Some(seen) = act.heard.probe(id) else {
        return ledger.unobserved(format!("probe {id}: it was not sent"));
    };
    let window = act.script.probes.iter().find(|(_, probe)| probe.id == id).map_or(WINDOW_MS, |(_, it)| it.window_ms);
    if needed_ms(slowest) > window {
        return ledger.unobserved(format!(
            "probe {id}: its controls took up to {} ms, and no answer within {window} ms proves nothing then",
            slowest / 1000
        ));
    }
    ledger.check();
    let question = Question { by: wanted.by, to: to.address, port: wanted.port, from: wanted.from };
    let text = words::question(wanted.by, wanted.port, &to);
    let expected = words::because(wanted.because);
    let found = words::end(seen);
    let entry = |code: FindingCode, message: &str| {
        let entry = Finding::new(code, format!("{text}: {message}")).pod(&pod.name).source(&item.source);
        let entry = entry.expected(expected).found(Some(found.clone()));
        let entry = match &wanted.to {
            Destination::Pod { interface, pod, .. } => {
                entry.notes([format!("{} is the address of {interface} of pod {pod}", to.address)])
            }
            Destination::Address { .. } => entry,
        };
        entry.notes(trail(act, pod, &question, &to))
    };
    let end = match &seen.end {
        ProbeEnd::Answered { .. } => return ledger.add(entry(FindingCode::PL410, "reached, and it must not be")),
        ProbeEnd::NoRoute => Because::NoRoute,
        ProbeEnd::NoAnswer => Because::NoAnswer,
        ProbeEnd::Refused => Because::Refused,
        ProbeEnd::Filtered { .. } => Because::Filtered,
        ProbeEnd::Resolved { .. } | ProbeEnd::Sent | ProbeEnd::Unable { .. } => {
            return ledger.unobserved(format!("probe {id}: {found}"));
        }
    };
    if end != wanted.because {
        ledger.add(entry(FindingCode::PL411, "not reached, and for another reason"));
    } else if end == Because::NoAnswer {
        let mine = flows(act, pod, &question);
        let is_mine = |packet| flow(packet, false).is_some_and(|flow| mine.contains(&flow));
        let came = |capture: &&crate::wire::Capture| {
            let mut frames = act.frames(capture).iter();
            frames.any(|(way, packet)| *way == Direction::In && question.is(packet) && is_mine(packet))
        };
        if act.far(to.party.as_ref()).iter().any(came) {
            ledger.note(format!("{text} from pod {}: the question came there, and no answer came back", pod.name));
        }
    }
}
