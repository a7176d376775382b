//! Static programs out of this workspace, built by cargo.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::pins::Arch;
use super::recipe::Cargo;
use crate::cache::Cache;
use crate::exec::Cmd;

/// The longest that one build may take.
const BUILD: Duration = Duration::from_secs(20 * 60);

/// How a program is to be built.
pub(super) struct Job<'a> {
    /// The step.
    pub step: &'a Cargo,
    /// For which architecture.
    pub arch: Arch,
    /// The checkout.
    pub root: &'a Path,
    /// The cache. Cargo's target folder is in it, so that a fresh checkout finds its dependencies compiled.
    pub cache: &'a Cache,
}

impl Job<'_> {
    /// Builds the program into `folder`.
    pub(super) async fn build(&self, folder: &Path, on_line: impl Fn(&str) + Send + Sync + 'static) -> Result<()> {
        let target = self.cache.root().join("cargo");
        // Held until the program is copied: another checkout's build would put its own in the same place.
        let _turn = self.cache.turn("cargo", "the build of another program of a workspace").await?;
        let made = target.join(self.arch.target()).join("static");
        forget(&made.join(".fingerprint"))?;
        let cargo = Cmd::new("cargo")
            .args(["build", "--locked", "--profile", "static", "--target", self.arch.target()])
            .args(["--package", &self.step.package, "--bin", &self.step.program])
            .arg("--target-dir")
            .arg(target.display().to_string())
            .dir(self.root)
            // What enters a node, a pod or a guest finds another libc there, or none.
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

    /// Every source file that the compiler read must be one that the cache key knows.
    fn check_sources(&self, made: &Path) -> Result<()> {
        let path = made.join(format!("{}.d", self.step.program));
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let root = plain(self.root);
        for source in dependencies(&text) {
            let Ok(relative) = plain(&source).strip_prefix(&root).map(Path::to_path_buf) else { continue };
            if !self.step.sources.iter().any(|known| relative.starts_with(known)) {
                bail!(
                    "{} is part of {}, but its recipe does not list it in `sources`, so a change of it would not be noticed",
                    relative.display(),
                    self.step.package
                );
            }
        }
        Ok(())
    }
}

/// Makes cargo compile the workspace's own packages anew. It knows them by their place within the workspace and by the
/// age of their files alone, so that in a target folder of several checkouts it would take one's for the other's.
fn forget(fingerprints: &Path) -> Result<()> {
    for entry in fs::read_dir(fingerprints).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("plumbline") {
            fs::remove_dir_all(entry.path()).with_context(|| format!("failed to remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The files right of the colon in cargo's dependency file (in make's form, a space in a name after a backslash).
fn dependencies(text: &str) -> Vec<PathBuf> {
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
fn plain(path: &Path) -> PathBuf {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_checkout_compiled_is_forgotten_and_its_dependencies_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["plumbline-core-1a", "plumbline-agent-2b", "serde-3c"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        forget(folder.path()).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["serde-3c"]);
        forget(&folder.path().join("not-there")).unwrap();
    }

    #[test]
    fn a_dependency_file_is_read() {
        let text = "/t/agent: /src/a.rs /src/with\\ space.rs\n\n/t/agent.d: /src/b/../c.rs\n";
        let files: Vec<_> = dependencies(text).iter().map(|path| plain(path)).collect();
        assert_eq!(files, [Path::new("/src/a.rs"), Path::new("/src/with space.rs"), Path::new("/src/c.rs")]);
    }
}
