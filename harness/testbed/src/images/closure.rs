//! What of the workspace's shared files concerns one crate: the locked packages that it is built from, and the lines of
//! the root manifest about them.
//!
//! Hashing Cargo.lock as a whole would build every static program again, and the images that hold them, whenever any
//! dependency of any crate moves. Both files are read by line: they are written in one known form (cargo's own for the
//! lock, one line for each dependency in the manifest).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// One text with everything that concerns `package`; equal texts, equal program.
pub(super) fn of(root: &Path, package: &str) -> Result<String> {
    let read = |name: &str| fs::read_to_string(root.join(name)).with_context(|| format!("failed to read {name}"));
    let locked = locked(&read("Cargo.lock")?);
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    let mut next = vec![package.to_owned()];
    while let Some(name) = next.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        // A crate that was just added is not locked yet; cargo will say so better than we can.
        for (words, needs) in locked.get(name.split(' ').next().unwrap_or(&name)).into_iter().flatten() {
            text.push_str(words);
            next.extend(needs.iter().cloned());
        }
    }
    let names: BTreeSet<&str> = seen.iter().filter_map(|name| name.split(' ').next()).collect();
    Ok(lines_of_manifest(&read("Cargo.toml")?, &names) + &sorted(&text))
}

fn sorted(text: &str) -> String {
    let lines: BTreeSet<&str> = text.lines().collect();
    lines.into_iter().flat_map(|line| [line, "\n"]).collect()
}

/// The packages of a lock file by name, each as one line, with the names that it depends on.
fn locked(text: &str) -> BTreeMap<String, Vec<(String, Vec<String>)>> {
    let mut packages: BTreeMap<String, Vec<(String, Vec<String>)>> = BTreeMap::new();
    for block in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        let needs =
            block.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\",")).map(str::to_owned).collect();
        let name = field("name");
        let line = format!("{name} {} {} {}\n", field("version"), field("source"), field("checksum"));
        packages.entry(name).or_default().push((line, needs));
    }
    packages
}

/// Of the root manifest: the profile of static programs, the shared package fields, and the dependencies by name.
fn lines_of_manifest(text: &str, names: &BTreeSet<&str>) -> String {
    let mut section = "";
    let mut kept = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') && line.ends_with(']') && !line.contains('"') {
            section = line;
        }
        let concerns = match section {
            "[profile.static]" | "[profile.release]" | "[workspace.package]" => true,
            "[workspace.dependencies]" => {
                line.split([' ', '=']).next().is_some_and(|name| names.contains(name)) || line.contains("package = ")
            }
            _ => false,
        };
        if concerns {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nnix = { version = \"1\" }\nkube = \"5\"\n\
        [profile.dev]\ndebug = 0\n[profile.static]\nlto = true\n";
    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"pause\"\nversion = \"0.1.0\"\ndependencies = [\n \"nix\",\n]\n\n\
        [[package]]\nname = \"nix\"\nversion = \"1.0.0\"\nsource = \"reg\"\nchecksum = \"aa\"\ndependencies = [\n \"libc\",\n]\n\n\
        [[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n\n[[package]]\nname = \"kube\"\nversion = \"5.0.0\"\n";

    fn of_texts(manifest: &str, lock: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        fs::write(dir.path().join("Cargo.lock"), lock).unwrap();
        of(dir.path(), "pause").unwrap()
    }

    #[test]
    fn only_what_concerns_the_crate_counts() {
        let first = of_texts(MANIFEST, LOCK);
        assert_eq!(first, of_texts(&MANIFEST.replace("kube = \"5\"", "kube = \"6\""), &LOCK.replace("5.0.0", "6.0.0")));
        assert_eq!(first, of_texts(&MANIFEST.replace("debug = 0", "debug = 1"), LOCK));
        assert_ne!(first, of_texts(MANIFEST, &LOCK.replace("0.2.1", "0.2.2")), "a dependency of a dependency");
        assert_ne!(first, of_texts(MANIFEST, &LOCK.replace("\"aa\"", "\"bb\"")), "another hash of the same version");
        assert_ne!(first, of_texts(&MANIFEST.replace("version = \"1\"", "version = \"1\", features = []"), LOCK));
        assert_ne!(first, of_texts(&MANIFEST.replace("lto = true", "lto = false"), LOCK));
    }
}
