//! The list of lanes, and of products that make a cluster's default network. The command, the loader, tests and CI ask it for all that they know of lanes.

use plumbline_cluster::ClusterUndo;
use plumbline_cluster::provider::Providers;
use plumbline_kube::undo::KubeUndo;
use plumbline_lanes::kind::KindLane;
use plumbline_lanes::lane::Lane;
use plumbline_lanes::netns::NetnsLane;
use plumbline_lanes::vm::VmLane;
use plumbline_terway::{ChainUndo, Terway};
use plumbline_testbed::journal::Undo;
use std::path::Path;

/// The lane of `plumbline run` where none is named.
pub const DEFAULT_LANE: &str = "netns";
/// The lane of `plumbline up` where none is named: the one that takes long to make ready.
pub const DEFAULT_UP_LANE: &str = "kind";

/// The products that may make the default network of a cluster, beside this project's own configuration.
pub const PROVIDERS: Providers = &[&Terway];

/// Every lane there is, in the order in which `make run` shows them.
#[must_use]
pub fn lanes() -> Vec<Box<dyn Lane>> {
    vec![Box::new(NetnsLane), Box::new(VmLane), Box::new(KindLane { providers: PROVIDERS })]
}

/// The names of all lanes, in that order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    lanes().iter().map(|lane| lane.name()).collect()
}

/// A lane by its name.
#[must_use]
pub fn find(name: &str) -> Option<Box<dyn Lane>> {
    lanes().into_iter().find(|lane| lane.name() == name)
}

/// Whether a lane runs on clusters of a profile.
#[must_use]
pub fn has_profiles(name: &str) -> bool {
    find(name).is_some_and(|lane| !lane.default_profiles().is_empty())
}

/// Whether a lane may choose this profile where none is named.
#[must_use]
pub fn is_default_profile(lane: &str, profile: &str) -> bool {
    find(lane).is_some_and(|lane| lane.default_profiles().contains(&profile))
}

/// The test binary of a lane, or of a profile that is only used when it is named: `kind`, `three_nodes_kind`. What a lane
/// offers is noted under this name.
#[must_use]
pub fn test_binary(lane: &str, named_profile: Option<&str>) -> String {
    named_profile.map_or_else(|| lane.to_owned(), |profile| format!("{}_{lane}", profile.replace('-', "_")))
}

/// Each lane with each cluster that its tests need: the lane's own choice of a profile (none), then every named one.
#[must_use]
pub fn test_matrix(root: &Path) -> Vec<(&'static str, Option<String>)> {
    let of_lane = |lane: Box<dyn Lane>| {
        let profiles = std::iter::once(None).chain(lane.named_profiles(root).into_iter().map(Some));
        profiles.map(|profile| (lane.name(), profile)).collect::<Vec<_>>()
    };
    lanes().into_iter().flat_map(of_lane).collect()
}

/// What undoes the side effects of lanes, clusters and chain changes, for the end of a run and for `gc`.
#[must_use]
pub fn undoers() -> Vec<Box<dyn Undo>> {
    vec![Box::new(KubeUndo), Box::new(ClusterUndo), Box::new(ChainUndo)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::plan::LANES;
    use std::collections::BTreeSet;

    #[test]
    fn scenario_files_may_name_every_lane_and_no_other() {
        assert_eq!(BTreeSet::from(LANES), names().into_iter().collect());
    }

    #[test]
    fn every_named_profile_has_a_test_binary_of_its_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let matrix = test_matrix(&root);
        let names: Vec<String> = matrix.iter().map(|(lane, profile)| test_binary(lane, profile.as_deref())).collect();
        assert!(names.contains(&"netns".to_owned()) && names.contains(&"three_nodes_kind".to_owned()), "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }
}
