//! A pod that is Ready and has none of the requested attachments: a failure, or an error of the testbed.
//!
//! The canary proved Multus when the cluster was opened, but Multus may fail later. A plugin that fails keeps a pod from
//! becoming Ready; a Ready pod with eth0 alone means that the runtime did not call Multus. Before that is judged, a
//! canary pod must come up attached on the same node. If it does not, the testbed is at fault, and there is no verdict.

use crate::context::Context;
use plumbline_cluster::profile::Loaded;
use plumbline_cluster::{Cluster, canary};
use plumbline_core::observe::{PodObservation, PodState};
use plumbline_core::plan::Attachment;
use plumbline_testbed::error::TestbedError;

/// Whether a pod runs without any of its attachments, neither reported nor in the kernel.
fn is_unattached(requested: &[Attachment], seen: &PodObservation) -> bool {
    let there = |attachment: &Attachment| {
        let interface = &attachment.interface;
        let reported = seen.reported.iter().any(|r| r.interface == *interface);
        let link = seen.kernel.as_ref().is_some_and(|k| k.links.iter().any(|l| l.name == *interface));
        reported || link
    };
    seen.state == PodState::Running && !requested.is_empty() && !requested.iter().any(there)
}

/// Runs a canary pod on the node of an unattached pod, unless the check of Multus is off.
///
/// # Errors
/// `TestbedError` when the canary pod has no attachment either.
pub(super) async fn check_multus(
    cx: &Context,
    cluster: &Cluster,
    requested: &[Attachment],
    seen: &PodObservation,
) -> Result<(), TestbedError> {
    if cx.options.skip_multus_check || !is_unattached(requested, seen) {
        return Ok(());
    }
    let loaded = Loaded::read(&cx.root, &cluster.profile)?;
    let journal = canary::CanaryJournal { run: &cx.run, kubeconfig: &cluster.kubeconfig };
    let node = cluster.node(&seen.node)?;
    canary::run_canary(&loaded, &cluster.client, node, &cluster.toolbox, journal).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::observe::{KernelState, Link, Reported};
    use serde_json::json;

    fn requested() -> Vec<Attachment> {
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
    fn eth0_alone_is_unattached() {
        assert!(is_unattached(&requested(), &seen(&["lo", "eth0"], &["eth0"])));
    }

    #[test]
    fn one_attachment_is_enough() {
        assert!(!is_unattached(&requested(), &seen(&["lo", "eth0", "eth1"], &["eth0"])));
        assert!(
            !is_unattached(&requested(), &seen(&["lo", "eth0"], &["eth0", "eth1"])),
            "reported and not there is the judge's"
        );
        assert!(!is_unattached(&[], &seen(&["lo", "eth0"], &["eth0"])));
    }
}
