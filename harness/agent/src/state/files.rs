//! Files of the node that belong to plugins, and the node's mounts.

use std::fs;
use std::path::Path;

use plumbline_core::state::{FactKey, FactKind, NamespaceState};

/// Which files of a node are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NodeFiles {
    /// Those of all folders that plugins write to: of a node of Plumbline's own.
    All,
    /// Those of folders that belong to plugins: of a node that other programs use.
    Plugins,
}

impl NodeFiles {
    const fn folders(self) -> &'static [&'static str] {
        match self {
            Self::All => &["/run", "/var/lib/cni", "/etc/cni", "/tmp"],
            Self::Plugins => &["/run/cni", "/var/lib/cni"],
        }
    }
}

/// Folders below them that are the agent's, or the CNI runner's: namespaces, and cached results.
const LEFT_OUT: [&str; 7] = [
    "/run/netns",
    "/run/netns-nodes",
    "/run/netns-hosts",
    "/run/netns-switch",
    "/var/lib/cni/results",
    "/var/lib/cni/multus",
    "/run/lock",
];

/// A file with more is described by its length.
const TEXT_BYTES: usize = 1024;
/// No more files than this are read.
const MAX_FILES: usize = 2_000;

/// Adds the files of plugins.
pub fn add_files(files: NodeFiles, state: &mut NamespaceState) {
    let mut left = MAX_FILES;
    files.folders().iter().for_each(|folder| add_folder(Path::new(folder), &mut left, state));
}

fn add_folder(folder: &Path, left: &mut usize, state: &mut NamespaceState) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        // A lock has no content, and any call may leave its file.
        let is_lock = name == "lock" || name.ends_with(".lock");
        if *left == 0 || is_lock || LEFT_OUT.iter().any(|one| path.starts_with(one)) {
            continue;
        }
        *left -= 1;
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            add_folder(&path, left, state);
        } else if kind.is_file() {
            state.set(FactKey::new(FactKind::File, "", path.to_string_lossy()), describe_file(&path));
        } else {
            state.set(FactKey::new(FactKind::File, "", path.to_string_lossy()), "special file");
        }
    }
}

fn describe_file(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) if bytes.len() <= TEXT_BYTES => match String::from_utf8(bytes) {
            Ok(text) => text.replace('\r', "").trim().to_owned(),
            Err(error) => format!("{} bytes", error.as_bytes().len()),
        },
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(error) => format!("not readable: {error}"),
    }
}

/// Adds the mounts of the current mount namespace.
pub fn add_mounts(state: &mut NamespaceState) {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split(' ').skip(1);
        if let (Some(place), Some(kind)) = (words.next(), words.next()) {
            state.add(FactKey::new(FactKind::Mount, "", place), kind);
        }
    }
}
