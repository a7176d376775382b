//! The lanes, and the providers of a cluster's default network. Command, loader, tests and CI get the lanes from here.

use plumbline_cluster::ClusterUndo;
use plumbline_cluster::cluster::Providers;
use plumbline_cluster::record;
use plumbline_kube::undo::KubeUndo;
use plumbline_lanes::kind::KindLane;
use plumbline_lanes::lane::Lane;
use plumbline_lanes::netns::NetnsLane;
use plumbline_lanes::vm::VmLane;
use plumbline_terway::{ChainUndo, Terway};
use plumbline_testbed::journal::Undo;
use std::path::Path;

/// The default lane of `plumbline run`.
pub const DEFAULT_LANE: &str = "netns";
/// The default lane of `plumbline up`: the one that takes long to make ready.
pub const DEFAULT_UP_LANE: &str = "kind";

/// The products that may make a cluster's default network, beside the project's own configuration.
pub const PROVIDERS: Providers = &[&Terway];

/// Every lane, in the order of `make run`.
pub const LANES: &[&dyn Lane] = &[&NetnsLane, &VmLane, &KindLane { providers: PROVIDERS }];

/// What undoes the side effects of lanes, clusters and chain changes, for the end of a run and for `gc`.
pub const UNDOERS: &[&dyn Undo] = &[&KubeUndo, &ClusterUndo, &ChainUndo];

/// The names of all lanes, in that order.
pub fn names() -> Vec<&'static str> {
    LANES.iter().map(|lane| lane.name()).collect()
}

/// A lane by its name.
pub fn find(name: &str) -> Option<&'static dyn Lane> {
    LANES.iter().copied().find(|lane| lane.name() == name)
}

/// Whether a lane runs on clusters of a profile.
pub fn has_profiles(name: &str) -> bool {
    find(name).is_some_and(|lane| !lane.default_profiles().is_empty())
}

/// Whether a lane has this profile, or a cluster has it that another checkout brought up.
pub fn has_profile(root: &Path, profile: &str) -> bool {
    let is_named = |lane: &&'static dyn Lane| lane.named_profiles(root).iter().any(|named| named == profile);
    LANES.iter().any(|lane| lane.default_profiles().contains(&profile) || is_named(lane))
        || record::list_records().is_ok_and(|records| records.iter().any(|record| record.profile == profile))
}

/// Whether a lane may choose this profile where none is named.
pub fn is_default_profile(lane: &str, profile: &str) -> bool {
    find(lane).is_some_and(|lane| lane.default_profiles().contains(&profile))
}

/// The test binary of a lane, or of a profile that is only used when it is named: `kind`, `three_nodes_kind`. What a lane
/// offers is noted under this name.
pub fn test_binary(lane: &str, named_profile: Option<&str>) -> String {
    named_profile.map_or_else(|| lane.to_owned(), |profile| format!("{}_{lane}", profile.replace('-', "_")))
}

/// Each lane with each cluster that its tests need: the lane's own choice of a profile (none), then every named one.
pub fn test_matrix(root: &Path) -> Vec<(&'static str, Option<String>)> {
    let of_lane = |lane: &&'static dyn Lane| {
        let profiles = std::iter::once(None).chain(lane.named_profiles(root).into_iter().map(Some));
        let name = lane.name();
        profiles.map(move |profile| (name, profile))
    };
    LANES.iter().flat_map(of_lane).collect()
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
