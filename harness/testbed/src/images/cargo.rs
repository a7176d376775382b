//! Builds static programs of this workspace with cargo, and finds the parts of the workspace's shared files that concern one
//! program.
//!
//! A hash of the whole Cargo.lock would rebuild every static program, and the images that contain them, whenever any
//! dependency of any crate changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pins::Arch;
use super::recipe::CargoStep;
use crate::build_error::{Context as _, Result, refuse};
use crate::cache::{Cache, touch};
use crate::exec::Cmd;

/// The limit for one build.
const BUILD: Duration = Duration::from_secs(20 * 60);

/// The build of a program.
pub(super) struct CargoBuild<'a> {
    /// The step.
    pub step: &'a CargoStep,
    /// The architecture.
    pub arch: Arch,
    /// The checkout.
    pub root: &'a Path,
    /// The cache. It contains cargo's target folder, so that a new checkout reuses compiled dependencies.
    pub cache: &'a Cache,
}

impl CargoBuild<'_> {
    /// Builds the program into `folder`.
    pub(super) async fn build(&self, folder: &Path, on_line: impl Fn(&str) + Send + Sync + 'static) -> Result<()> {
        let target = self.cache.root().join("cargo");
        // Held until the program is copied, because the build of another checkout writes to the same path.
        let _turn = self.cache.turn("cargo", "the build of another program of a workspace").await?;
        touch(&target);
        let made = target.join(self.arch.target()).join("static");
        forget_own_crates(&made.join(".fingerprint"))?;
        let cargo = Cmd::new("cargo")
            .args(["build", "--locked", "--profile", "static", "--target", self.arch.target()])
            .args(["--package", &self.step.package, "--bin", &self.step.program])
            .arg("--target-dir")
            .arg(target.display().to_string())
            .dir(self.root)
            // Nodes, pods and guests have another libc or none.
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .without_env("CARGO_ENCODED_RUSTFLAGS")
            .deadline(BUILD)
            .on_line(on_line);
        cargo.run_ok().await.with_context(|| format!("failed to build {}", self.step.package))?;
        self.check_sources(&made)?;
        let name = self.step.rename.as_ref().unwrap_or(&self.step.program);
        let program = made.join(&self.step.program);
        fs::copy(&program, folder.join(name)).with_context(|| format!("cargo left no {}", program.display()))?;
        Ok(())
    }

    /// Checks that the cache key covers every source file that the compiler read.
    fn check_sources(&self, made: &Path) -> Result<()> {
        let path = made.join(format!("{}.d", self.step.program));
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let root = normalize_path(self.root);
        for source in parse_dependencies(&text) {
            let Ok(relative) = normalize_path(&source).strip_prefix(&root).map(Path::to_path_buf) else { continue };
            if !self.step.sources.iter().any(|known| relative.starts_with(known)) {
                refuse!(
                    "{} is part of {}, but its recipe does not list it in `sources`, so a change of it would not be noticed",
                    relative.display(),
                    self.step.package
                );
            }
        }
        Ok(())
    }
}

