//! Copies the chain from the init container to the node: the only work of terwayd on which pods depend here.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file that the init container writes (daemon/server.go of Terway 1.17.5, `cinConfFile`).
const CHAIN: &str = "10-terway.conflist";
/// The single-plugin file of older versions, which would be first in lexical order (`prevCNIConfFile`).
const SINGLE: &str = "10-terway.conf";

/// A file of the chain that can't be read, written or removed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}: {source}", path.display())]
pub struct CopyChainError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl CopyChainError {
    fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

/// Copies the chain from the folder that init container and daemon share into the node's folder, and removes the
/// single-plugin file there. Like upstream's `ensureCNIConfig`, it writes in place with mode 0600, and a missing
/// single-plugin file is no error.
///
/// # Errors
/// When the chain is missing or the node's folder can't be written.
pub fn copy_chain(shared: &Path, node: &Path) -> Result<(), CopyChainError> {
    let (from, to) = (shared.join(CHAIN), node.join(CHAIN));
    let mut source = File::open(&from).map_err(|source| CopyChainError::new("open", &from, source))?;
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&to);
    let mut target = opened.map_err(|source| CopyChainError::new("open", &to, source))?;
    let copied = io::copy(&mut source, &mut target).and_then(|_| target.flush());
    copied.map_err(|source| CopyChainError::new("write", &to, source))?;
    let single = node.join(SINGLE);
    match remove_file(&single) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(CopyChainError::new("remove", &single, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_to_string, write};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_chain_replaces_an_older_one_and_the_single_plugin() {
        let (shared, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(shared.path().join(CHAIN), "new").unwrap();
        write(node.path().join(CHAIN), "a longer old one").unwrap();
        write(node.path().join(SINGLE), "single").unwrap();
        let inode = || std::fs::metadata(node.path().join(CHAIN)).unwrap().ino();
        let before = inode();
        copy_chain(shared.path(), node.path()).unwrap();
        assert_eq!(read_to_string(node.path().join(CHAIN)).unwrap(), "new");
        assert_eq!(inode(), before, "written in place, as upstream does it");
        assert!(!node.path().join(SINGLE).exists());
    }

    #[test]
    fn without_a_chain_the_node_is_unchanged() {
        let (shared, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(node.path().join(SINGLE), "single").unwrap();
        let error = copy_chain(shared.path(), node.path()).unwrap_err().to_string();
        assert!(error.contains("10-terway.conflist") && error.starts_with("open "), "{error}");
        assert!(node.path().join(SINGLE).exists() && !node.path().join(CHAIN).exists());
    }
}
