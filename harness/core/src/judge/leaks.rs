//! Leaks: state that remains after the pods are deleted (`PL501`, and `PL510` to `PL512`). Judged where the lane looked for
//! it after it had deleted the pods.

use super::judgement::JudgementBuilder;
use crate::finding::{Finding, FindingCode};
use crate::observe::{LeakKind, Observation};
use crate::plan::Plan;

/// Judges the leaks.
pub(super) fn judge(plan: &Plan, observation: &Observation, judgement: &mut JudgementBuilder) {
    let Some(leaks) = &observation.leaks else {
        return;
    };
    judgement.count_fact();
    for leak in leaks {
        let code = match leak.kind {
            LeakKind::Lease => FindingCode::PL501,
            LeakKind::Firewall => FindingCode::PL510,
            LeakKind::Connection => FindingCode::PL511,
            LeakKind::Routing => FindingCode::PL512,
        };
        let entry = Finding::new(code, code.title()).found(Some(leak.what.clone()));
        let place = match leak.kind {
            LeakKind::Lease => format!("it lies in {}", leak.place),
            _ => format!("it is among {}", leak.place),
        };
        let entry = entry.notes([place]);
        let pod = leak.pod.as_deref();
        judgement.add_finding(match pod.and_then(|name| plan.pods.iter().find(|pod| pod.name == name)) {
            Some(pod) => entry.pod(&pod.name).source(&pod.source),
            None => entry,
        });
    }
}