/// Makes cargo recompile the workspace's own packages. cargo identifies them only by their path in the workspace and the age of
/// their files. So in a target folder of several checkouts it would confuse them.
fn forget_own_crates(fingerprints: &Path) -> Result<()> {
    for entry in fs::read_dir(fingerprints).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("plumbline") {
            fs::remove_dir_all(entry.path()).with_context(|| format!("failed to remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The files after the colon in cargo's dependency file (make's format, with a backslash before a space in a name).
fn parse_dependencies(text: &str) -> Vec<PathBuf> {
    let files =
        text.lines().filter_map(|line| line.split_once(": ")).map(|(_, files)| files).collect::<Vec<_>>().join(" ");
    let mut found = vec![String::new()];
    let mut letters = files.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => found.last_mut().expect("never empty").extend(letters.next()),
            ' ' => found.push(String::new()),
            _ => found.last_mut().expect("never empty").push(letter),
        }
    }
    found.into_iter().filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

/// The path without `.` and `..`, read as text.
fn normalize_path(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            _ => plain.push(part),
        }
    }
    plain
}

/// The part of Cargo.lock that is read here.
#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The part of the root manifest that is read here.
#[derive(Deserialize)]
struct RootManifest {
    workspace: Option<WorkspaceTable>,
    #[serde(default)]
    profile: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct WorkspaceTable {
    package: Option<toml::Value>,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

/// One text with everything that concerns `package`: the locked packages that it is built from, and their entries in the root
/// manifest. Equal texts mean equal programs.
pub(super) fn read_closure(root: &Path, package: &str) -> Result<String> {
    let lock: LockFile = read_toml(&root.join("Cargo.lock"))?;
    let (mut seen, mut lines) = (BTreeSet::new(), BTreeSet::new());
    let mut next = vec![package.to_owned()];
    while let Some(name) = next.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        // A new crate is not locked yet. Then cargo's own error message is better.
        for locked in lock.package.iter().filter(|locked| locked.name == name) {
            let LockedPackage { version, source, checksum, .. } = locked;
            lines.insert(format!("{name} {version} {source:?} {checksum:?}"));
            // A dependency is a name, with a version if there are several.
            next.extend(locked.dependencies.iter().filter_map(|needed| needed.split(' ').next()).map(str::to_owned));
        }
    }
    let manifest: RootManifest = read_toml(&root.join("Cargo.toml"))?;
    for name in ["static", "release"] {
        lines.insert(format!("profile {name} {:?}", manifest.profile.get(name)));
    }
    if let Some(workspace) = manifest.workspace {
        lines.insert(format!("package {:?}", workspace.package));
        let concerns = |name: &String, value: &toml::Value| {
            let package = value.get("package").and_then(toml::Value::as_str);
            seen.contains(package.unwrap_or(name))
        };
        let concerned = workspace.dependencies.iter().filter(|(name, value)| concerns(name, value));
        lines.extend(concerned.map(|(name, value)| format!("dependency {name} {value:?}")));
    }
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("failed to read {}", path.display()))
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
        read_closure(dir.path(), "pause").unwrap()
    }

    #[test]
    fn only_the_crates_own_dependencies_and_profile_count() {
        let first = of_texts(MANIFEST, LOCK);
        assert_eq!(first, of_texts(&MANIFEST.replace("kube = \"5\"", "kube = \"6\""), &LOCK.replace("5.0.0", "6.0.0")));
        assert_eq!(first, of_texts(&MANIFEST.replace("debug = 0", "debug = 1"), LOCK));
        assert_ne!(first, of_texts(MANIFEST, &LOCK.replace("0.2.1", "0.2.2")), "a dependency of a dependency");
        assert_ne!(first, of_texts(MANIFEST, &LOCK.replace("\"aa\"", "\"bb\"")), "another hash of the same version");
        assert_ne!(first, of_texts(&MANIFEST.replace("version = \"1\"", "version = \"1\", features = []"), LOCK));
        assert_ne!(first, of_texts(&MANIFEST.replace("lto = true", "lto = false"), LOCK));
    }

    #[test]
    fn fingerprints_of_own_crates_are_removed_and_those_of_dependencies_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plumbline-core-1a", "plumbline-agent-2b", "serde-3c"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        forget_own_crates(folder.path()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["serde-3c"]);
        forget_own_crates(&folder.path().join("not-there")).unwrap();
    }

    #[test]
    fn a_dependency_file_is_parsed() {
        let text = "/t/agent: /src/a.rs /src/with\\ space.rs\n\n/t/agent.d: /src/b/../c.rs\n";
        let files: Vec<_> = parse_dependencies(text).iter().map(|path| normalize_path(path)).collect();
        assert_eq!(files, [Path::new("/src/a.rs"), Path::new("/src/with space.rs"), Path::new("/src/c.rs")]);
    }
}
