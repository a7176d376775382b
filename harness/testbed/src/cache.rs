//! The cache of build results: folders named by the hash of all their inputs.
//!
//! An entry is always complete: it is built in a temporary folder on the same file system and renamed into place. A file lock
//! lets only one process build a key; the next one finds the result. A process that uses an entry holds another, shared lock
//! until it ends. So a cache over its limit removes no entry in use. The caller decides what the key contains (versions,
//! sources); see [`crate::images`].

mod key;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::build_error::{BuildError, Context as _, Result, refuse};
use crate::error::TestbedError;
use crate::lease::is_taken;
use crate::wait::{Deadline, late, pause};
pub use key::{Key, KeyMaker, file_sha256};

/// The longest wait for another builder of the same entry: longer than the longest build.
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Pause between two tries of a lock, which sends no event.
const LOOK: Duration = Duration::from_millis(200);
/// The environment variable with the limit of the cache, in GiB.
const LIMIT_VARIABLE: &str = "PLUMBLINE_CACHE_LIMIT";
/// The default limit, enough for several versions of everything.
const LIMIT_GIB: f64 = 20.0;
/// Entries that no process has used for this long are removed with the next build: a node image takes a gigabyte.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// The maximum age of a folder in use that has no lock: `.ci/deps` copies one in seconds.
const JUST_USED: Duration = Duration::from_secs(3600);

/// A content-addressed folder of entries under the user's cache. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    limit_bytes: u64,
    /// The locks of the entries that this process uses.
    used: Arc<Mutex<BTreeMap<Key, File>>>,
}

/// The result of [`Cache::claim`].
pub enum Claim {
    /// The entry exists: its folder.
    There(PathBuf),
    /// The entry is missing, and the caller must build it.
    Build(PendingEntry),
}

/// The exclusive right to build one entry. Dropping it releases the right and removes the partial result.
#[must_use = "an entry that is not kept is removed"]
pub struct PendingEntry {
    folder: PathBuf,
    key: Key,
    cache: Cache,
    kept: bool,
    _lock: File,
}

impl PendingEntry {
    /// The empty folder to fill.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Turns the folder into the entry and returns its final path.
    ///
    /// # Errors
    /// When it cannot be moved there.
    pub fn keep(mut self) -> Result<PathBuf> {
        let entry = self.cache.entry(&self.key);
        fs::rename(&self.folder, &entry)
            .with_context(|| format!("failed to move {} to {}", self.folder.display(), entry.display()))?;
        self.cache.hold(&self.key);
        self.kept = true;
        Ok(entry)
    }

    /// The error of a failed build; for a full disk with a hint.
    pub fn explain(&self, error: BuildError) -> BuildError {
        if !is_full(&error) {
            return error;
        }
        let full = TestbedError::new(format!("the disk of {} is full", self.cache.root.display()), error);
        full.with_hint("free some space, or set PLUMBLINE_CACHE to a folder on another disk").into()
    }
}

impl Drop for PendingEntry {
    fn drop(&mut self) {
        if !self.kept {
            // The next open of the cache removes what remains after an error here.
            let _ = remove(&self.folder);
        }
    }
}

impl Cache {
    /// Opens the user's cache (see [`crate::folders::cache`]), and creates it if it is missing. Its limit is 20 GiB, or the
    /// number in `PLUMBLINE_CACHE_LIMIT`.
    ///
    /// # Errors
    /// When no home folder is set, the limit is no number, or the folder cannot be created or written.
    pub fn open() -> Result<Self> {
        let set = std::env::var(LIMIT_VARIABLE).ok().filter(|text| !text.is_empty());
        let limit_bytes = limit_bytes(set.as_deref())?;
        Ok(Self { limit_bytes, ..Self::open_at(&crate::folders::cache()?)? })
    }

    /// Opens a cache in the given folder and removes the partial results of interrupted builds.
    ///
    /// # Errors
    /// When the folder cannot be created or written.
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
        let cache = Self { root, limit_bytes: limit_bytes(None)?, used: Arc::default() };
        cache.drop_leftovers();
        Ok(cache)
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an existing entry. The entry counts as used from now until this process ends.
    pub fn get(&self, key: &Key) -> Option<PathBuf> {
        let path = self.entry(key);
        // If another process is removing it, `hold` fails, and the caller's claim waits for the removal.
        (path.is_dir() && self.hold(key) && path.is_dir()).then_some(path)
    }

