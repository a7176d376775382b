//! What of the kernel's capabilities this host withholds.

// One list of names for the harness and for the OCI runtime, which links nothing of the harness.
#[path = "../../../../clusters/engine/runtime/src/capability.rs"]
mod names;

pub use names::{Set, bounding_set};

/// The capabilities that the kernel knows and the bounding set of this process lacks, by number.
///
/// # Errors
/// When /proc can't be read.
pub fn withheld() -> anyhow::Result<Vec<&'static str>> {
    // Those above the last one that the kernel knows are withheld by nobody (capabilities(7)).
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?.trim().parse::<u32>()?;
    let unknown = u64::MAX.checked_shl(last + 1).unwrap_or_default();
    Ok(Set(bounding_set()?.0 | unknown).lacking())
}
