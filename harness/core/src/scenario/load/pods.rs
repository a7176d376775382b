//! The pods of a scenario: one by one, many from one template or manifest, or those of workloads.

use super::Load;
use crate::plan::{Pod, Topology, Workload};
use crate::scenario::file::Entry;
use crate::scenario::forms::MAX_COPIES;
use crate::scenario::objects::PodGroup;
use crate::scenario::strict::Located;
use crate::scenario::{names, objects};

/// The pods of one entry.
#[derive(Debug, Default)]
pub(super) struct EntryPods {
    pub pods: Vec<Pod>,
    /// Those that one name stands for.
    pub groups: Vec<PodGroup>,
    pub workloads: Vec<Workload>,
}

impl EntryPods {
    pub fn extend(&mut self, other: Self) {
        self.pods.extend(other.pods);
        self.groups.extend(other.groups);
        self.workloads.extend(other.workloads);
    }
}

impl Load<'_> {
    /// The pods of an entry, which of them belong together, and their workloads.
    pub(super) fn pods(&mut self, entry: &Located<Entry>, topology: &Topology) -> EntryPods {
        if let Some(existing) = &entry.value.existing {
            self.mistakes.fail(existing, "a pod is always made by its scenario");
            return EntryPods::default();
        }
        // A wrong number of nodes is refused elsewhere, and read as a very large one.
        let nodes = if topology.nodes == usize::MAX { 1 } else { topology.nodes };
        let mut found = EntryPods::default();
        for mut object in self.objects(entry, "Pod", |object| objects::pods(object, nodes)) {
            self.place(&mut object.pods, &entry.value, topology);
            found.extend(match object.workload {
                Some(workload) => self.replicas(object.pods, workload, &entry.value),
                None => self.copies(object.pods, &entry.value),
            });
        }
        found
    }

    /// Puts pods on the node that the entry says.
    fn place(&mut self, pods: &mut [Pod], entry: &Entry, topology: &Topology) {
        let Some(node) = &entry.node else { return };
        match usize::try_from(node.value).ok().filter(|node| (1..=topology.nodes).contains(node)) {
            _ if pods.iter().any(|pod| pod.node.is_some()) => {
                self.mistakes.fail(node, "does not go with a DaemonSet, which has a pod on each node");
            }
            Some(node) => pods.iter_mut().for_each(|pod| pod.node = Some(node)),
            None => {
                let message = format!("node {}; this topology has nodes 1 to {}", node.value, topology.nodes);
                self.mistakes.fail(node, message);
            }
        }
    }

    fn replicas(&mut self, pods: Vec<Pod>, workload: Workload, entry: &Entry) -> EntryPods {
        if let Some(copies) = &entry.copies {
            let message = format!("does not go with a {}, which says itself how many pods it has", workload.kind);
            self.mistakes.fail(copies, message);
        }
        let group = PodGroup { of: workload.name.clone(), names: workload.pods.clone() };
        EntryPods { pods, groups: vec![group], workloads: vec![workload] }
    }

    fn copies(&mut self, pods: Vec<Pod>, entry: &Entry) -> EntryPods {
        let Some(copies) = &entry.copies else { return EntryPods { pods, ..EntryPods::default() } };
        if !(1..=MAX_COPIES).contains(&copies.value) {
            self.mistakes.fail(copies, format!("{} copies; 1 to {MAX_COPIES} are made", copies.value));
            return EntryPods { pods, ..EntryPods::default() };
        }
        let mut found = EntryPods::default();
        for pod in pods {
            let made: Vec<Pod> = (1..=copies.value).map(|number| copy(&pod, number)).collect();
            if let Some(Err(message)) = made.last().map(|last| names::label(&last.name)) {
                self.mistakes.fail(copies, format!("the last copy has {message}"));
            }
            found.groups.push(PodGroup { of: pod.name, names: made.iter().map(|pod| pod.name.clone()).collect() });
            found.pods.extend(made);
        }
        found
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
