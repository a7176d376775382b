//! Builds programs from pinned Go modules.
//!
//! The programs are built from a small generated module that requires the pinned one. Its go.mod has the same requirements, go
//! version and `godebug` settings (Go reads these only from the main module). `replace` directives to local folders, which a
//! module from a proxy can't have, are dropped or point at the pin's staging version. The pinned module's go.sum is copied, so
//! its locked hash covers everything in it. Other modules must be in the lock file itself.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::lock::{Lock, Module};
use super::pins::{Arch, GoPin};
use super::recipe::GoStep;
use crate::build_error::{Context as _, Result, refuse};
use crate::exec::Cmd;

/// The limit for one `go build`. Kubernetes takes five minutes on two cores.
const BUILD: Duration = Duration::from_secs(40 * 60);
/// The limit for downloading one module.
const FETCH: Duration = Duration::from_secs(10 * 60);

/// A module in the module cache.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FetchedModule {
    /// Its folder.
    pub dir: PathBuf,
    /// Its go.mod.
    pub go_mod: PathBuf,
    /// Its hash.
    pub sum: String,
}

/// Downloads a pinned module and checks its hash. With `update` a hash that is not locked is accepted.
pub(super) async fn fetch(pin: &GoPin, lock: &Lock, update: bool) -> Result<FetchedModule> {
    if which::which("go").is_err() {
        refuse!(
            "`go` is not in PATH; install Go 1.25 or later to build {} (or use a cache that was filled on another host)",
            pin.module
        );
    }
    let name = format!("{}@{}", pin.module, pin.version);
    let printed = Cmd::new("go")
        .args(["mod", "download", "-json", &name])
        .dir(std::env::temp_dir())
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        .deadline(FETCH)
        .run_ok()
        .await
        .with_context(|| format!("failed to fetch the Go module {name}; see `go env GOPROXY`"))?;
    let fetched: FetchedModule =
        serde_json::from_str(&printed.stdout).with_context(|| format!("`go mod download` gave no place of {name}"))?;
    if !update {
        lock.check_modules(&[locked_module(pin, &fetched)])?;
    }
    Ok(fetched)
}

fn locked_module(pin: &GoPin, fetched: &FetchedModule) -> Module {
    Module { module: pin.module.clone(), version: pin.version.clone(), sum: fetched.sum.clone() }
}

/// The build of programs.
pub(super) struct GoBuild<'a> {
    /// The step.
    pub step: &'a GoStep,
    /// Its pin.
    pub pin: &'a GoPin,
    /// The lock file's content.
    pub lock: &'a Lock,
    /// Whether modules that are not locked are accepted and locked afterwards.
    pub update: bool,
    /// The architecture.
    pub arch: Arch,
    /// Variables set at link time, filled in.
    pub variables: Vec<(String, String)>,
}

impl GoBuild<'_> {
    /// Builds the programs into `folder` and returns the modules that must be locked.
    pub(super) async fn build(
        &self,
        folder: &Path,
        on_line: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Vec<Module>> {
        let fetched = fetch(self.pin, self.lock, self.update).await?;
        let main = tempfile::Builder::new()
            .prefix("plumbline-go-")
            .tempdir()
            .context("failed to make a folder for a build")?;
        let own_sums = fs::read_to_string(fetched.dir.join("go.sum")).unwrap_or_default();
        fs::write(main.path().join("go.mod"), self.go_mod(&fetched).await?)?;
        fs::write(main.path().join("go.sum"), &own_sums)?;
        let out = main.path().join("out");
        fs::create_dir(&out)?;
        fs::create_dir(main.path().join("tmp"))?;
        self.compile(main.path(), &out, on_line).await?;
        let modules = self.modules_to_lock(&fetched, &own_sums, &fs::read_to_string(main.path().join("go.sum"))?);
        if !self.update {
            self.lock.check_modules(&modules)?;
        }
        for (built, wanted) in self.built_names() {
            let from = out.join(&built);
            fs::copy(&from, folder.join(&wanted)).with_context(|| format!("go build left no {built}"))?;
        }
        Ok(modules)
    }

    async fn compile(&self, dir: &Path, out: &Path, on_line: impl Fn(&str) + Send + Sync + 'static) -> Result<()> {
        // Without symbol tables the programs are a third smaller, and panics still name functions and lines.
        let mut flags = "-s -w".to_owned();
        for (name, value) in &self.variables {
            if value.contains(char::is_whitespace) {
                refuse!("the value of {name} has a space in it, which the linker's flags cannot carry");
            }
            let _ = write!(flags, " -X {name}={value}");
        }
        let mut command = Cmd::new("go");
        if let Some(toolchain) = &self.pin.toolchain {
            command = command.env("GOTOOLCHAIN", toolchain);
        }
        let command = command
            // No debug information: it would be stripped below, and generating it takes a seventh of the compile time.
            .args(["build", "-mod=mod", "-trimpath", "-buildvcs=false", "-v", "-gcflags=all=-dwarf=false"])
            .args(["-tags".to_owned(), self.step.tags.join(","), "-ldflags".to_owned(), flags])
            .args(["-o".to_owned(), format!("{}/", out.display())])
            .args(self.step.packages.iter().cloned());
        let built = command
            .dir(dir)
            .env("CGO_ENABLED", "0")
            .env("GOOS", "linux")
            .env("GOARCH", self.arch.name())
            .env("GOWORK", "off")
            .env("GO111MODULE", "on")
            // In the cache's own folder, so that a killed build leaves nothing in /tmp.
            .env("GOTMPDIR", dir.join("tmp").display().to_string())
            .deadline(BUILD)
            .on_line(on_line)
            .run_ok()
            .await;
        built.with_context(|| format!("failed to build {} {}", self.pin.module, self.pin.version))?;
        Ok(())
    }

    /// The go.mod of the module that requires the pinned one.
    async fn go_mod(&self, fetched: &FetchedModule) -> Result<String> {
        let printed =
            Cmd::new("go").args(["mod", "edit", "-json"]).arg(fetched.go_mod.display().to_string()).run_ok().await?;
        let upstream: GoMod =
            serde_json::from_str(&printed.stdout).context("`go mod edit -json` gave something unknown")?;
        Ok(upstream.derive_text(self.pin))
    }

    /// The pinned module, and the modules in `all` (a go.sum after the build) that its own go.sum does not list. Hashes of
    /// go.mod files are ignored, because the hashes of the resulting modules cover them.
    fn modules_to_lock(&self, fetched: &FetchedModule, own: &str, all: &str) -> Vec<Module> {
        let own: BTreeSet<&str> = own.lines().collect();
        let mut modules = vec![locked_module(self.pin, fetched)];
        for line in all.lines().filter(|line| !own.contains(line)) {
            let [path, version, sum] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            if !version.ends_with("/go.mod") {
                modules.push(Module { module: path.into(), version: version.into(), sum: sum.into() });
            }
        }
        modules.sort();
        modules.dedup();
        modules
    }

    /// The names of programs from `go build`, and those of the step.
    fn built_names(&self) -> Vec<(String, String)> {
        let plain = GoStep { rename: std::collections::BTreeMap::default(), ..self.step.clone() };
        let built: Vec<_> = plain.programs().map(str::to_owned).collect();
        built.into_iter().zip(self.step.programs().map(str::to_owned)).collect()
    }
}

