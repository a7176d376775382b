//! The sysctls that netlink does not report: those of `all` and `default`, and those of no device. Their files stay open
//! between two readings, because opening one takes several times as long as reading it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use plumbline_core::state::{FactKey, FactKind, NamespaceState};

/// The folder of all sysctls of the current network namespace.
const ROOT: &str = "/proc/sys/net";

/// Names that are never read, with the reason:
/// counts of the moment (`nf_conntrack_count`); a time stamp or a random secret (`fib_multipath_hash_seed`,
/// `tcp_fastopen_key`, `netdev_rss_key`, `stable_secret`, `tcp_child_ehash_entries`); write-only (`flush`); lists of what the
/// kernel has loaded (`tcp_available_*`, `available_*`).
const NEVER_READ: [&str; 10] = [
    "nf_conntrack_count",
    "fib_multipath_hash_seed",
    "tcp_fastopen_key",
    "netdev_rss_key",
    "stable_secret",
    "flush",
    "tcp_available_congestion_control",
    "tcp_available_ulp",
    "available_path_managers",
    "available_schedulers",
];

/// More than any value has.
const VALUE_BYTES: usize = 1024;

/// The open files of one namespace.
pub struct SysctlFiles {
    files: Vec<(FactKey, File)>,
}

impl SysctlFiles {
    /// Opens the files of the current network namespace.
    pub fn open() -> Self {
        let mut files = Vec::new();
        collect(Path::new(ROOT), "", &mut files);
        Self { files }
    }

    /// Reads all of them. One that can't be read (a value that is not set) is left out.
    pub fn read_into(&self, state: &mut NamespaceState) {
        let mut buffer = [0_u8; VALUE_BYTES];
        for (key, file) in &self.files {
            if let Ok(length) = file.read_at(&mut buffer, 0) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                state.set(key.clone(), text.trim().replace('\t', " "));
            }
        }
    }
}

/// Opens the files of a folder. `device` is the name below `conf` or `neigh`, or empty.
fn collect(folder: &Path, device: &str, files: &mut Vec<(FactKey, File)>) {
    let is_of_devices = folder.ends_with("conf") || folder.ends_with("neigh");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && is_of_devices {
            // Other devices are reported by netlink.
            if name == "all" || name == "default" {
                collect(&path, &name, files);
            }
        } else if is_folder {
            collect(&path, device, files);
        } else if !NEVER_READ.contains(&&*name)
            && let Ok(file) = File::open(&path)
            && let Ok(below) = path.strip_prefix("/proc/sys")
        {
            files.push((FactKey::new(FactKind::Sysctl, device, below.to_string_lossy()), file));
        }
    }
}
