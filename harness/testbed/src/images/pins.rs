//! `images/pins.yaml`: the versions of the sources of all images. Versions are written only there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::build_error::{Context as _, Result, refuse};
use crate::document;

/// A processor architecture, with the common name of Go, Debian and container images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// The architecture of this machine.
    ///
    /// # Errors
    /// On an unsupported architecture.
    pub fn host() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => refuse!("expected a machine with amd64 or arm64, found {other}"),
        }
    }

    /// `amd64` or `arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Rust's target triple for static programs of this architecture.
    pub fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// The pin file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pins {
    api_version: String,
    kind: String,
    /// Go modules, by their names in recipes.
    pub go: BTreeMap<String, GoPin>,
    /// Debian suites, by their names in recipes.
    pub debian: BTreeMap<String, DebianPin>,
}

/// An exact version of a Go module. Its hash is in the lock file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoPin {
    /// Module path.
    pub module: String,
    /// Exact version, with its `v`.
    pub version: String,
    /// The architectures it is built for.
    pub arch: Vec<Arch>,
    /// The version that replaces the module's placeholder requirements (`v0.0.0`, which upstream replaces with local folders).
    /// Kubernetes' staging modules are an example; the module's zip does not contain the folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staging: Option<String>,
    /// The Go toolchain that builds it, such as `go1.25.4`, if it does not build with a newer one. Go downloads it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolchain: Option<String>,
}

/// A Debian suite. Exact package versions cannot be pinned, because mirrors drop old ones. The lock file has the resolved
/// versions, and a package with another version is reported.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPin {
    /// The code name of the suite.
    pub suite: String,
    /// The architectures it is built for.
    pub arch: Vec<Arch>,
}

impl Pins {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// With file, line and column if it can't be parsed; with the pin's name if a version is not exact.
    pub fn read(path: &Path) -> Result<Self> {
        let pins: Self = document::read(path)?;
        document::check(path, (&pins.api_version, &pins.kind), "Pins")?;
        for (name, pin) in &pins.go {
            let exact = pin.version.strip_prefix('v').is_some_and(|rest| {
                rest.split(['-', '+']).next().is_some_and(|core| {
                    let numbers: Vec<_> = core.split('.').collect();
                    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
                })
            });
            if !exact {
                refuse!("{}: go.{name}: `{}` is not an exact version such as v1.2.3", path.display(), pin.version);
            }
        }
        Ok(pins)
    }

    /// The Go module with this name, for this architecture.
    ///
    /// # Errors
    /// When there is none.
    pub fn go(&self, name: &str, arch: Arch) -> Result<&GoPin> {
        let pin = self.go.get(name).with_context(|| format!("images/pins.yaml has no Go module `{name}`"))?;
        if !pin.arch.contains(&arch) {
            refuse!("the Go module `{name}` is not pinned for {} in images/pins.yaml", arch.name());
        }
        Ok(pin)
    }

    /// The Debian suite with this name, for this architecture.
    ///
    /// # Errors
    /// When there is none.
    pub fn debian(&self, name: &str, arch: Arch) -> Result<&DebianPin> {
        let pin = self.debian.get(name).with_context(|| format!("images/pins.yaml has no Debian suite `{name}`"))?;
        if !pin.arch.contains(&arch) {
            refuse!("the Debian suite `{name}` is not pinned for {} in images/pins.yaml", arch.name());
        }
        Ok(pin)
    }

    /// Fills in `{{ versions.NAME }}` (a pin's version, with its `v`) in a text of a recipe.
    ///
    /// # Errors
    /// When the text can't be parsed or names a missing pin.
    pub fn fill(&self, text: &str) -> Result<String> {
        if !text.contains("{{") {
            return Ok(text.to_owned());
        }
        let versions: BTreeMap<String, String> =
            self.go.iter().map(|(name, pin)| (name.clone(), pin.version.clone())).collect();
        let mut environment = minijinja::Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let filled = environment.render_str(text, minijinja::context! { versions });
        filled.with_context(|| format!("failed to fill in `{text}` from images/pins.yaml"))
    }
}
