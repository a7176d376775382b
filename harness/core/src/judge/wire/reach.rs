//! What must be reached: `PL401` to `PL407`.

mod path;

use super::seen::{Act, Question, flow, flows};
use super::trail::trail;
use super::words;
use crate::finding::{Finding, FindingCode};
use crate::judge::ledger::Ledger;
use crate::plan::{Pod, Wanted, WantedReach};
use crate::wire::{Aim, Direction, ProbeEnd, ProbeSeen, aim, dns};

/// One `reaches` as it is judged.
pub(super) struct Case<'a> {
    pub act: &'a Act<'a>,
    pub pod: &'a Pod,
    /// The node that the pod is on, from 1.
    pub node: usize,
    pub id: &'a str,
    pub item: &'a Wanted<WantedReach>,
    pub aim: Aim,
    pub seen: &'a ProbeSeen,
    pub question: Question,
}

impl Case<'_> {
    /// A finding about this question.
    pub fn finding(&self, code: FindingCode, message: &str) -> Finding {
        let text = words::question(self.item.value.by, self.item.value.port, &self.aim);
        let entry = Finding::new(code, format!("{text}: {message}")).pod(&self.pod.name).source(&self.item.source);
        match &self.item.value.through {
            Some(through) => entry.interface(&through.value),
            None => entry,
        }
    }

    /// Whether the very address asked answered.
    pub fn is_answered(&self) -> bool {
        match &self.seen.end {
            // What a name server is asked, nothing but an answer to it answers.
            ProbeEnd::Answered { by, .. } => self.item.value.lookup.is_none() && *by == self.aim.address,
            ProbeEnd::Resolved { by, .. } => *by == self.aim.address,
            _ => false,
        }
    }

    pub fn trail(&self) -> Vec<String> {
        trail(self.act, self.pod, &self.question, &self.aim)
    }
}

/// Judges a `reaches`.
pub(super) fn judge(act: &Act<'_>, pod: &Pod, node: usize, id: &str, item: &Wanted<WantedReach>, ledger: &mut Ledger) {
    let wanted = &item.value;
    ledger.check();
    let aim = match aim(act.observation, &wanted.to) {
        Ok(aim) => aim,
        Err(why) => {
            let entry = Finding::new(FindingCode::PL401, "not reached: there is nothing to ask")
                .pod(&pod.name)
                .source(&item.source);
            ledger.add(entry.found(Some(why)));
            return;
        }
    };
    let Some(seen) = act.heard.probe(id) else {
        ledger.unobserved(format!("probe {id}: it was not sent"));
        return;
    };
    let question = Question { by: wanted.by, to: aim.address, port: wanted.port, from: wanted.from };
    let case = Case { act, pod, node, id, item, aim, seen, question };
    answered(&case, ledger);
    resolved(&case, ledger);
    path::through(&case, ledger);
    path::gateway(&case, ledger);
    path::seen_from(&case, ledger);
    path::tags(&case, ledger);
}

/// Whether a name server that answered said what it should: the one address, and no other.
fn resolved(case: &Case<'_>, ledger: &mut Ledger) {
    let (Some(lookup), ProbeEnd::Resolved { code, addresses, .. }) = (&case.item.value.lookup, &case.seen.end) else {
        return;
    };
    ledger.check();
    let wanted = lookup.resolves_to.value;
    if code != dns::NO_ERROR || addresses.is_empty() || addresses.iter().any(|address| *address != wanted) {
        let entry = case.finding(FindingCode::PL407, &format!("{} resolves to something else", lookup.name));
        let entry = entry.source(&lookup.resolves_to.source).expected(format!("{} is {wanted}", lookup.name));
        ledger.add(entry.found(Some(words::end(case.seen))));
    }
}

/// Answered, and by whom it should be.
fn answered(case: &Case<'_>, ledger: &mut Ledger) {
    let expected = format!("an answer from {}", case.aim.address);
    if !case.is_answered() {
        let entry =
            case.finding(FindingCode::PL401, "not reached").expected(expected).found(Some(words::end(case.seen)));
        ledger.add(entry.notes(case.trail()));
        return;
    }
    let Some(party) = &case.aim.party else {
        return;
    };
    let far = case.act.far(Some(party));
    let came: Vec<_> = far
        .iter()
        .flat_map(|capture| case.act.frames(capture))
        .filter(|(way, packet)| *way == Direction::In && case.question.is(packet))
        .collect();
    let mine = flows(case.act, case.pod, &case.question);
    let is_mine = |packet| flow(packet, false).is_some_and(|flow| mine.contains(&flow));
    if far.is_empty() || came.iter().any(|(_, packet)| is_mine(packet)) {
        return;
    }
    if came.is_empty() {
        let entry = case
            .finding(FindingCode::PL401, "answered, and not by whom it should be")
            .expected(format!("an answer from {} by {party}", case.aim.address))
            .found(Some(format!("{}; {party} never saw the question", words::end(case.seen))));
        ledger.add(entry.notes(case.trail()));
    } else {
        ledger.unobserved(format!(
            "probe {}: answered, and which of the questions that came to {party} is this one can't be told",
            case.id
        ));
    }
}