/// A go.mod, in the format of `go mod edit -json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GoMod {
    go: Option<String>,
    godebug: Option<Vec<KeyValue>>,
    require: Option<Vec<Version>>,
    exclude: Option<Vec<Version>>,
    replace: Option<Vec<Replace>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyValue {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    path: String,
    #[serde(default)]
    version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Replace {
    old: Version,
    new: Version,
}

impl GoMod {
    /// The text of a go.mod that requires `pin` and otherwise has the same content.
    fn derive_text(&self, pin: &GoPin) -> String {
        let mut text = String::from("module plumbline.dev/images/build\n");
        if let Some(go) = &self.go {
            let _ = writeln!(text, "go {go}");
        }
        for setting in self.godebug.iter().flatten() {
            let _ = writeln!(text, "godebug {}={}", setting.key, setting.value);
        }
        let _ = writeln!(text, "require {} {}", pin.module, pin.version);
        let staging = |version: &str| match &pin.staging {
            Some(staging) if version == "v0.0.0" => staging.clone(),
            _ => version.to_owned(),
        };
        for need in self.require.iter().flatten() {
            let _ = writeln!(text, "require {} {}", need.path, staging(&need.version));
        }
        for ban in self.exclude.iter().flatten() {
            let _ = writeln!(text, "exclude {} {}", ban.path, ban.version);
        }
        for Replace { old, new } in self.replace.iter().flatten() {
            let from = format!("{} {}", old.path, old.version);
            if !new.version.is_empty() {
                let _ = writeln!(text, "replace {} => {} {}", from.trim(), new.path, new.version);
            } else if let Some(staging) = &pin.staging {
                let _ = writeln!(text, "replace {} => {} {staging}", from.trim(), old.path);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive_text(json: &str, staging: Option<&str>) -> String {
        let pin = GoPin {
            module: "k8s.io/kubernetes".into(),
            version: "v1.35.4".into(),
            arch: vec![Arch::Amd64],
            staging: staging.map(Into::into),
            toolchain: None,
        };
        serde_json::from_str::<GoMod>(json).unwrap().derive_text(&pin)
    }

    #[test]
    fn placeholders_become_the_staging_version() {
        let text = derive_text(
            r#"{"Go": "1.25.0", "Godebug": [{"Key": "default", "Value": "go1.25"}],
                "Require": [{"Path": "k8s.io/api", "Version": "v0.0.0"}, {"Path": "example.org/x", "Version": "v1.2.3"}],
                "Replace": [{"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}]}"#,
            Some("v0.35.4"),
        );
        for line in [
            "go 1.25.0",
            "godebug default=go1.25",
            "require k8s.io/kubernetes v1.35.4",
            "require k8s.io/api v0.35.4",
            "require example.org/x v1.2.3",
            "replace k8s.io/api => k8s.io/api v0.35.4",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn local_replacements_are_dropped_and_others_stay() {
        let text = derive_text(
            r#"{"Replace": [{"Old": {"Path": "a"}, "New": {"Path": "../a"}},
                {"Old": {"Path": "b", "Version": "v1.0.0"}, "New": {"Path": "c", "Version": "v2.0.0"}}]}"#,
            None,
        );
        assert!(!text.contains("../a"), "{text}");
        assert!(text.contains("replace b v1.0.0 => c v2.0.0\n"), "{text}");
    }
}
