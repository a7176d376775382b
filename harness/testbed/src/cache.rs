//! The cache of built things: folders named by the hash of all that went into them.
//!
//! An entry appears whole or not at all: it is built in a temporary folder on the same file system and renamed into
//! place. Two builders of one key take turns by a file lock, and the second finds the work done. What the key stands
//! for (which versions, which sources) is the caller's business; see [`crate::images`].

mod key;

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::{Deadline, late, pause};
pub(crate) use key::hex;
pub use key::{Key, KeyMaker, file_sha256};

/// How long another builder of the same entry is waited for: longer than the longest build.
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Pause between two looks at a lock, which gives no event.
const LOOK: Duration = Duration::from_millis(200);

/// A content-addressed folder of entries under the user's cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What [`Cache::claim`] gives.
pub enum Claim {
    /// The entry is there, whole: its folder.
    There(PathBuf),
    /// It is missing, and the caller is the one to build it.
    Build(Work),
}

/// The right and the duty to build one entry. Dropping it gives both up and removes what was built so far.
#[must_use = "an entry that is not kept is removed"]
pub struct Work {
    folder: PathBuf,
    entry: PathBuf,
    root: PathBuf,
    kept: bool,
    _lock: File,
}

impl Work {
    /// The empty folder to fill.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder the entry and gives its final place.
    ///
    /// # Errors
    /// When it cannot be moved there.
    pub fn keep(mut self) -> Result<PathBuf> {
        fs::rename(&self.folder, &self.entry)
            .with_context(|| format!("failed to move {} to {}", self.folder.display(), self.entry.display()))?;
        self.kept = true;
        Ok(self.entry.clone())
    }

    /// The error of a failed build, with the way out where it was a full disk.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        if !is_full(&error) {
            return error;
        }
        error.context(format!(
            "the disk of {} is full; free some space, or set PLUMBLINE_CACHE to a folder on another disk",
            self.root.display()
        ))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.kept {
            // What stays behind after an error here goes when the cache is opened next.
            let _ = remove(&self.folder);
        }
    }
}

impl Cache {
    /// Opens the user's cache (see [`crate::folders::cache`]) and makes it where it is missing.
    ///
    /// # Errors
    /// When no home is known, or the folder cannot be made or written.
    pub fn open() -> Result<Self> {
        Self::open_at(&crate::folders::cache()?)
    }

    /// Opens a cache in the given folder and removes what interrupted builds have left in it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn open_at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).with_context(|| format!("bad cache folder {}", root.display()))?;
        for part in ["entries", "locks", "tmp"] {
            let path = root.join(part);
            fs::create_dir_all(&path).with_context(|| {
                format!(
                    "failed to make the cache folder {}; set PLUMBLINE_CACHE to a folder that can be written",
                    path.display()
                )
            })?;
        }
        let cache = Self { root };
        cache.drop_leftovers();
        Ok(cache)
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an entry that is there and whole; its use is noted, so that old entries can be told from live ones.
    pub fn get(&self, key: &Key) -> Option<PathBuf> {
        let path = self.entry(key);
        path.is_dir().then(|| {
            // Only a hint for cleaning up; a cache that can be read but not written still serves.
            let _ = File::open(&path).and_then(|dir| dir.set_modified(std::time::SystemTime::now()));
            path
        })
    }

    /// Whether a builder holds the entry's lock just now. Only for telling people what is waited for.
    pub fn is_being_built(&self, key: &Key) -> bool {
        let path = self.root.join("locks").join(key.as_str());
        self.get(key).is_none() && File::open(&path).is_ok_and(|lock| matches!(try_lock(&lock, &path), Ok(false)))
    }

    /// Gives the entry where it is there, else the right to build it. Where another process builds it just now, that
    /// one is waited for.
    ///
    /// # Errors
    /// When the lock or the folder cannot be made, or the other builder takes more than 45 minutes.
    pub async fn claim(&self, key: &Key) -> Result<Claim> {
        if let Some(path) = self.get(key) {
            return Ok(Claim::There(path));
        }
        let lock = self.turn(key.as_str(), &format!("the other builder of cache entry {}", key.short())).await?;
        if let Some(path) = self.get(key) {
            return Ok(Claim::There(path));
        }
        let folder = self.root.join("tmp").join(key.as_str());
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(Claim::Build(Work { folder, entry: self.entry(key), root: self.root.clone(), kept: false, _lock: lock }))
    }

    /// The lock of that name, once nobody else has it; held until it is dropped. `who` is waited for meanwhile, in words.
    ///
    /// # Errors
    /// When the lock cannot be made, or the other one takes more than 45 minutes.
    pub async fn turn(&self, name: &str, who: &str) -> Result<File> {
        let path = self.root.join("locks").join(name);
        let lock = File::create(&path).with_context(|| format!("failed to make {}", path.display()))?;
        let deadline = Deadline::after(PATIENCE);
        while !try_lock(&lock, &path)? {
            if deadline.over() {
                return Err(late("wait for a build", who, deadline, "it still holds its lock").into());
            }
            pause(LOOK).await;
        }
        Ok(lock)
    }

    /// Removes entries that nobody has used for `age`, and gives how many.
    ///
    /// # Errors
    /// When the cache cannot be listed, or an entry cannot be removed.
    pub fn drop_unused(&self, age: Duration) -> Result<usize> {
        let mut dropped = 0;
        let folder = self.root.join("entries");
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let entry = entry?;
            let used = entry.metadata().and_then(|meta| meta.modified());
            if used.is_ok_and(|used| used.elapsed().is_ok_and(|passed| passed > age)) {
                remove(&entry.path())?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    /// Removes the entry, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &Key) -> Result<()> {
        remove(&self.entry(key))
    }

    fn entry(&self, key: &Key) -> PathBuf {
        self.root.join("entries").join(key.as_str())
    }

    /// Removes the temporary folders whose builder is gone: its lock, which the kernel drops with the process, is free.
    fn drop_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else { return };
        for entry in entries.flatten() {
            let path = self.root.join("locks").join(entry.file_name());
            let Ok(lock) = File::create(&path) else { continue };
            if try_lock(&lock, &path).unwrap_or(false) {
                let _ = remove(&entry.path());
            }
        }
    }
}

fn try_lock(lock: &File, path: &Path) -> Result<bool> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("failed to lock {}", path.display())),
    }
}

/// Removes a file or a folder, with what a build may have made read-only in it. Missing is fine. A mount below it is
/// never entered: what a killed build left mounted is the host's own.
fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        Ok(meta) => remove_on(path, &meta, meta.dev()),
    }
}

fn remove_on(path: &Path, meta: &fs::Metadata, device: u64) -> Result<()> {
    if meta.dev() != device {
        bail!("{} is a mount point; unmount it first", path.display());
    }
    if !meta.is_dir() {
        return fs::remove_file(path).with_context(|| format!("failed to remove {}", path.display()));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("failed to open up {}", path.display()))?;
    for entry in fs::read_dir(path).with_context(|| format!("failed to list {}", path.display()))? {
        let entry = entry?;
        // `metadata` of an entry does not follow links.
        remove_on(&entry.path(), &entry.metadata()?, device)?;
    }
    fs::remove_dir(path).with_context(|| format!("failed to remove {}", path.display()))
}

fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
            || cause.to_string().contains("no space left on device")
            || cause.to_string().contains("No space left on device")
    })
}

#[cfg(test)]
mod tests;
