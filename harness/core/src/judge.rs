//! The judge: asked, reported and kernel side by side, for any lane alike.
//!
//! | account | where it comes from | module |
//! |---|---|---|
//! | asked | the plan: attachments, expectations, chains | [`crate::plan`] |
//! | reported | CNI results and network-status | `reported`, read into one shape |
//! | kernel | links, addresses, routes of the pod's namespace | [`crate::observe::KernelState`] |
//! | wire | probes, listeners and captures | [`crate::wire::WireSeen`] |
//!
//! Every disagreement is a finding of its own; nothing stops at the first. Kept out: lanes, retries, any verdict by
//! the text of a log (texts of strangers only become notes of findings that stand without them).

mod accounts;
mod addresses;
mod attachments;
mod cluster;
mod config;
mod defaults;
mod fold;
mod interfaces;
mod kernel;
pub(crate) mod known_keys;
pub(crate) mod ledger;
mod left;
mod reported;
mod routes;
mod segment;
mod stderr;
mod wire;
mod words;

pub use fold::{fold, verdict};
pub use ledger::Judgement;

use crate::finding::Finding;
use crate::observe::{Observation, PodObservation, PodState};
use crate::plan::{Network, Plan, Pod};
use ipnet::IpNet;
use ledger::Ledger;

/// What is doubtful in one network's configuration, in the order found; of a network without a manifest nothing.
#[cfg_attr(
    not(feature = "files"),
    expect(dead_code, reason = "asked by the lint of chains, which the agent does without")
)]
pub(crate) fn doubts(network: &Network) -> Vec<Finding> {
    let mut ledger = Ledger::default();
    config::lint(network, &mut ledger);
    ledger.close().findings
}

/// Compares a plan with what was observed of it.
pub fn judge(plan: &Plan, observation: &Observation) -> Judgement {
    let mut ledger = Ledger::default();
    for pod in &plan.pods {
        match observation.pods.iter().find(|observed| observed.pod == pod.name) {
            Some(observed) => judge_pod(plan, pod, observed, &observation.cluster_ranges, &mut ledger),
            None => ledger.unobserved(format!("pod {} was not observed", pod.name)),
        }
    }
    segment::judge(plan, observation, &mut ledger);
    wire::judge(plan, observation, &mut ledger);
    left::judge(plan, observation, &mut ledger);
    for pod in &plan.pods {
        config::lint_args(plan, pod, &mut ledger);
    }
    for network in &plan.networks {
        config::lint(network, &mut ledger);
    }
    ledger.close()
}

fn judge_pod(plan: &Plan, pod: &Pod, observed: &PodObservation, ranges: &[IpNet], ledger: &mut Ledger) {
    if let PodState::NotReady { reason } = &observed.state {
        attachments::not_ready(plan, pod, observed, reason, ledger);
        return;
    }
    let Some(kernel) = &observed.kernel else {
        ledger.unobserved(format!("pod {} runs, and nothing was read in its namespace", pod.name));
        return;
    };
    let accounts = reported::accounts(observed);
    attachments::attached(plan, pod, observed, kernel, &accounts, ledger);
    let expectation = plan.expect.iter().find(|expectation| expectation.pod == pod.name);
    let case = accounts::Case { pod, observed, kernel, accounts: &accounts, expectation };
    reported::judge(&case, ledger);
    if let Some(expectation) = expectation {
        for wanted in &expectation.interfaces {
            interfaces::judge(&case, wanted, ledger);
        }
        defaults::judge(&case, expectation, ledger);
        kernel::judge(&case, expectation, ledger);
    }
    cluster::judge(plan, &case, ranges, ledger);
    stderr::judge(&case, ledger);
}
