//! The cache of built things: folders named by the hash of all that went into them.
//!
//! An entry appears whole or not at all: it is built in a temporary folder on the same file system and renamed into
//! place. Two builders of one key take turns by a file lock, and the second finds the work done. A process that uses an
//! entry holds another lock of it, shared, until it ends: nothing in use is removed when the cache is over its limit. What
//! the key stands for (which versions, which sources) is decided by the caller; see [`crate::images`].

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
use crate::wait::{Deadline, late, pause};
pub use key::{Key, KeyMaker, file_sha256};

/// How long another builder of the same entry is waited for: longer than the longest build.
const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// Pause between two tries of a lock, which gives no event.
const LOOK: Duration = Duration::from_millis(200);
/// The environment variable with the most that the cache may hold, in GiB.
const LIMIT_VARIABLE: &str = "PLUMBLINE_CACHE_LIMIT";
/// What it may hold where the variable is not set: several versions of everything.
const LIMIT_GIB: f64 = 20.0;
/// Entries that no process has used for this long go when something new is built: a node image takes a gigabyte.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);
/// A folder in use without a lock is no older than this: `.ci/deps` copies one in seconds.
const JUST_USED: Duration = Duration::from_secs(3600);

/// A content-addressed folder of entries under the user's cache. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    limit_bytes: u64,
    /// The locks of the entries that this process uses.
    used: Arc<Mutex<BTreeMap<Key, File>>>,
}

/// What [`Cache::claim`] gives.
pub enum Claim {
    /// The entry is there, whole: its folder.
    There(PathBuf),
    /// It is missing, and the caller is the one to build it.
    Build(PendingEntry),
}

/// The right and the duty to build one entry. Dropping it gives both up and removes what was built so far.
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

    /// Makes the folder the entry and gives its final place.
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

    /// The error of a failed build, with how to fix it where it was a full disk.
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
            // What remains after an error here is removed when the cache is opened next.
            let _ = remove(&self.folder);
        }
    }
}

impl Cache {
    /// Opens the user's cache (see [`crate::folders::cache`]) and makes it where it is missing. It may hold 20 GiB, or as
    /// many as `PLUMBLINE_CACHE_LIMIT` names.
    ///
    /// # Errors
    /// When no home is known, the limit is no number, or the folder cannot be made or written.
    pub fn open() -> Result<Self> {
        let set = std::env::var(LIMIT_VARIABLE).ok().filter(|text| !text.is_empty());
        let limit_bytes = limit_bytes(set.as_deref())?;
        Ok(Self { limit_bytes, ..Self::open_at(&crate::folders::cache()?)? })
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
        let cache = Self { root, limit_bytes: limit_bytes(None)?, used: Arc::default() };
        cache.drop_leftovers();
        Ok(cache)
    }

    /// The cache's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of an entry that is there and whole; it counts as used from now until this process ends.
    pub fn get(&self, key: &Key) -> Option<PathBuf> {
        let path = self.entry(key);
        // Where another process removes it just now there is no hold, and the caller's claim waits for that.
        (path.is_dir() && self.hold(key) && path.is_dir()).then_some(path)
    }

    /// Whether a builder holds the entry's lock just now. Only for messages about what is waited for.
    pub fn is_being_built(&self, key: &Key) -> bool {
        let path = self.lock_path(key.as_str());
        self.get(key).is_none() && File::open(&path).is_ok_and(|lock| matches!(try_lock(&lock, &path), Ok(false)))
    }

    /// Gives the entry where it is there, else the right to build it. Where another process builds it just now, that
    /// one is waited for.
    ///
    /// # Errors
    /// When the lock or the folder cannot be made, or the other builder takes more than 45 minutes.
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

    /// The entry, filled by `fill` where it is missing: for what takes a moment.
    ///
    /// # Errors
    /// When the lock or the folder cannot be made, or `fill` fails.
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
            // Given when the other process has filled it, or has given up.
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

    /// The lock of that name, once no other process has it; held until it is dropped. `who` is waited for meanwhile.
    ///
    /// # Errors
    /// When the lock cannot be made, or the other one takes more than 45 minutes.
    pub async fn turn(&self, name: &str, who: &str) -> Result<File> {
        let path = self.lock_path(name);
        let lock = make_lock(&path)?;
        let deadline = Deadline::after(PATIENCE);
        while !try_lock(&lock, &path)? {
            wait_for_lock(who, deadline).await?;
        }
        Ok(lock)
    }

    /// Removes what no process has used for 30 days, then the least recently used until the cache is within its limit; never
    /// what is in use. Gives how many folders went.
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
            // Both held until the folder is gone: a claim waits for that.
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

    /// The folders that can be made again: entries, cargo's folder for static programs, and what `.ci/deps` keeps.
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

    /// Counts an entry as used: by its age from now on, and by its lock until this process ends. False where another process
    /// removes it just now.
    fn hold(&self, key: &Key) -> bool {
        touch(&self.entry(key));
        let mut used = self.used();
        if used.contains_key(key) {
            return true;
        }
        // A cache that can be read but not written still serves; nothing can be removed from it either.
        let Ok(lock) = File::create(self.used_path(key.as_str())) else { return true };
        if matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return false;
        }
        used.insert(key.clone(), lock);
        true
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

/// A folder of the cache that can be made again.
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

/// The disk space of a folder and all in it. What goes away meanwhile counts for nothing.
fn disk_bytes(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    let inner = if meta.is_dir() { fs::read_dir(path).ok() } else { None };
    let inner: u64 = inner.into_iter().flatten().flatten().map(|entry| disk_bytes(&entry.path())).sum();
    meta.blocks() * 512 + inner
}

/// Notes that a folder was used just now. A failure leaves it older than it is.
pub(crate) fn touch(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

fn limit_bytes(set: Option<&str>) -> Result<u64> {
    let gib = match set.map(|text| (text, text.trim().parse::<f64>())) {
        None => LIMIT_GIB,
        Some((_, Ok(gib))) if gib.is_finite() && gib >= 0.0 => gib,
        Some((text, _)) => refuse!("{LIMIT_VARIABLE} is {text:?}, want a number of GiB such as 20"),
    };
    // A limit that is rounded by some bytes is the same limit, and a cast saturates.
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
