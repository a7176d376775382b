//! The keys of cache entries: a hash over named parts, files and folders.

use crate::build_error::{Context as _, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// The hash that names an entry: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The first 12 digits, for readable names.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects the inputs of an entry and computes its key. Every part has a name and a length prefix, so that two different
/// lists of parts never give the same bytes.
#[derive(Clone)]
pub struct KeyMaker(Sha256);

impl KeyMaker {
    /// Starts a key of the given kind of entry. `format` is increased when the builder changes so much that old entries must
    /// not be used any more.
    pub fn new(kind: &str, format: u32) -> Self {
        let maker = Self(Sha256::new());
        maker.part("kind", kind.as_bytes()).part("format", &format.to_le_bytes())
    }

    /// Adds one named part.
    pub fn part(mut self, name: &str, value: &[u8]) -> Self {
        for piece in [name.as_bytes(), value] {
            self.0.update((piece.len() as u64).to_le_bytes());
            self.0.update(piece);
        }
        self
    }

    /// Adds a file's or a folder's content: relative names, the executable bit, and all bytes. Names that start with a dot and
    /// folders named `target` are left out.
    ///
    /// # Errors
    /// When the path is missing or cannot be read.
    pub fn tree(mut self, name: &str, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        list_files(path, path, &mut files)?;
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
        Key(HEXLOWER.encode(&self.0.finalize()))
    }
}

/// The SHA-256 of a file, as 64 hexadecimal digits.
///
/// # Errors
/// When the file cannot be read.
pub fn file_sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut HashWriter(&mut hash))
        .with_context(|| format!("failed to read {}", path.display()))?;
    Ok(HEXLOWER.encode(&hash.finalize()))
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

fn list_files(base: &Path, path: &Path, into: &mut Vec<(String, PathBuf)>) -> Result<()> {
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
            list_files(base, &entry.path(), into)?;
        }
    }
    Ok(())
}
