//! What rules read beside a network: its use, the assumed releases, the cluster; and what pods request.

use crate::keys::{KeyTable, PluginKeys};
use crate::plan::{Attachment, Pod};
use crate::release::Release;
use crate::source::Source;
use crate::suggestion::suggest;
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The releases that rules assume, by plugin (`macvlan`) or source (`plugins`, `whereabouts`, `multus`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Releases(BTreeMap<String, Release>);

/// A release that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// The text is no release.
    #[error("`{0}` is no release such as v1.9.1")]
    NoRelease(String),
    /// No plugin and no source of keys has this name.
    #[error("`{name}` is neither a plugin nor a source of plugins whose keys are known; {help}")]
    UnknownName {
        /// The name.
        name: String,
        /// A name that is near, or the sources.
        help: String,
    },
}

impl Releases {
    /// Sets the release of a plugin or of a source.
    ///
    /// # Errors
    /// If the text is no release, or the name is not known.
    pub fn set(&mut self, name: &str, release: &str) -> Result<(), ReleaseError> {
        let table = KeyTable::embedded();
        let sources = || table.sources().iter().map(|source| source.name.as_str());
        let plugins = || table.plugins().iter().map(|plugin| plugin.name.as_str());
        if !sources().chain(plugins()).any(|known| known == name) {
            let near = suggest(name, sources().chain(plugins()));
            let help = near.unwrap_or_else(|| format!("sources: {}", sources().collect::<Vec<_>>().join(", ")));
            return Err(ReleaseError::UnknownName { name: name.to_owned(), help });
        }
        let release = release.parse().map_err(|_| ReleaseError::NoRelease(release.to_owned()))?;
        self.0.insert(name.to_owned(), release);
        Ok(())
    }

    /// A sentence for each release that was set and is older or newer than all whose keys were read.
    pub fn describe_unread(&self) -> Vec<String> {
        let table = KeyTable::embedded();
        let describe = |(name, release): (&String, &Release)| {
            let source = table.plugin(name).map_or(name, |plugin| &plugin.source);
            let releases = &table.source(source)?.releases;
            let (oldest, newest) = (releases.first()?, releases.last()?);
            match () {
                () if release < oldest => {
                    Some(format!("{name} {release}: keys are known from {oldest} on; what an older one reads is not"))
                }
                () if release > newest => {
                    Some(format!("{name} {release}: keys are known up to {newest}; what a newer one reads is not"))
                }
                () => None,
            }
        };
        self.0.iter().filter_map(describe).collect()
    }

    /// Sets the release of a plugin to that of its program, unless it has one already. `package` is the Go package of the
    /// program: one of another project than the plugin's keys come from has releases of its own. So has a project that
    /// counts by date, whose modules have other versions.
    pub fn set_built(&mut self, plugin: &str, package: &str, release: Release) {
        let table = KeyTable::embedded();
        let Some(source) = table.plugin(plugin).and_then(|keys| table.source(&keys.source)) else { return };
        let is_of_source = package.strip_prefix(&source.module).is_some_and(|rest| rest.starts_with('/'));
        let has_dates = source.newest().is_some_and(|newest| newest.major >= FIRST_YEAR);
        if is_of_source && !has_dates && !self.0.contains_key(&source.name) {
            self.0.entry(plugin.to_owned()).or_insert(release);
        }
    }

    /// The releases that were set.
    pub fn by_name(&self) -> &BTreeMap<String, Release> {
        &self.0
    }

    /// The release of a plugin: its own, else that of its source, else the one that Plumbline's lanes run.
    pub fn of(&self, plugin: &str, source: &str) -> Release {
        let set = self.0.get(plugin).or_else(|| self.0.get(source)).copied();
        let usual = || OF_LANES.iter().chain(&BESIDE).find(|(name, _)| *name == source).map(|(_, release)| *release);
        set.or_else(usual).unwrap_or(NEWEST)
    }

    /// What is assumed: each name with its release. All sources of keys are among them. Where all plugins of a
    /// source have one release, they stand as the source.
    pub fn assumed(&self) -> BTreeMap<&str, Release> {
        let set = self.0.iter().map(|(name, release)| (name.as_str(), *release));
        let mut assumed: BTreeMap<&str, Release> = OF_LANES.into_iter().chain(BESIDE).chain(set).collect();
        let table = KeyTable::embedded();
        for source in table.sources() {
            let of_source = || table.plugins().iter().filter(|plugin| plugin.source == source.name);
            let Some(release) = of_source().find_map(|plugin| self.0.get(&plugin.name)).copied() else { continue };
            let exists =
                |plugin: &PluginKeys| plugin.since <= release && plugin.until.is_none_or(|until| release < until);
            if of_source().filter(|plugin| exists(plugin)).all(|plugin| self.0.get(&plugin.name) == Some(&release)) {
                assumed.retain(|name, _| of_source().all(|plugin| plugin.name != *name));
                assumed.insert(&source.name, release);
            }
        }
        assumed
    }
}

