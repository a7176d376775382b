//! What a build resolved: written beside its result in the cache, and compared with the lock file.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The file's name.
const NAME: &str = ".record.json";

/// What went into one cache entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `recipe/step` or the recipe's name for an image.
    pub what: String,
    /// Version or reference, for people.
    #[serde(default)]
    pub version: String,
    /// The compiler that made it, where there was one.
    #[serde(default)]
    pub tool: String,
    /// Go modules whose hashes no other file of a pinned module vouches for.
    #[serde(default)]
    pub modules: Vec<Module>,
    /// Debian packages.
    #[serde(default)]
    pub packages: Vec<Package>,
}

/// A Go module as resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Module path.
    pub module: String,
    /// Version, with its `v`.
    pub version: String,
    /// Hash of its content, `h1:` as in go.sum.
    pub sum: String,
}

/// A Debian package as resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the package file, as the signed index gives it.
    pub sha256: String,
}

/// Whether a file in a cache entry is the builder's own record.
pub(super) fn is_record(name: &str) -> bool {
    name == NAME
}

impl Record {
    /// Writes it into an entry's folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("failed to write {}", path.display()))
    }

    /// Reads it from an entry's folder.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("failed to read {}", path.display()))
    }
}
