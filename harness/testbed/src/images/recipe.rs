//! `images/<name>/recipe.yaml`: how a set of tools or an image is made, as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::document;
use super::tree::Item;

/// One recipe.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Recipe {
    api_version: String,
    kind: String,
    /// Name, purpose and rank.
    pub metadata: Metadata,
    /// What is built, each step on its own.
    pub steps: Vec<Step>,
    /// The image that is made of the steps' results; none for a set of tools.
    #[serde(default)]
    pub image: Option<Image>,
    /// The recipe's folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// A recipe's name, purpose and rank.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// The name of its folder.
    pub name: String,
    /// One line about what it is for.
    pub summary: String,
    /// Builds of everything go by rising rank, so that what is needed first is there first.
    pub rank: u32,
    /// Built only where it is named: nothing that users run needs it.
    #[serde(default)]
    pub on_demand: bool,
}

/// One step: something that is built and kept in the cache by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Programs out of a pinned Go module.
    Go(Go),
    /// A static program out of this workspace.
    Cargo(Cargo),
    /// A root file system out of Debian packages.
    Debian(Debian),
    /// A folder of files from other steps.
    Folder(Folder),
    /// What a virtual machine boots.
    Guest(Guest),
}

/// Programs out of a pinned Go module, static, without cgo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// Name of the step.
    pub id: String,
    /// Which pin.
    pub pin: String,
    /// Full import paths of main packages. They are compiled in one go, as they share most packages.
    pub packages: Vec<String>,
    /// Variables set at link time, import path and name to value (may name versions).
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Build tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Names of programs where the last element of the import path is not what users call it.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
}

impl Go {
    /// The names of the programs it gives.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(|package| {
            let mut parts = package.rsplit('/').filter(|part| !is_major(part));
            let name = parts.next().unwrap_or(package);
            self.rename.get(name).map_or(name, String::as_str)
        })
    }
}

/// Whether a path element is a major version such as `v3`, which Go leaves out of a program's name.
fn is_major(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A static program out of this workspace, profile `static`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cargo {
    /// Name of the step.
    pub id: String,
    /// The crate.
    pub package: String,
    /// Its program.
    pub program: String,
    /// The name that the program gets, where it is another.
    #[serde(default)]
    pub rename: Option<String>,
    /// Folders and files, from the top of the checkout, whose content decides whether it is built again, beside what
    /// Cargo.lock and the root manifest say about the crate. A source file that the compiler read and that is not below
    /// one of them fails the build.
    pub sources: Vec<PathBuf>,
}

/// A root file system out of Debian packages, as a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debian {
    /// Name of the step.
    pub id: String,
    /// Which pin.
    pub pin: String,
    /// Packages, beside those that Debian marks as required. `ARCH` in a name stands for the architecture's.
    pub packages: Vec<String>,
    /// Paths (shell patterns) that packages shall not unpack, such as documentation.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Paths (shell patterns) that are removed after all is installed.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A folder of files from other steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// Name of the step.
    pub id: String,
    /// What goes in.
    pub items: Vec<Item>,
}

/// What a virtual machine boots: kernel, early modules, disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// Name of the step.
    pub id: String,
    /// The Debian step that becomes the disk; one kernel package is in it.
    pub root: StepRef,
    /// Modules that are loaded before the disk is there; what they need is found by itself.
    pub early: Vec<String>,
    /// What else goes onto the disk.
    pub items: Vec<Item>,
}

impl Step {
    /// The step's name in its recipe.
    pub fn id(&self) -> &str {
        match self {
            Self::Go(step) => &step.id,
            Self::Cargo(step) => &step.id,
            Self::Debian(step) => &step.id,
            Self::Folder(step) => &step.id,
            Self::Guest(step) => &step.id,
        }
    }
}

/// An image made of layers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Repository of its reference. Never pushed: the name says that it is local.
    pub repository: String,
    /// First part of its tag (may name versions); the hash of all that went in is appended.
    pub tag: String,
    /// From the bottom up.
    pub layers: Vec<Layer>,
    /// How it runs.
    #[serde(default)]
    pub config: Config,
}

/// One layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// The root file system of a Debian step.
    Debian(StepRef),
    /// Files.
    Tree(Vec<Item>),
    /// The state folder of a containerd that has images unpacked.
    Preload(Preload),
}

/// How an image runs; names as in the image specification's config.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Program and first arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Default arguments.
    #[serde(default)]
    pub command: Vec<String>,
    /// `NAME=value`.
    #[serde(default)]
    pub env: Vec<String>,
    /// User and group by number; root where there is none.
    #[serde(default)]
    pub user: Option<String>,
    /// The signal that asks it to stop.
    #[serde(default)]
    pub stop_signal: Option<String>,
}

/// Images that are unpacked into a containerd's state folder, so that a node starts without a pull.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preload {
    /// The step that has `containerd` and `ctr`.
    pub containerd: StepRef,
    /// The step that has `kubeadm`, which says under which references it wants the images.
    pub kubeadm: StepRef,
    /// The Kubernetes version whose images are asked for (may name versions).
    pub version: String,
    /// containerd's state folder in the image.
    pub folder: String,
    /// Which images.
    pub images: Vec<PreloadImage>,
}

/// An image with one program in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreloadImage {
    /// Last element of the repository in kubeadm's list, such as `kube-proxy`.
    pub name: String,
    /// The step that has the program.
    pub from: StepRef,
    /// The program's name in that step.
    pub program: String,
    /// Where it stands in the image.
    pub path: String,
    /// A Debian step below it, for a program that calls others.
    #[serde(default)]
    pub base: Option<StepRef>,
}

/// A step by `id` (of the same recipe) or `recipe/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepRef(String);

impl StepRef {
    /// Recipe and step, seen from the recipe `here`.
    pub fn resolve<'a>(&'a self, here: &'a str) -> (&'a str, &'a str) {
        self.0.split_once('/').unwrap_or((here, &self.0))
    }
}

impl From<&str> for StepRef {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Recipe {
    /// Reads and checks the recipe in a folder.
    ///
    /// # Errors
    /// With file, line and column where it does not read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("recipe.yaml");
        let mut recipe: Self = document::read(&path)?;
        document::check(&path, (&recipe.api_version, &recipe.kind), "ImageRecipe")?;
        let name = folder.file_name().and_then(|name| name.to_str()).context("a recipe folder has no name")?;
        if recipe.metadata.name != name {
            bail!("{}: the name is `{}`, but the folder is `{name}`", path.display(), recipe.metadata.name);
        }
        for (index, step) in recipe.steps.iter().enumerate() {
            if recipe.steps[..index].iter().any(|other| other.id() == step.id()) {
                bail!("{}: two steps are called `{}`", path.display(), step.id());
            }
        }
        folder.clone_into(&mut recipe.folder);
        Ok(recipe)
    }

    /// The step of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn step(&self, id: &str) -> Result<&Step> {
        let found = self.steps.iter().find(|step| step.id() == id);
        found.with_context(|| format!("the recipe `{}` has no step `{id}`", self.metadata.name))
    }
}
