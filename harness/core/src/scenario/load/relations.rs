//! What must hold between the objects of a scenario, and between scenarios.

use super::Load;
use crate::plan::{Network, Plan, Pod, PodExpectation, Topology};
use crate::scenario::annotation::NETWORKS;
use crate::scenario::error::InputError;
use crate::source::Source;

/// Refuses two scenarios of one name: reports, evidence folders and test names go by it.
pub fn same_names(plans: &[Plan]) -> Vec<InputError> {
    let mut errors = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        if let Some(first) = plans[..index].iter().find(|other| other.name == plan.name) {
            let message = format!("scenario `{}` is defined twice; first in {}", plan.name, first.file);
            let source = Source { file: plan.file.clone(), line: 0, column: 0 };
            errors.push(InputError::new(source, "metadata.name", message));
        }
    }
    errors
}

impl Load<'_> {
    /// What must hold between the objects: names are unique, and every network that a pod names is there.
    pub(super) fn relations(&mut self, networks: &[Network], pods: &[Pod], topology: &Topology, entries: usize) {
        for (index, network) in networks.iter().enumerate() {
            let is_same = |other: &Network| other.name == network.name && other.namespace == network.namespace;
            if networks[..index].iter().any(is_same) {
                let message = format!("network `{}` is defined twice", network.name);
                self.fail_at(&network.source, "metadata.name", message);
            }
        }
        for (index, pod) in pods.iter().enumerate() {
            if pods[..index].iter().any(|other| other.name == pod.name) {
                self.fail_at(&pod.source, "metadata.name", format!("pod `{}` is defined twice", pod.name));
            }
        }
        for host in &topology.hosts {
            if let Some(pod) = pods.iter().find(|pod| pod.name == host.name) {
                let message = format!("host `{}` has the name of a pod, written in {}", host.name, pod.source);
                self.fail_at(&host.source, "topology", message);
            }
        }
        // Objects that could not be read are missing here; then their names can't be looked up.
        if !self.mistakes.errors.is_empty() && networks.len() + pods.len() < entries {
            return;
        }
        for (pod, attachment) in pods.iter().flat_map(|pod| pod.attachments.iter().map(move |found| (pod, found))) {
            let namespace = attachment.namespace.as_ref().or(pod.namespace.as_ref());
            let mut same_name = networks.iter().filter(|network| network.name == attachment.network).peekable();
            let elsewhere = same_name.peek().map(|network| match &network.namespace {
                Some(namespace) => format!("there is one in namespace `{namespace}`"),
                None => "there is one without a namespace; say the same in both".to_owned(),
            });
            if same_name.any(|network| network.namespace.as_ref() == namespace) {
                continue;
            }
            let namespace = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
            let whole = format!("{namespace}{}", attachment.network);
            let message = format!("pod `{}` names network `{whole}`, which this scenario does not have", pod.name);
            let error = InputError::new(pod.source.clone(), format!("metadata.annotations[{NETWORKS}]"), message);
            self.mistakes.errors.push(match elsewhere {
                Some(help) => error.help(help),
                None => error
                    .suggest(&attachment.network, networks.iter().map(|network| network.name.as_str()))
                    .or_help(|| "add it under `networks`; where it is there already, as `existing: NAME`".to_owned()),
            });
        }
    }

    /// A pod's expectations are in one place: under its own name, or under the name of which it is a copy.
    pub(super) fn once(&mut self, expect: &[PodExpectation]) {
        for (index, wanted) in expect.iter().enumerate() {
            if let Some(first) = expect[..index].iter().find(|other| other.pod == wanted.pod) {
                let (pod, line) = (&wanted.pod, first.source.line);
                let message = format!("pod `{pod}` has its expectations in line {line} already");
                self.fail_at(&wanted.source, &format!("expect.{pod}"), message);
            }
        }
    }
}
