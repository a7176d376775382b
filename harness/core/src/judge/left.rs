//! What stays when the pods are gone: `PL501`, and `PL510` to `PL512`. Judged where a lane looked after it had taken pods
//! away.

use super::ledger::Ledger;
use crate::finding::{Finding, FindingCode};
use crate::observe::{LeftKind, Observation};
use crate::plan::Plan;

/// Judges what was left.
pub(super) fn judge(plan: &Plan, observation: &Observation, ledger: &mut Ledger) {
    let Some(left) = &observation.left else {
        return;
    };
    ledger.check();
    for left in left {
        let (code, message) = match left.kind {
            LeftKind::Lease => (FindingCode::PL501, "a lease stays after the pod"),
            LeftKind::Firewall => (FindingCode::PL510, "a firewall rule stays after the pod"),
            LeftKind::Connection => (FindingCode::PL511, "a tracked UDP connection stays after the pod"),
            LeftKind::Routing => (FindingCode::PL512, "a rule, route or link stays after the pod"),
        };
        let entry = Finding::new(code, message).found(Some(left.what.clone()));
        let place = match left.kind {
            LeftKind::Lease => format!("it lies in {}", left.place),
            _ => format!("it is among {}", left.place),
        };
        let entry = entry.notes([place]);
        let pod = left.pod.as_deref();
        ledger.add(match pod.and_then(|name| plan.pods.iter().find(|pod| pod.name == name)) {
            Some(pod) => entry.pod(&pod.name).source(&pod.source),
            None => entry,
        });
    }
}
