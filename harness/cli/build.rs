//! Gathers the data of `clusters/`, `images/` and `suites/` that a run needs, so that the library and the command bring it
//! along wherever they are used (see `src/root.rs`).

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders with data. Of `suites/` a run outside the checkout needs the scenarios and their templates alone.
const DATA: [&str; 4] = ["clusters", "images", "suites/scenarios", "suites/templates"];

fn main() -> Result<(), Box<dyn Error>> {
    let top = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../..");
    let data = PathBuf::from(std::env::var("OUT_DIR")?).join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    for name in DATA {
        println!("cargo::rerun-if-changed={}", top.join(name).display());
        copy_data(&top.join(name), &data.join(name))?;
    }
    Ok(())
}

/// Copies a folder without the crates and the pages for readers in it.
fn copy_data(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if from.join("Cargo.toml").exists() && !from.join("recipe.yaml").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            copy_data(&path, &to.join(&*name))?;
        } else if name != "Cargo.toml" && ![".rs", ".md"].iter().any(|end| name.ends_with(end)) {
            fs::create_dir_all(to)?;
            fs::copy(&path, to.join(&*name))?;
        }
    }
    Ok(())
}
