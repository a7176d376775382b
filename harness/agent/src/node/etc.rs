//! `/etc` of the private node: the host's, name by name, but with a `cni` of its own.
//!
//! As an ordinary user nothing can be made in the host's `/etc`, so the node's is a folder of its own with a link for
//! each of the host's names. Programs find their loader cache, `alternatives`, `protocols` and so on; nothing can be
//! written.

use std::fs;
use std::path::Path;

use super::mounts::{Refused, bind, folder, link};

/// Where the host's `/etc` is bound.
const HOST: &str = "/.host/etc";

/// Fills `/etc` from the host's. Gives the path to be made read-only.
///
/// # Errors
/// With the path.
pub fn make(host_etc: &Path) -> Result<String, Refused> {
    folder("/etc/cni/net.d")?;
    folder(HOST)?;
    bind(host_etc, HOST)?;
    let entries = fs::read_dir(HOST).map_err(|error| Refused::io(format!("list {HOST}"), &error))?;
    for name in entries.filter_map(Result::ok).map(|entry| entry.file_name()) {
        if name != "cni" && name != "mtab" {
            link(Path::new(HOST).join(&name), Path::new("/etc").join(&name))?;
        }
    }
    link("/proc/self/mounts", "/etc/mtab")?;
    Ok(HOST.to_owned())
}
