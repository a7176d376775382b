//! Pods of a private node: network namespaces with a name.

use std::fs;

use nix::mount::{MntFlags, umount2};
use plumbline_netlink::Errno;

use super::nodes::Bed;
use super::spaces::{self, Forwards};
use crate::place::pod_path;
use crate::trouble::{Doing, Trouble, fault, gone};

/// Makes a pod's network namespace with `lo` up and the sysctls set; gives its path on the node.
///
/// # Errors
/// A fault when there is one of that name, when there is no such node, or when the kernel refuses.
pub fn add(name: &str, node: usize, bed: &mut Bed) -> Result<String, Trouble> {
    bed.known(node)?;
    let path = pod_path(name)?;
    spaces::make(&path, Forwards::No)?;
    if node != 1 {
        bed.pods.insert(name.to_owned(), node);
    }
    Ok(path.display().to_string())
}

/// Removes a pod's network namespace.
///
/// # Errors
/// A fault marked as gone when there is none of that name.
pub fn remove(name: &str, bed: &mut Bed) -> Result<(), Trouble> {
    let doing = format!("remove pod {name}");
    let path = pod_path(name)?;
    bed.pods.remove(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: the file is there and nothing is mounted on it; somebody unmounted it before us.
        Ok(()) | Err(Errno::EINVAL) => fs::remove_file(&path).doing(doing),
        Err(Errno::ENOENT) => Err(gone(doing, format!("{} is not there", path.display()))),
        Err(errno) => Err(fault(doing, errno)),
    }
}
