//! A pod that is Ready and has none of what was asked for: is it Multus' doing, or the bed's?
//!
//! Multus was proven when the cluster was opened, but a proof is of its moment. A plugin that fails keeps a pod from
//! becoming Ready; a Ready pod with eth0 alone means that Multus was not asked at all. Before anybody judges that, a
//! canary has to come up attached on the same node; if it does not, the bed is at fault, and there is no verdict.

use crate::context::Context;
use plumbline_cluster::profile::Loaded;
use plumbline_cluster::{Cluster, canary};
use plumbline_core::observe::{PodObservation, PodState};
use plumbline_core::plan::Attachment;
use plumbline_testbed::error::TestbedError;

/// Whether a pod runs without a single one of its attachments, in Multus' word and in the kernel.
fn bare(asked: &[Attachment], seen: &PodObservation) -> bool {
    let there = |attachment: &Attachment| {
        let interface = &attachment.interface;
        let reported = seen.reported.iter().any(|r| r.interface == *interface);
        let link = seen.kernel.as_ref().is_some_and(|k| k.links.iter().any(|l| l.name == *interface));
        reported || link
    };
    seen.state == PodState::Running && !asked.is_empty() && !asked.iter().any(there)
}

/// Sends a canary up on the node of a pod that came up bare, unless Multus is not to be looked after.
///
/// # Errors
/// `TestbedError` when the canary does not come up attached either.
pub(super) async fn check_multus(
    cx: &Context,
    cluster: &Cluster,
    asked: &[Attachment],
    seen: &PodObservation,
) -> Result<(), TestbedError> {
    if cx.options.skip_multus_check || !bare(asked, seen) {
        return Ok(());
    }
    let loaded = Loaded::read(&cx.root, &cluster.profile)?;
    let book = canary::CanaryJournal { run: &cx.run, kubeconfig: &cluster.kubeconfig };
    canary::run_canary(&loaded, &cluster.client, cluster.node(&seen.node)?, &cluster.toolbox, book).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::observe::{KernelState, Link, Reported};
    use serde_json::json;

    fn asked() -> Vec<Attachment> {
        vec![serde_json::from_value(json!({ "network": "a", "namespace": null, "interface": "eth1" })).unwrap()]
    }

    fn seen(links: &[&str], reported: &[&str]) -> PodObservation {
        let link = |name: &&str| Link { name: (*name).to_owned(), ..Link::default() };
        let kernel = KernelState { links: links.iter().map(link).collect(), ..KernelState::default() };
        let entry = |name: &&str| Reported { interface: (*name).to_owned(), ..Reported::default() };
        let reported: Vec<Reported> = reported.iter().map(entry).collect();
        serde_json::from_value(json!({
            "pod": "p", "node": "n", "state": { "state": "running" }, "transcripts": [], "kernel": kernel,
            "witnesses": [], "reported": reported, "outcomes": [], "calls": [], "log": [], "nodeLinks": null,
            "sysctls": {},
        }))
        .unwrap()
    }

    #[test]
    fn eth0_alone_is_in_doubt() {
        assert!(bare(&asked(), &seen(&["lo", "eth0"], &["eth0"])));
    }

    #[test]
    fn a_sign_of_one_attachment_is_none() {
        assert!(!bare(&asked(), &seen(&["lo", "eth0", "eth1"], &["eth0"])));
        assert!(!bare(&asked(), &seen(&["lo", "eth0"], &["eth0", "eth1"])), "reported and not there is the judge's");
        assert!(!bare(&[], &seen(&["lo", "eth0"], &["eth0"])));
    }
}
