//! The pods of a scenario: one by one, or many from one template or manifest.

use super::Load;
use crate::plan::{Pod, Topology};
use crate::scenario::file::Entry;
use crate::scenario::strict::At;
use crate::scenario::{names, objects};

/// Most copies of one pod: a node takes about as many (kubelet's `maxPods` is 110).
const MAX_COPIES: i64 = 100;

/// Pods made from one object: the name written, and the names of the copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct Copies {
    /// The name in the manifest or template.
    pub of: String,
    /// `NAME-1` and so on.
    pub names: Vec<String>,
}

impl Load<'_> {
    /// The pods of an entry, and which of them are copies of one.
    pub(super) fn pods(&mut self, entry: &At<Entry>, field: &str, topology: &Topology) -> (Vec<Pod>, Vec<Copies>) {
        if let Some(existing) = &entry.value.existing {
            self.fail(existing, &format!("{field}.existing"), "a pod is always made by its scenario");
            return (Vec::new(), Vec::new());
        }
        let mut pods = self.objects(entry, field, "Pod", objects::pod);
        if let Some(node) = &entry.value.node {
            match usize::try_from(node.value).ok().filter(|node| (1..=topology.nodes).contains(node)) {
                Some(node) => pods.iter_mut().for_each(|pod| pod.node = Some(node)),
                None => {
                    let message = format!("node {}; this topology has nodes 1 to {}", node.value, topology.nodes);
                    self.fail(node, &format!("{field}.node"), message);
                }
            }
        }
        let Some(copies) = &entry.value.copies else {
            return (pods, Vec::new());
        };
        let field = format!("{field}.copies");
        if !(1..=MAX_COPIES).contains(&copies.value) {
            self.fail(copies, &field, format!("{} copies; 1 to {MAX_COPIES} are made", copies.value));
            return (pods, Vec::new());
        }
        let mut all = Vec::new();
        let mut groups = Vec::new();
        for pod in pods {
            let made: Vec<Pod> = (1..=copies.value).map(|number| copy(&pod, number)).collect();
            if let Some(Err(message)) = made.last().map(|last| names::label(&last.name)) {
                self.fail(copies, &field, format!("the last copy has {message}"));
            }
            groups.push(Copies { of: pod.name, names: made.iter().map(|pod| pod.name.clone()).collect() });
            all.extend(made);
        }
        (all, groups)
    }
}

/// The same pod under the name `NAME-NUMBER`.
fn copy(pod: &Pod, number: i64) -> Pod {
    let mut copy = pod.clone();
    copy.name = format!("{}-{number}", pod.name);
    if let Some(name) = copy.manifest.pointer_mut("/metadata/name") {
        *name = copy.name.clone().into();
    }
    copy
}
