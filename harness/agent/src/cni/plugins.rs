//! The plugins of a private node.

use std::collections::BTreeSet;

/// The node's `CNI_PATH`: one folder with a link for each plugin.
pub const FOLDER: &str = "/opt/cni/bin";

/// What the node was given.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    /// Names, as linked into [`FOLDER`].
    pub names: BTreeSet<String>,
    /// The host's paths they were taken from, in the order of search.
    pub sources: Vec<String>,
}

impl Plugins {
    /// The path of a plugin; none when no folder had it. Links whose far end is gone count as not there.
    #[must_use]
    pub fn path(&self, plugin: &str) -> Option<String> {
        let path = format!("{FOLDER}/{plugin}");
        std::path::Path::new(&path).exists().then_some(path)
    }

    /// The search path in words, with the host's folders, since those are what a user can mend.
    #[must_use]
    pub fn searched(&self) -> String {
        match self.sources.is_empty() {
            true => format!("{FOLDER}, which was given no plugins at all"),
            false => format!("{FOLDER}, filled from {}", self.sources.join(", ")),
        }
    }
}
