//! `images/lock.yaml`: versions and hashes of the resolved pins; and the record of a build's resolved versions, which is
//! written beside its result in the cache and compared with the lock.
//!
//! A Go module whose hash differs from the lock is refused. A Debian package with another version is reported and recorded,
//! because mirrors drop old packages, and a refusal would break every build some weeks after a release.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::pins::Arch;
use crate::build_error::{Context as _, Result, refuse};
use crate::document::{self, API_VERSION};

/// The comment above the file's content.
const COMMENT: &str = "Versions and hashes of what images/pins.yaml resolved to. Written by: plumbline images build --update-lock\n\
    modules: GoStep modules whose hashes no go.sum of a module listed here vouches for. packages: DebianStep packages by step.";

/// The file in a cache entry with its record.
const RECORD: &str = ".record.json";

/// The inputs of one cache entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// `recipe/step` or the recipe's name for an image.
    pub what: String,
    /// Version or reference, for display.
    #[serde(default)]
    pub version: String,
    /// The compiler, if any.
    #[serde(default)]
    pub tool: String,
    /// Go modules whose hashes no go.sum of a pinned module covers.
    #[serde(default)]
    pub modules: Vec<Module>,
    /// Debian packages.
    #[serde(default)]
    pub packages: Vec<Package>,
}

/// A resolved Go module.
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

/// A resolved Debian package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the package file, from the signed index.
    pub sha256: String,
}

/// Whether a file in a cache entry is the builder's own record.
pub(super) fn is_record(name: &str) -> bool {
    name == RECORD
}

impl BuildRecord {
    /// Writes it into an entry's folder.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(RECORD);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("failed to write {}", path.display()))
    }

    /// Reads it from an entry's folder.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        let bytes = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("failed to read {}", path.display()))
    }
}

/// The lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lock {
    api_version: String,
    kind: String,
    /// Go modules; they are the same on every architecture.
    pub modules: Vec<Module>,
    /// Debian packages, by architecture and `recipe/step`.
    pub packages: BTreeMap<Arch, BTreeMap<String, Vec<Package>>>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { api_version: API_VERSION.into(), kind: "Lock".into(), modules: vec![], packages: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads the file; a missing file is an empty lock.
    ///
    /// # Errors
    /// With file, line and column if it can't be parsed.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let lock: Self = document::read(path)?;
        document::check(path, (&lock.api_version, &lock.kind), "Lock")?;
        Ok(lock)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        document::write(path, COMMENT, self)
    }

    /// The hash of a module, if it is locked.
    pub fn sum(&self, module: &str, version: &str) -> Option<&str> {
        let found = self.modules.iter().find(|known| known.module == module && known.version == version);
        found.map(|known| known.sum.as_str())
    }

    /// Refuses modules that are not locked with exactly these hashes.
    ///
    /// # Errors
    /// With every module that differs or is missing.
    pub fn check_modules(&self, modules: &[Module]) -> Result<()> {
        let mut wrong = Vec::new();
        for found in modules {
            match self.sum(&found.module, &found.version) {
                Some(sum) if sum == found.sum => {}
                Some(sum) => {
                    wrong.push(format!("{} {} has {}, locked is {sum}", found.module, found.version, found.sum))
                }
                None => wrong.push(format!("{} {} is not locked (has {})", found.module, found.version, found.sum)),
            }
        }
        if !wrong.is_empty() {
            refuse!(
                "refused by images/lock.yaml: {}; if the change is meant, run: plumbline images build --update-lock",
                wrong.join("; ")
            );
        }
        Ok(())
    }

    /// The changes since the lock was written, one line for each package.
    pub fn moved_packages(&self, arch: Arch, what: &str, found: &[Package]) -> Vec<String> {
        let Some(locked) = self.packages.get(&arch).and_then(|steps| steps.get(what)) else {
            return vec![format!("{what}: no Debian packages are locked for {} yet", arch.name())];
        };
        let by_name = |list: &[Package]| {
            list.iter().map(|package| (package.name.clone(), package.clone())).collect::<BTreeMap<_, _>>()
        };
        let (old, new) = (by_name(locked), by_name(found));
        let mut lines = Vec::new();
        for (name, package) in &new {
            match old.get(name) {
                None => lines.push(format!("{what}: {name} {} is new", package.version)),
                Some(was) if was.version != package.version => {
                    lines.push(format!("{what}: {name} moved from {} to {}", was.version, package.version));
                }
                Some(was) if was.sha256 != package.sha256 => {
                    lines.push(format!(
                        "{what}: {name} {} has another hash than locked, under the same version",
                        package.version
                    ));
                }
                Some(_) => {}
            }
        }
        lines.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{what}: {name} is gone")));
        lines
    }

    /// Takes the versions from the records of builds; everything else stays.
    pub fn take(&mut self, arch: Arch, records: &[BuildRecord]) {
        for record in records {
            for module in &record.modules {
                self.modules.retain(|known| (&known.module, &known.version) != (&module.module, &module.version));
                self.modules.push(module.clone());
            }
            if !record.packages.is_empty() {
                self.packages.entry(arch).or_default().insert(record.what.clone(), record.packages.clone());
            }
        }
        self.modules.sort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sum: &str) -> Module {
        Module { module: "example.org/m".into(), version: "v1.0.0".into(), sum: sum.into() }
    }

    fn package(version: &str, sha256: &str) -> Package {
        Package { name: "iproute2".into(), version: version.into(), sha256: sha256.into() }
    }

    #[test]
    fn a_module_with_another_hash_is_refused_with_its_name() {
        let mut lock = Lock::default();
        lock.take(Arch::Amd64, &[BuildRecord { modules: vec![module("h1:good")], ..BuildRecord::default() }]);
        lock.check_modules(&[module("h1:good")]).unwrap();
        let text = lock.check_modules(&[module("h1:evil")]).unwrap_err().to_string();
        assert!(text.contains("example.org/m v1.0.0 has h1:evil, locked is h1:good"), "{text}");
        assert!(text.contains("--update-lock"), "{text}");
    }

    #[test]
    fn a_module_that_is_not_locked_is_refused() {
        let text = Lock::default().check_modules(&[module("h1:x")]).unwrap_err().to_string();
        assert!(text.contains("is not locked"), "{text}");
    }

    #[test]
    fn each_changed_package_is_reported() {
        let mut lock = Lock::default();
        let record =
            BuildRecord { what: "toolbox/root".into(), packages: vec![package("1", "aa")], ..BuildRecord::default() };
        lock.take(Arch::Amd64, &[record]);
        let moved = |found: &[Package]| lock.moved_packages(Arch::Amd64, "toolbox/root", found);
        assert!(moved(&[package("1", "aa")]).is_empty());
        assert_eq!(moved(&[package("2", "bb")]), ["toolbox/root: iproute2 moved from 1 to 2"]);
        assert_eq!(
            moved(&[package("1", "bb")]),
            ["toolbox/root: iproute2 1 has another hash than locked, under the same version"]
        );
        assert_eq!(moved(&[]), ["toolbox/root: iproute2 is gone"]);
        assert_eq!(lock.moved_packages(Arch::Arm64, "toolbox/root", &[]).len(), 1);
    }

    #[test]
    fn a_written_lock_is_read_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock.yaml");
        let mut lock = Lock::default();
        let packages = vec![package("1:2.3~deb12u1", "00e1")];
        lock.take(
            Arch::Amd64,
            &[BuildRecord { what: "a/b".into(), modules: vec![module("h1:a=")], packages, ..BuildRecord::default() }],
        );
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
    }
}