impl From<BTreeMap<String, Release>> for Releases {
    fn from(by_name: BTreeMap<String, Release>) -> Self {
        Self(by_name)
    }
}

/// The releases that the lanes run (`images/pins.yaml`).
const OF_LANES: [(&str, Release); 4] = [
    ("plugins", Release::new(1, 9, 1)),
    ("whereabouts", Release::new(0, 9, 4)),
    ("multus", Release::new(4, 3, 0)),
    ("terway", Release::new(1, 17, 5)),
];

/// As [`OF_LANES`], of what no node says of itself: libcni within each of them, and route-override, which has no releases
/// but dates.
const BESIDE: [(&str, Release); 2] = [("cni", Release::new(1, 3, 1)), ("route-override", Release::new(2024, 6, 0))];

/// A release with a higher first number is a date.
const FIRST_YEAR: u32 = 2000;

/// Stands for the newest release of a source that has no numbered ones.
const NEWEST: Release = Release::new(u32::MAX, 0, 0);

/// What is known of a cluster; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Ranges of pods, services and nodes.
    pub ranges: Vec<IpNet>,
    /// MTU of the nodes' interfaces, by name.
    pub mtus: BTreeMap<String, u32>,
    /// Lines of `/etc/cni/tuning/allowlist.conf`; none where the file is absent or not known.
    pub tuning_allow_list: Option<Vec<String>>,
    /// Whether the texts hold every network of the cluster, or of the namespaces read: a network that is not among
    /// them does not exist.
    pub has_all_networks: bool,
    /// Whether some of the pods could not be read: a network that none requests can have one.
    pub has_unread_pods: bool,
    /// Whether OpenShift's admission webhook checks names of networks.
    pub is_openshift: bool,
}

/// What a network is used for, as far as rules depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A NetworkAttachmentDefinition that no run attaches.
    Lint,
    /// A NetworkAttachmentDefinition that objects can refer to, and on which nothing is reported.
    Reference,
    /// A NetworkAttachmentDefinition of a scenario, whose kernel state is judged too.
    Run,
    /// A NetworkAttachmentDefinition that replaces pods' default network.
    DefaultNetwork,
    /// A file of a node, such as the default network's.
    File,
    /// The default network's chain behind Terway.
    Terway,
}

/// What the rules of one network read beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// What the network is used for.
    pub network_use: Use,
    /// The releases assumed.
    pub releases: &'a Releases,
    /// What is known of the cluster.
    pub cluster: &'a ClusterFacts,
}

/// What one pod, or each pod of a workload, requests.
#[derive(Debug, Clone)]
pub(crate) struct PodRequests {
    /// `Pod`, or the kind of the workload.
    pub kind: String,
    /// Object name.
    pub name: String,
    /// How many pods there are of it.
    pub copies: u64,
    /// Whether no two of them are on one node (DaemonSet).
    pub is_one_per_node: bool,
    /// The attachments.
    pub attachments: Vec<Attachment>,
    /// Where the parts of the annotation were written: `0/ips/1` to its place.
    pub keys: BTreeMap<String, Source>,
    /// Where the annotation, or the object, was written.
    pub source: Source,
}

impl PodRequests {
    /// The place of a part of the annotation, or of the nearest part above it that has one.
    pub fn place(&self, path: &str) -> &Source {
        let mut path = path;
        loop {
            match (self.keys.get(path), path.rfind('/')) {
                (Some(source), _) => return source,
                (None, Some(end)) => path = &path[..end],
                (None, None) => return &self.source,
            }
        }
    }

    /// The object, for messages.
    pub fn describe(&self) -> String {
        format!("{} {}", self.kind.to_lowercase(), self.name)
    }
}

impl From<&Pod> for PodRequests {
    fn from(pod: &Pod) -> Self {
        Self {
            kind: "Pod".to_owned(),
            name: pod.name.clone(),
            copies: 1,
            is_one_per_node: false,
            attachments: pod.attachments.clone(),
            keys: BTreeMap::new(),
            source: pod.source.clone(),
        }
    }
}
