//! Checks that this crate and the crate kube do not contain the name of a default-network provider.

use std::path::{Path, PathBuf};

/// The names of providers.
const PROVIDERS: [&str; 1] = ["terway"];

fn list_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { list_files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_source_file_names_a_provider() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![here.join("Cargo.toml"), here.join("../kube/Cargo.toml")];
    all.extend(list_files(&here.join("src")));
    all.extend(list_files(&here.join("../kube/src")));
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        let named = PROVIDERS.iter().find(|name| text.contains(*name));
        assert_eq!(named, None, "{}", file.display());
    }
}
