//! Rules about configurations: what plugins ignore, refuse or turn into something else, without a run.
//!
//! The lint (`plumbline lint`), the judge (`plumbline run`) and the lint of Terway's chain apply the same rules. A rule
//! reads networks and pods of the plan and gives findings.

use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The releases that rules assume, by plugin (`macvlan`) or source (`plugins`, `whereabouts`, `multus`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Releases(BTreeMap<String, String>);

/// A text that is no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no release such as v1.9.1")]
pub struct UnknownRelease(pub String);

impl Releases {
    /// Sets the release of a plugin or of a source.
    ///
    /// # Errors
    /// If the text is no release.
    pub fn set(&mut self, name: &str, release: &str) -> Result<(), UnknownRelease> {
        let numbers = release.trim_start_matches('v').split('.');
        if numbers.clone().count() < 2 || numbers.clone().any(|number| number.parse::<u32>().is_err()) {
            return Err(UnknownRelease(release.to_owned()));
        }
        self.0.insert(name.to_owned(), release.to_owned());
        Ok(())
    }
}

/// What is known of a cluster; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Ranges of pods, services and nodes.
    pub ranges: Vec<IpNet>,
    /// MTU of the nodes' interfaces, by name.
    pub mtus: BTreeMap<String, u32>,
    /// Lines of `/etc/cni/tuning/allowlist.conf`; none where the file is absent or not known.
    pub tuning_allow_list: Option<Vec<String>>,
    /// Plugins on the nodes; none where they are not known.
    pub plugins: Option<BTreeSet<String>>,
    /// Whether the texts hold every network of the cluster, or of the namespaces read: a network that is not among
    /// them does not exist.
    pub has_all_networks: bool,
    /// Whether OpenShift's admission webhook checks names of networks.
    pub is_openshift: bool,
}
