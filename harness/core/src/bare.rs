//! Plans of users' files without a scenario file: networks, pods and workloads as they would be applied.
//!
//! ```text
//! texts -> objects -> groups -> topology, needs -> Plan
//! ```
//! Nothing is expected in words: what a run must show follows from the configuration ([`crate::predict`]) and from what the
//! pods request. Pods that share a network are one plan; a network that no pod requests has a plan with a pod of its own.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `kind`: what a text holds, a scenario or users' objects
//! 2. `adaptation`: what a pod needs and the test does not
//! 3. `objects`: networks, pods and workloads of the texts
//! 4. `groups`: which of them belong together, and pods for networks without one
//! 5. `needs`: plugins and capabilities
//! 6. `topology`: what a node must have for them
//! 7. `cluster`: what is refused on a cluster's nodes

mod adaptation;
mod cluster;
mod groups;
mod kind;
mod needs;
mod objects;
mod topology;

pub use cluster::in_system_namespaces;
pub use kind::{TextKind, kind_of};

use crate::lint::InputFile;
use crate::plan::{Plan, Pod};
use crate::scenario::InputError;
use groups::Group;
use std::collections::{BTreeMap, BTreeSet};

/// Whose nodes a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// The plan's own: what its networks need is built on them.
    Own,
    /// A cluster's: only links beside its own are made on them.
    Cluster,
}

/// What to make plans of.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Names of pods and workloads; empty for all.
    pub pods: Vec<String>,
    /// Names of networks; empty for all.
    pub networks: Vec<String>,
    /// The files as the user named them: a report shows how to run them again.
    pub arguments: String,
}

/// What texts come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BareRun {
    /// The plans, in the order of their first object.
    pub plans: Vec<Plan>,
    /// How many objects a run has no use for, by what they are.
    pub passed_over: BTreeMap<String, usize>,
    /// Files of folders and archives that belong to other programs, and why.
    pub skipped: Vec<InputError>,
}

/// Makes plans of users' texts.
///
/// # Errors
/// Every mistake found, each with its place: texts that cannot be read, pods that request what is not there, names of a
/// selection that nothing has, and on a cluster's nodes what would harm it.
pub fn make_plans(files: &[InputFile], selection: &Selection, nodes: Nodes) -> Result<BareRun, Vec<InputError>> {
    let objects = objects::read(files)?;
    let groups = groups::make(&objects, selection)?;
    let refused: Vec<InputError> = match nodes {
        Nodes::Own => Vec::new(),
        Nodes::Cluster => groups.iter().flat_map(|group| &group.networks).flat_map(cluster::refuse).collect(),
    };
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut names = BTreeSet::new();
    let plans = groups.into_iter().map(|group| plan(group, selection, nodes, &mut names)).collect();
    Ok(BareRun { plans, passed_over: objects.passed_over, skipped: objects.skipped })
}

fn plan(group: Group, selection: &Selection, nodes: Nodes, names: &mut BTreeSet<String>) -> Plan {
    let Group { name, networks, pods, workloads, mut assumed, adaptations, .. } = group;
    let built = topology::build(&networks, nodes);
    assumed.extend(built.assumed);
    let mut requires = needs::capabilities(&networks, &pods);
    requires.extend(built.requires);
    Plan {
        summary: summary(networks.len(), &pods),
        name: free_name(&name, names),
        file: selection.arguments.clone(),
        requires: requires.into_iter().map(str::to_owned).collect(),
        topology: built.topology,
        plugins: needs::plugins(&networks),
        unmet: needs::unmet(&networks, &pods, nodes),
        networks,
        pods,
        workloads,
        assumed,
        adaptations,
        ..Plan::default()
    }
}

fn summary(networks: usize, pods: &[Pod]) -> String {
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    format!("{} and {} without a scenario file", count(pods.len(), "pod"), count(networks, "network"))
}

/// A name that no other plan has: reports and evidence go by it.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let name: String = name.replace('.', "-").chars().take(100).collect();
    let candidate = |number: usize| if number == 1 { name.clone() } else { format!("{name}-{number}") };
    let free = (1..).map(candidate).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}
