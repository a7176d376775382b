//! Where the project's own files are: the folder with `clusters/`, `images/` and `suites/`.
//!
//! A checkout is found at run time, never by a path compiled in: one build folder may serve several checkouts. Where there
//! is none, the data that was compiled in is laid out in the cache.

use include_dir::{Dir, DirEntry, include_dir};
use plumbline_testbed::cache::{Cache, Key, KeyMaker};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use std::path::{Component, Path, PathBuf};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "PLUMBLINE_ROOT";

/// The data, as the build script gathers it.
static DATA: Dir<'_> = include_dir!("$OUT_DIR/data");

/// Finds the folder: `PLUMBLINE_ROOT`, else upwards from the current folder, else upwards from this program, else the data
/// of this program in the cache.
///
/// # Errors
/// [`TestbedError`] when `PLUMBLINE_ROOT` names another folder, or the data can't be written.
pub fn find() -> Result<PathBuf, TestbedError> {
    let stage = "find Plumbline's files";
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        if !is_root(&path) {
            let cause = format!("{VARIABLE} is {}, which holds no clusters/, images/ and suites/", path.display());
            return Err(TestbedError::new(stage, cause).with_hint(format!("unset {VARIABLE}, or name a checkout")));
        }
        return std::path::absolute(path).at_stage(stage);
    }
    let starts = [std::env::current_dir(), std::env::current_exe()];
    let found = starts.iter().flatten().find_map(|start| start.ancestors().find(|folder| is_root(folder)));
    match found {
        Some(root) => Ok(root.to_owned()),
        None => lay_out_data(&Cache::open().at_stage(stage)?).at_stage(stage),
    }
}

fn is_root(path: &Path) -> bool {
    ["clusters", "images", "suites"].iter().all(|name| path.join(name).is_dir())
        && path.join("images/pins.yaml").is_file()
}

/// The folder in the cache with the data that was compiled in; written where it is missing.
fn lay_out_data(cache: &Cache) -> plumbline_testbed::build_error::Result<PathBuf> {
    cache.get_or_fill(&data_key(), |folder| Ok(DATA.extract(folder)?))
}

fn data_key() -> Key {
    let mut key = KeyMaker::new("data", 1);
    let mut next = vec![&DATA];
    while let Some(folder) = next.pop() {
        for entry in folder.entries() {
            match entry {
                DirEntry::Dir(inner) => next.push(inner),
                DirEntry::File(file) => key = key.part(&file.path().to_string_lossy(), file.contents()),
            }
        }
    }
    key.finish()
}

/// A path without `.` and `..`.
pub fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_all_three_folders_and_the_pins() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["clusters", "images", "suites"] {
            assert!(!is_root(dir.path()));
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        assert!(!is_root(dir.path()));
        std::fs::write(dir.path().join("images/pins.yaml"), "").unwrap();
        assert!(is_root(dir.path()));
    }

    #[test]
    fn the_data_is_that_of_the_checkout_without_its_crates() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(dir.path()).unwrap();
        let root = lay_out_data(&cache).unwrap();
        assert!(is_root(&root));
        assert_eq!(root, lay_out_data(&cache).unwrap());
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for name in ["images/pins.yaml", "images/tools/recipe.yaml", "clusters/hermetic/profile.yaml"] {
            assert_eq!(std::fs::read(root.join(name)).unwrap(), std::fs::read(checkout.join(name)).unwrap(), "{name}");
        }
        assert!(!root.join("images/plugins").exists() && !root.join("clusters/engine/runtime").exists());
    }
}
