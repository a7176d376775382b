//! The judge: compares the four views of an attachment, for every lane alike.
//!
//! | view | source | module |
//! |---|---|---|
//! | requested | the plan: attachments, expectations, chains | [`crate::plan`] |
//! | reported | CNI results and network-status | `reported`, read into one shape |
//! | kernel | links, addresses, routes of the pod's namespace | [`crate::observe::KernelState`] |
//! | wire | probes, listeners and captures | [`crate::wire::WireObservation`] |
//!
//! Every disagreement is a finding of its own; the judge does not stop at the first. It knows no lane and no retry. The
//! text of a log never decides a verdict: log lines only become notes of findings that stand without them.

mod addresses;
mod attachments;
mod config;
mod default_routes;
mod interfaces;
mod judgement;
pub(crate) mod known_keys;
mod leaks;
mod messages;
mod pod_case;
mod pod_settings;
mod reported;
mod routes;
mod segment;
mod wire;

pub use judgement::{Judgement, fold};

use crate::finding::Finding;
use crate::observe::{Observation, PodObservation, PodState};
use crate::plan::{Network, Plan, Pod};
use crate::verdict::Verdict;
use ipnet::IpNet;
use judgement::JudgementBuilder;

/// Suspicions about one network's configuration, in the order found; none for a network without a manifest.
#[cfg_attr(
    not(feature = "files"),
    expect(dead_code, reason = "used by the lint of chains, which the agent is built without")
)]
pub(crate) fn doubts(network: &Network) -> Vec<Finding> {
    let mut judgement = JudgementBuilder::default();
    config::lint(network, &mut judgement);
    judgement.finish().findings
}

/// Judges and gives the verdict in one step. `strict` makes warnings fail.
pub fn verdict(plan: &Plan, observation: &Observation, strict: bool) -> Verdict {
    fold(judge(plan, observation), strict)
}

/// Compares a plan with what was observed of it.
pub fn judge(plan: &Plan, observation: &Observation) -> Judgement {
    let mut judgement = JudgementBuilder::default();
    for pod in &plan.pods {
        match observation.pods.iter().find(|observed| observed.pod == pod.name) {
            Some(observed) => judge_pod(plan, pod, observed, &observation.cluster_ranges, &mut judgement),
            None => judgement.add_unobserved(format!("pod {} was not observed", pod.name)),
        }
    }
    segment::judge(plan, observation, &mut judgement);
    wire::judge(plan, observation, &mut judgement);
    leaks::judge(plan, observation, &mut judgement);
    for pod in &plan.pods {
        config::lint_args(plan, pod, &mut judgement);
    }
    for network in &plan.networks {
        config::lint(network, &mut judgement);
    }
    judgement.finish()
}

fn judge_pod(plan: &Plan, pod: &Pod, observed: &PodObservation, ranges: &[IpNet], judgement: &mut JudgementBuilder) {
    if let PodState::NotReady { reason } = &observed.state {
        attachments::not_ready(plan, pod, observed, reason, judgement);
        return;
    }
    let Some(kernel) = &observed.kernel else {
        judgement.add_unobserved(format!("pod {} runs, but its network namespace was not read", pod.name));
        return;
    };
    let reported = reported::read_reported(observed);
    attachments::attached(plan, pod, observed, kernel, &reported, judgement);
    let expectation = plan.expect.iter().find(|expectation| expectation.pod == pod.name);
    let case = pod_case::PodCase { pod, observed, kernel, reported: &reported, expectation };
    reported::judge(&case, judgement);
    if let Some(expectation) = expectation {
        for wanted in &expectation.interfaces {
            interfaces::judge(&case, wanted, judgement);
        }
        default_routes::judge_defaults(&case, expectation, judgement);
        pod_settings::judge(&case, expectation, judgement);
    }
    default_routes::judge_cluster_ranges(plan, &case, ranges, judgement);
    attachments::judge_stderr(&case, judgement);
}
