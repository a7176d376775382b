//! Where the project's own files are: the folder with `clusters/`, `images/` and `suites/`.
//!
//! Found at run time, never by a path compiled in: one build folder may serve several checkouts.

use std::path::{Path, PathBuf};

/// The environment variable that names the folder.
pub const VARIABLE: &str = "PLUMBLINE_ROOT";

/// Finds the folder: `PLUMBLINE_ROOT`, else upwards from the current folder, else upwards from this program.
///
/// # Errors
/// When none of them leads to it: says what was tried.
pub fn find() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let path = PathBuf::from(named);
        anyhow::ensure!(
            is_root(&path),
            "{VARIABLE} is {}, which holds no clusters/, images/ and suites/",
            path.display()
        );
        return Ok(std::path::absolute(path)?);
    }
    let here = std::env::current_dir().ok();
    let program = std::env::current_exe().ok();
    for start in [here.as_deref(), program.as_deref()].into_iter().flatten() {
        if let Some(root) = start.ancestors().find(|p| is_root(p)) {
            return Ok(root.to_owned());
        }
    }
    anyhow::bail!(
        "the folder with clusters/, images/ and suites/ was not found above {} nor above the program; run from a checkout of Plumbline or set {VARIABLE}",
        here.map_or_else(|| "the current folder".to_owned(), |p| p.display().to_string())
    )
}

fn is_root(path: &Path) -> bool {
    ["clusters", "images", "suites"].iter().all(|name| path.join(name).is_dir())
}

#[cfg(test)]
mod tests {
    use super::is_root;

    #[test]
    fn a_root_has_all_three_folders() {
        let dir = std::env::temp_dir().join(format!("plumbline-root-{}", std::process::id()));
        for name in ["clusters", "images"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        assert!(!is_root(&dir));
        std::fs::create_dir_all(dir.join("suites")).unwrap();
        assert!(is_root(&dir));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
