//! The cache of built things: folders named by the hash of all that went into them.
//!
//! An entry appears whole or not at all: it is built in a temporary folder on the same file system and renamed into
//! place. Two builders of one key take turns by a file lock, and the second finds the work done. What the key stands
//! for (which versions, which sources) is the caller's business; see [`crate::images`].

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// A content-addressed folder of entries under the user's cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The hash that names an entry: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The first 12 digits, for file names that people read.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collects what an entry depends on and gives its key. Every part is named and length-prefixed, so that no two
/// different lists of parts read alike.
#[derive(Clone)]
pub struct KeyMaker(Sha256);

impl KeyMaker {
    /// Starts a key of the given kind of entry. `format` is raised when the way of building changes so much that old
    /// entries must not be used any more.
    pub fn new(kind: &str, format: u32) -> Self {
        let maker = Self(Sha256::new());
        maker.part("kind", kind.as_bytes()).part("format", &format.to_le_bytes())
    }

    /// Adds one named part.
    #[must_use]
    pub fn part(mut self, name: &str, value: &[u8]) -> Self {
        for piece in [name.as_bytes(), value] {
            self.0.update((piece.len() as u64).to_le_bytes());
            self.0.update(piece);
        }
        self
    }

    /// Adds a file's or a folder's content: relative names, whether a file is executable, and all bytes. Names that
    /// start with a dot and folders named `target` are left out.
    ///
    /// # Errors
    /// When the path is missing or cannot be read.
    pub fn tree(mut self, name: &str, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        list(path, path, &mut files)?;
        files.sort();
        for (relative, file) in files {
            let bytes = fs::read(&file).with_context(|| format!("failed to read {}", file.display()))?;
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file)?.permissions()) & 0o100;
            self = self.part(&format!("{name}/{relative}#{mode}"), &bytes);
        }
        Ok(self)
    }

    /// The key of all parts so far.
    pub fn finish(self) -> Key {
        Key(hex(&self.0.finalize()))
    }
}

/// Lower-case hexadecimal digits of the bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a file, as 64 hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn file_sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hash)).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(hex(&hash.finalize()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn list(base: &Path, path: &Path, into: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let meta = fs::metadata(path).with_context(|| format!("failed to read {}", path.display()))?;
    if !meta.is_dir() {
        let relative = path.strip_prefix(base).unwrap_or(path).to_string_lossy().into_owned();
        into.push((relative, path.to_path_buf()));
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("failed to list {}", path.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(b".") && name != "target" {
            list(base, &entry.path(), into)?;
        }
    }
    Ok(())
}

impl Cache {
    /// Opens `${PLUMBLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/plumbline}` and makes it where it is missing.
    ///
    /// # Errors
    /// When no home is known, or the folder cannot be made or written.
    pub fn open() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("PLUMBLINE_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("plumbline")))
            .or_else(|| set("HOME").map(|path| path.join(".cache/plumbline")));
        match root {
            Some(root) => Self::open_at(&root),
            None => bail!("no cache folder: neither PLUMBLINE_CACHE, XDG_CACHE_HOME nor HOME is set; set one of them"),
        }
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
                format!("failed to make the cache folder {}; set PLUMBLINE_CACHE to a folder that can be written", path.display())
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
        let path = self.root.join("entries").join(key.as_str());
        path.is_dir().then(|| {
            // Only a hint for cleaning up; a cache that can be read but not written still serves.
            let _ = File::open(&path).and_then(|dir| dir.set_modified(std::time::SystemTime::now()));
            path
        })
    }

    /// Gives the entry's folder, having `build` fill it first where it is missing. `build` gets an empty folder; what
    /// it leaves there becomes the entry when it returns without an error, and is removed otherwise.
    ///
    /// # Errors
    /// Those of `build`; a full disk is named with the folder that was being written.
    pub fn get_or_build(&self, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(path) = self.get(key) {
            return Ok(path);
        }
        let lock_path = self.root.join("locks").join(key.as_str());
        let lock = File::create(&lock_path).with_context(|| format!("failed to make {}", lock_path.display()))?;
        lock.lock().with_context(|| format!("failed to lock {}", lock_path.display()))?;
        if let Some(path) = self.get(key) {
            return Ok(path);
        }
        let work = self.root.join("tmp").join(key.as_str());
        let attempt = (|| {
            remove(&work)?;
            fs::create_dir_all(&work).with_context(|| format!("failed to make {}", work.display()))?;
            build(&work)?;
            let path = self.root.join("entries").join(key.as_str());
            fs::rename(&work, &path).with_context(|| format!("failed to move {} to {}", work.display(), path.display()))?;
            Ok(path)
        })();
        attempt.map_err(|error: anyhow::Error| {
            let full = is_full(&error);
            let _ = remove(&work);
            match full {
                true => error.context(format!(
                    "the disk of {} is full; free some space, or set PLUMBLINE_CACHE to a folder on another disk",
                    self.root.display()
                )),
                false => error,
            }
        })
    }

    /// Removes the entry, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &Key) -> Result<()> {
        remove(&self.root.join("entries").join(key.as_str()))
    }

    /// Removes the temporary folders whose builder is gone: its lock, which the kernel drops with the process, is free.
    fn drop_leftovers(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else { return };
        for entry in entries.flatten() {
            let Ok(lock) = File::create(self.root.join("locks").join(entry.file_name())) else { continue };
            match lock.try_lock() {
                Ok(()) => drop(remove(&entry.path())),
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
            }
        }
    }
}

/// Removes a file or a folder, with what a build may have made read-only in it. Missing is fine.
fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
        Ok(meta) if meta.is_dir() => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        Ok(_) => fs::remove_file(path),
    }
    .with_context(|| format!("failed to remove {}", path.display()))
}

fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

fn is_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull)
            || cause.to_string().contains("no space left on device")
            || cause.to_string().contains("No space left on device")
    })
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
