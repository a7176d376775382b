//! What stays when the pods are gone: `PL501`. Judged where a lane looked after it had taken pods away.

use super::ledger::{Fill, Ledger, finding};
use crate::observe::Observation;
use crate::plan::Plan;

/// Judges what was left.
pub(super) fn judge(plan: &Plan, observation: &Observation, ledger: &mut Ledger) {
    let Some(left) = &observation.left else {
        return;
    };
    ledger.check();
    for left in left {
        let entry = finding("PL501", "a lease stays after the pod").found(Some(left.what.clone()));
        let entry = entry.notes([format!("it lies in {}", left.place)]);
        let pod = left.pod.as_deref();
        ledger.add(match pod.and_then(|name| plan.pods.iter().find(|pod| pod.name == name)) {
            Some(pod) => entry.pod(&pod.name).source(&pod.source),
            None => entry,
        });
    }
}
