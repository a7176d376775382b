//! What this host is and has, found by looking.

use std::path::Path;

// One list of names for the harness and for the OCI runtime, which links nothing of the harness.
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
    // Those above the last one that the kernel knows are not withheld (capabilities(7)).
    let unknown = u64::MAX.checked_shl(last + 1).unwrap_or_default();
    Ok(capability::Set(capability::bounding_set()?.0 | unknown).lacking())
}

/// Bytes that an ordinary user may still write where `path`, or the nearest existing folder above it, lies; none when
/// they can't be read.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|folder| folder.exists())?;
    let stat = nix::sys::statvfs::statvfs(existing).ok()?;
    // The types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    Some(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}
