//! Pods of a private node: network namespaces with a name.

use std::fs::{self, File};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use plumbline_core::protocol::Target;
use plumbline_netlink::{Errno, namespace};

use super::{init, sysctls};
use crate::place::pod_path;
use crate::trouble::{Doing, Trouble, fault, gone};

/// Makes a pod's network namespace with `lo` up and the sysctls set; gives its path on the node.
///
/// # Errors
/// A fault when there is one of that name, or when the kernel refuses.
pub fn add(name: &str) -> Result<String, Trouble> {
    let doing = format!("make pod {name}");
    let path = pod_path(name)?;
    File::create_new(&path).doing(&doing)?;
    let home = namespace::current().doing(&doing)?;
    unshare(CloneFlags::CLONE_NEWNET).doing(format!("{doing}: unshare the network namespace"))?;
    // From here on this thread is in the pod, and has to come home whatever happens.
    let made = mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .map_err(|errno| format!("bind the namespace to {}: {errno}", path.display()))
        .and_then(|()| init::loopback().map_err(|error| format!("bring up lo: {error}")))
        .and_then(|()| sysctls::set(&Target::Pod(name.to_owned())));
    namespace::enter(home).map_err(|error| {
        Trouble::End(crate::exit::Failure::Internal(format!("{doing}: come back to the node's namespace: {error}")))
    })?;
    made.map_err(|cause| fault(doing, cause))?;
    Ok(path.display().to_string())
}

/// Removes a pod's network namespace.
///
/// # Errors
/// A fault marked as gone when there is none of that name.
pub fn remove(name: &str) -> Result<(), Trouble> {
    let doing = format!("remove pod {name}");
    let path = pod_path(name)?;
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: the file is there and nothing is mounted on it; somebody unmounted it before us.
        Ok(()) | Err(Errno::EINVAL) => fs::remove_file(&path).doing(doing),
        Err(Errno::ENOENT) => Err(gone(doing, format!("{} is not there", path.display()))),
        Err(errno) => Err(fault(doing, errno)),
    }
}
