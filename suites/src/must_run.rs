//! `must-run.yaml`: the test binaries, what each needs, how many of its tests must pass, and which lacks may skip one.

use anyhow::Context as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MustRun {
    /// Capabilities that may be absent, by host kind. A scenario that requires one of them may be skipped.
    pub may_lack: BTreeMap<HostKind, Vec<String>>,
    /// The cluster profiles whose tests `make test` runs first, with those that need no cluster.
    pub first_profiles: Vec<String>,
    /// The test binaries.
    pub binaries: BTreeMap<String, Binary>,
}

/// One test binary.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binary {
    /// The lane that is opened before its tests.
    pub lane: String,
    /// The cluster profile; none for the one that the lane chooses, or that PLUMBLINE_PROFILE names.
    #[serde(default)]
    pub profile: Option<String>,
    /// Whether it makes its own cluster, so that none is brought up before.
    #[serde(default)]
    pub own_cluster: bool,
    /// Whether its tests are scenarios, so that the capability file must have what its lane offers.
    #[serde(default)]
    pub scenarios: bool,
    /// How many tests must have passed at least.
    pub least: Least,
}

/// A number of tests: one for all hosts, or one for each host kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Least {
    /// For all hosts.
    All(usize),
    /// By host kind.
    By(BTreeMap<HostKind, usize>),
}

/// A kind of host, by the modules of its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostKind {
    /// A runner that GitHub hosts: its kernel has every module.
    Github,
    /// Every other host.
    Any,
}

impl HostKind {
    /// The kind of this host.
    pub fn detect() -> Self {
        let hosted = std::env::var("RUNNER_ENVIRONMENT").is_ok_and(|value| value == "github-hosted");
        if hosted { Self::Github } else { Self::Any }
    }
}

impl Binary {
    /// How many tests must have passed on this kind of host.
    pub fn least(&self, host: HostKind) -> usize {
        match &self.least {
            Least::All(count) => *count,
            Least::By(counts) => counts.get(&host).copied().unwrap_or(0),
        }
    }
}

impl MustRun {
    /// Reads the file below the project's folder.
    ///
    /// # Errors
    /// When it is missing or invalid.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let path = root.join("suites/must-run.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_yaml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
    }

    /// Whether `make test` runs a binary first, by nextest profile `ci`; by `ci-kind` otherwise.
    pub fn is_first(&self, binary: &Binary) -> bool {
        binary.lane != "kind" || binary.profile.as_ref().is_some_and(|profile| self.first_profiles.contains(profile))
    }

    /// The binaries that a nextest profile of `.config/nextest.toml` runs: `ci` and then `ci-kind` all of them, `default`,
    /// `vm` and `kind` those of a lane, and `kind-NAME` those of one cluster profile. The binaries without a profile run on each cluster profile
    /// that has none of its own.
    pub fn select(&self, nextest_profile: &str) -> Vec<String> {
        let cluster = nextest_profile.strip_prefix("kind-");
        let has_own = cluster.is_some_and(|name| self.binaries.values().any(|b| b.profile.as_deref() == Some(name)));
        let runs = |binary: &&Binary| match (nextest_profile, cluster) {
            (_, Some(name)) if has_own => binary.profile.as_deref() == Some(name),
            (_, Some(_)) => binary.lane == "kind" && binary.profile.is_none(),
            ("ci", _) => self.is_first(binary),
            ("ci-kind", _) => !self.is_first(binary),
            ("default", _) => binary.lane == "netns",
            (lane, _) => binary.lane == lane,
        };
        self.binaries.iter().filter(|(_, binary)| runs(binary)).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::MustRun;
    use plumbline::root;

    #[test]
    fn a_cluster_profile_selects_its_own_binaries_or_those_without_a_profile() -> anyhow::Result<()> {
        let list = MustRun::read(&root::find()?)?;
        assert_eq!(list.select("kind-terway"), ["terway_chain_kind", "terway_kind"]);
        assert_eq!(list.select("kind-three-nodes"), ["leases_kind", "three_nodes_kind"]);
        assert_eq!(list.select("kind-hermetic"), list.select("kind-upstream"));
        assert!(list.select("kind-hermetic").contains(&"kind".to_owned()));
        assert_eq!(list.select("ci").len() + list.select("ci-kind").len(), list.binaries.len());
        assert!(list.select("ci").contains(&"terway_kind".to_owned()));
        let lanes: usize = ["default", "vm", "kind"].iter().map(|profile| list.select(profile).len()).sum();
        assert_eq!(lanes, list.binaries.len());
        Ok(())
    }

    #[test]
    fn every_test_binary_is_listed() -> anyhow::Result<()> {
        let root = root::find()?;
        let list = MustRun::read(&root)?;
        for entry in std::fs::read_dir(root.join("suites/tests"))? {
            let path = entry?.path();
            let is_binary = path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").is_file();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            assert!(!is_binary || list.binaries.contains_key(&name), "suites/must-run.yaml does not list {name}");
        }
        Ok(())
    }
}