    /// Whether a builder holds the entry's lock. Only for messages about the wait.
    pub fn is_being_built(&self, key: &Key) -> bool {
        let path = self.lock_path(key.as_str());
        self.get(key).is_none() && File::open(&path).is_ok_and(|lock| matches!(try_lock(&lock, &path), Ok(false)))
    }

    /// Returns the entry if it exists, else the right to build it. If another process is building it, this call waits for that
    /// process.
    ///
    /// # Errors
    /// When the lock or the folder cannot be created, or the other builder takes more than 45 minutes.
    pub async fn claim(&self, key: &Key) -> Result<Claim> {
        let path = self.lock_path(key.as_str());
        let deadline = Deadline::after(PATIENCE);
        loop {
            if let Some(path) = self.get(key) {
                return Ok(Claim::There(path));
            }
            let lock = make_lock(&path)?;
            if try_lock(&lock, &path)? {
                return self.claim_locked(key, lock);
            }
            let who = format!("the other builder of cache entry {}", key.short());
            wait_for_lock(&who, deadline).await?;
        }
    }

    /// The entry; `fill` creates it if it is missing. For short builds.
    ///
    /// # Errors
    /// When the lock or the folder cannot be created, or `fill` fails.
    pub fn get_or_fill(&self, key: &Key, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let path = self.lock_path(key.as_str());
        let lock = loop {
            if let Some(path) = self.get(key) {
                return Ok(path);
            }
            let lock = make_lock(&path)?;
            if try_lock(&lock, &path)? {
                break lock;
            }
            // The lock is free when the other process has built the entry, or has failed.
            lock.lock_shared().with_context(|| format!("failed to lock {}", path.display()))?;
        };
        match self.claim_locked(key, lock)? {
            Claim::There(path) => Ok(path),
            Claim::Build(pending) => {
                fill(pending.folder()).map_err(|error| pending.explain(error))?;
                pending.keep()
            }
        }
    }

    fn claim_locked(&self, key: &Key, lock: File) -> Result<Claim> {
        let path = self.entry(key);
        if path.is_dir() && self.hold(key) {
            return Ok(Claim::There(path));
        }
        let folder = self.root.join("tmp").join(key.as_str());
        remove(&folder)?;
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        Ok(Claim::Build(PendingEntry { folder, key: key.clone(), cache: self.clone(), kept: false, _lock: lock }))
    }

    /// Takes the lock with this name, and waits while another process holds it. `who` names that process in the error.
    ///
    /// # Errors
    /// When the lock cannot be created, or the other process holds it for more than 45 minutes.
    pub async fn turn(&self, name: &str, who: &str) -> Result<File> {
        let path = self.lock_path(name);
        let lock = make_lock(&path)?;
        let deadline = Deadline::after(PATIENCE);
        while !try_lock(&lock, &path)? {
            wait_for_lock(who, deadline).await?;
        }
        Ok(lock)
    }

    /// Removes entries that no process has used for 30 days, then the least recently used ones until the cache is within its
    /// limit. It never removes an entry in use. Returns the number of removed folders.
    ///
    /// # Errors
    /// When the cache cannot be listed, or a folder cannot be removed.
    pub fn prune(&self) -> Result<usize> {
        let mut kept = self.list_removable()?;
        kept.sort_by_key(|found| found.used);
        let mut total: u64 = kept.iter().map(|found| found.bytes).sum();
        let mut removed = 0;
        for found in kept {
            let age = found.used.elapsed().unwrap_or_default();
            if age <= UNUSED && total <= self.limit_bytes {
                break;
            }
            // Both locks are held until the folder is removed, so that a claim waits.
            let mut locks = Vec::new();
            for path in found.lock.iter().flat_map(|name| [self.lock_path(name), self.used_path(name)]) {
                let lock = make_lock(&path)?;
                if try_lock(&lock, &path)? {
                    locks.push(lock);
                }
            }
            let in_use = if found.lock.is_some() { locks.len() < 2 } else { age < JUST_USED };
            if in_use {
                continue;
            }
            remove(&found.path)?;
            total = total.saturating_sub(found.bytes);
            removed += 1;
        }
        Ok(removed)
    }

