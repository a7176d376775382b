//! Probes the properties of this host.

use std::path::Path;

// The harness and the OCI runtime share this list of names. The runtime links no crate of the harness.
#[path = "../../../clusters/engine/runtime/src/capability.rs"]
#[allow(dead_code, reason = "the runtime uses more of it")]
mod capability;

/// The capabilities that the kernel knows and the bounding set of this process lacks, by number.
///
/// # Errors
/// When /proc can't be read.
pub fn withheld_capabilities() -> std::io::Result<Vec<&'static str>> {
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?;
    let last: u32 = last.trim().parse().map_err(std::io::Error::other)?;
    // Capabilities above the last one that the kernel knows do not count (capabilities(7)).
    let unknown = u64::MAX.checked_shl(last + 1).unwrap_or_default();
    Ok(capability::Set(capability::bounding_set()?.0 | unknown).lacking())
}

/// The free bytes for an ordinary user on the file system of `path`, or of the nearest existing folder above it; none if they
/// can't be read.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    let stat = nix::sys::statvfs::statvfs(existing).ok()?;
    // The types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}
