//! What becomes of the chain that the init container made: the one thing of terwayd's that a node's pods depend on here.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file that the init container made (daemon/server.go of Terway 1.17.5, `cinConfFile`).
const CHAIN: &str = "10-terway.conflist";
/// The file of a single plugin that older versions wrote, and that would come first (`prevCNIConfFile`).
const SINGLE: &str = "10-terway.conf";

/// Copies the chain from the folder that init container and daemon share into the node's, and takes the single plugin's
/// file away there. As upstream's `ensureCNIConfig` does it: written in place, mode 0600, and no error where there is
/// no such file to take away.
///
/// # Errors
/// With the path, when the chain is not there or the node's folder can't be written.
pub fn hand_over(shared: &Path, node: &Path) -> Result<(), String> {
    let (from, to) = (shared.join(CHAIN), node.join(CHAIN));
    let of = |path: &Path| format!("{}", path.display());
    let mut source = File::open(&from).map_err(|error| format!("open {}: {error}", of(&from)))?;
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&to);
    let mut target = opened.map_err(|error| format!("open {}: {error}", of(&to)))?;
    let copied = io::copy(&mut source, &mut target).and_then(|_| target.flush());
    copied.map_err(|error| format!("write {}: {error}", of(&to)))?;
    let single = node.join(SINGLE);
    match remove_file(&single) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("remove {}: {error}", of(&single))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{read_to_string, write};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_chain_takes_the_place_of_an_older_one_and_of_the_single_plugin() {
        let (shared, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(shared.path().join(CHAIN), "new").unwrap();
        write(node.path().join(CHAIN), "a longer old one").unwrap();
        write(node.path().join(SINGLE), "single").unwrap();
        let inode = || std::fs::metadata(node.path().join(CHAIN)).unwrap().ino();
        let before = inode();
        hand_over(shared.path(), node.path()).unwrap();
        assert_eq!(read_to_string(node.path().join(CHAIN)).unwrap(), "new");
        assert_eq!(inode(), before, "written in place, as upstream does it");
        assert!(!node.path().join(SINGLE).exists());
    }

    #[test]
    fn without_a_chain_nothing_of_the_nodes_is_touched() {
        let (shared, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(node.path().join(SINGLE), "single").unwrap();
        let error = hand_over(shared.path(), node.path()).unwrap_err();
        assert!(error.contains("10-terway.conflist") && error.starts_with("open "), "{error}");
        assert!(node.path().join(SINGLE).exists() && !node.path().join(CHAIN).exists());
    }
}
