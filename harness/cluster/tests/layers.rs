//! What must be absent here and in the crate kube: the name of a default-network provider.

use std::path::{Path, PathBuf};

/// The names of providers, by the crates that register them.
const PROVIDERS: [&str; 1] = ["terway"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_provider_is_named() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = vec![here.join("Cargo.toml"), here.join("../kube/Cargo.toml")];
    all.extend(files(&here.join("src")));
    all.extend(files(&here.join("../kube/src")));
    for file in all {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        let named = PROVIDERS.iter().find(|name| text.contains(*name));
        assert_eq!(named, None, "{}", file.display());
    }
}
