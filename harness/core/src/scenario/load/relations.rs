//! What must hold between the objects of a scenario, and between scenarios.

use super::Load;
use crate::plan::{Network, Plan, Pod, PodExpectation, Topology};
use crate::scenario::annotation::NETWORKS;
use crate::scenario::error::{InputError, did_you_mean};
use crate::source::Source;

/// Refuses two scenarios of one name: reports, evidence folders and test names go by it.
#[must_use]
pub fn same_names(plans: &[Plan]) -> Vec<InputError> {
    let mut errors = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        if let Some(first) = plans[..index].iter().find(|other| other.name == plan.name) {
            let message = format!("scenario `{}` is defined twice; first in {}", plan.name, first.file);
            errors.push(InputError::new(
                Source { file: plan.file.clone(), line: 0, column: 0 },
                "metadata.name",
                message,
            ));
        }
    }
    errors
}

impl Load<'_> {
    /// What must hold between the objects: names are unique, and every network that a pod names is there.
    pub(super) fn relations(&mut self, networks: &[Network], pods: &[Pod], topology: &Topology, entries: usize) {
        for (index, network) in networks.iter().enumerate() {
            if networks[..index].iter().any(|other| other.name == network.name && other.namespace == network.namespace)
            {
                let message = format!("network `{}` is defined twice", network.name);
                self.errors.push(InputError::new(network.source.clone(), "metadata.name", message));
            }
        }
        for (index, pod) in pods.iter().enumerate() {
            if pods[..index].iter().any(|other| other.name == pod.name) {
                self.errors.push(InputError::new(
                    pod.source.clone(),
                    "metadata.name",
                    format!("pod `{}` is defined twice", pod.name),
                ));
            }
        }
        for host in &topology.hosts {
            if let Some(pod) = pods.iter().find(|pod| pod.name == host.name) {
                let message = format!("host `{}` has the name of a pod, written in {}", host.name, pod.source);
                self.errors.push(InputError::new(host.source.clone(), "topology", message));
            }
        }
        // Objects that could not be read are missing here; then their names can't be looked up.
        if !self.errors.is_empty() && networks.len() + pods.len() < entries {
            return;
        }
        for pod in pods {
            for attachment in &pod.attachments {
                let namespace = attachment.namespace.as_ref().or(pod.namespace.as_ref());
                if networks
                    .iter()
                    .any(|network| network.name == attachment.network && network.namespace.as_ref() == namespace)
                {
                    continue;
                }
                let field = format!("metadata.annotations[{}]", NETWORKS);
                let whole = namespace.map_or_else(
                    || attachment.network.clone(),
                    |namespace| format!("{namespace}/{}", attachment.network),
                );
                let error = InputError::new(
                    pod.source.clone(),
                    field,
                    format!("pod `{}` names network `{whole}`, which this scenario does not have", pod.name),
                );
                let elsewhere = networks.iter().find(|network| network.name == attachment.network);
                self.errors.push(match elsewhere {
                    Some(network) => error.help(match &network.namespace {
                        Some(namespace) => format!("there is one in namespace `{namespace}`"),
                        None => "there is one without a namespace; say the same in both".to_owned(),
                    }),
                    None => {
                        match did_you_mean(&attachment.network, networks.iter().map(|network| network.name.as_str())) {
                            Some(near) => error.help(format!("did you mean `{near}`?")),
                            None => {
                                error.help("add it under `networks`; where it is there already, as `existing: NAME`")
                            }
                        }
                    }
                });
            }
        }
    }

    /// A pod's expectations stand in one place: by its own name, or by that of which it is a copy.
    pub(super) fn once(&mut self, expect: &[PodExpectation]) {
        for (index, wanted) in expect.iter().enumerate() {
            if let Some(first) = expect[..index].iter().find(|other| other.pod == wanted.pod) {
                let message =
                    format!("pod `{}` has its expectations in line {} already", wanted.pod, first.source.line);
                self.errors.push(InputError::new(wanted.source.clone(), format!("expect.{}", wanted.pod), message));
            }
        }
    }
}
