//! Free disk space.

use std::path::Path;

/// Bytes that an ordinary user may still write where `path`, or the nearest folder above it that is there, lies; none
/// when it can't be told.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    let stat = nix::sys::statvfs::statvfs(there).ok()?;
    // The types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}
