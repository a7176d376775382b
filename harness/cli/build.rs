//! Puts the pages of `docs/findings/` into the command, so that `plumbline explain` works wherever it is installed.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let folder = here.join("../../docs/findings");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut pages = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "md")
                && path.file_stem().is_some_and(|s| s.to_string_lossy().starts_with("PL"))
            {
                pages.push(path);
            }
        }
    }
    pages.sort();
    let mut code = String::from("pub(super) const PAGES: &[(&str, &str)] = &[\n");
    for page in &pages {
        let name = page.file_stem().unwrap_or_default().to_string_lossy();
        writeln!(code, "    ({name:?}, {:?}),", std::fs::read_to_string(page)?)?;
    }
    code.push_str("];\n");
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("findings.rs"), code)?;
    Ok(())
}