    /// The removable folders: entries, cargo's folder for static programs, and the folders of `.ci/deps`.
    fn list_removable(&self) -> Result<Vec<Removable>> {
        let mut found = Vec::new();
        for part in ["entries", "deps"] {
            for entry in fs::read_dir(self.root.join(part)).into_iter().flatten() {
                let entry = entry.with_context(|| format!("failed to list {part} of the cache"))?;
                let lock = (part == "entries").then(|| entry.file_name().to_string_lossy().into_owned());
                found.push(Removable::read(entry.path(), lock)?);
            }
        }
        let cargo = self.root.join("cargo");
        if cargo.is_dir() {
            found.push(Removable::read(cargo, Some("cargo".to_owned()))?);
        }
        Ok(found)
    }

    /// Removes the entry, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &Key) -> Result<()> {
        self.used().remove(key);
        remove(&self.entry(key))
    }

    fn entry(&self, key: &Key) -> PathBuf {
        self.root.join("entries").join(key.as_str())
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    fn used_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(format!("{name}.used"))
    }

    fn used(&self) -> MutexGuard<'_, BTreeMap<Key, File>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks an entry as used: sets its time, and holds its lock until this process ends. False if another process is removing
    /// it.
    fn hold(&self, key: &Key) -> bool {
        touch(&self.entry(key));
        let mut used = self.used();
        if used.contains_key(key) {
            return true;
        }
        // A read-only cache still works, and nothing can be removed from it.
        let Ok(lock) = File::create(self.used_path(key.as_str())) else { return true };
        if matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return false;
        }
        used.insert(key.clone(), lock);
        true
    }

    /// Removes the temporary folders of dead builders. Their locks are free, because the kernel releases them with the process.
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

/// A removable folder of the cache.
struct Removable {
    path: PathBuf,
    /// The name of the lock that a process holds while it uses the folder.
    lock: Option<String>,
    used: SystemTime,
    bytes: u64,
}

impl Removable {
    fn read(path: PathBuf, lock: Option<String>) -> Result<Self> {
        let used = fs::metadata(&path).and_then(|meta| meta.modified());
        let used = used.with_context(|| format!("failed to read {}", path.display()))?;
        Ok(Self { bytes: disk_bytes(&path), path, lock, used })
    }
}

/// The disk space of a folder with its content. Files that are deleted during the count do not count.
fn disk_bytes(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let inner = if meta.is_dir() { fs::read_dir(path).ok() } else { None };
    let inner: u64 = inner.into_iter().flatten().flatten().map(|entry| disk_bytes(&entry.path())).sum();
    meta.blocks() * 512 + inner
}

/// Sets the time of a folder to now. After a failure it only looks older.
pub(crate) fn touch(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

fn limit_bytes(set: Option<&str>) -> Result<u64> {
    let gib = match set.map(|text| (text, text.trim().parse::<f64>())) {
        None => LIMIT_GIB,
        Some((_, Ok(gib))) if gib.is_finite() && gib >= 0.0 => gib,
        Some((text, _)) => refuse!("{LIMIT_VARIABLE}: expected a number of GiB such as 20, found {text:?}"),
    };
    // Rounding the limit by some bytes does not matter, and a cast saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok((gib * f64::from(1 << 30)) as u64)
}

fn make_lock(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("failed to make {}", path.display()))
}

async fn wait_for_lock(who: &str, deadline: Deadline) -> Result<()> {
    if deadline.over() {
        return Err(late("wait for a build", who, deadline, "it still holds its lock").into());
    }
    pause(LOOK).await;
    Ok(())
}

fn try_lock(lock: &File, path: &Path) -> Result<bool> {
    is_taken(lock.try_lock()).with_context(|| format!("failed to lock {}", path.display()))
}

/// Removes a file or a folder, including read-only content. A missing path is no error. It never enters a mount below the path,
/// because a mount of a killed build may contain the host's own files.
fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        Ok(meta) => remove_on(path, &meta, meta.dev()),
    }
}

fn remove_on(path: &Path, meta: &fs::Metadata, device: u64) -> Result<()> {
    if meta.dev() != device {
        refuse!("{} is a mount point; unmount it first", path.display());
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

fn is_full(error: &BuildError) -> bool {
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(cause) = next {
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
            || cause.to_string().contains("o space left on device")
        {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests;
