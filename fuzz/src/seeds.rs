//! The seeds of a target.

use std::path::{Path, PathBuf};

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The contents of every file below some folders of the checkout whose path ends in `ending`, in the order of their
/// paths. A file longer than `longest` is left out: short inputs find more in the same time.
pub(crate) fn read(folders: &[&str], ending: &str, longest: usize) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let fits = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
    let texts = paths.iter().filter(|path| fits(path)).filter_map(|path| std::fs::read(path).ok());
    texts.filter(|text| text.len() <= longest).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}
