//! `images/<name>/recipe.yaml`: how a set of tools or an image is made, as data, and which steps each part takes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::items::{StepRef, TreeItem};
use crate::build_error::{Context as _, Result, refuse};
use crate::document;

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
    pub image: Option<ImageRecipe>,
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
    /// The build order: lower numbers are built first.
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
    Go(GoStep),
    /// A static program out of this workspace.
    Cargo(CargoStep),
    /// A root file system out of Debian packages.
    Debian(DebianStep),
    /// A folder of files from other steps.
    Folder(FolderStep),
    /// What a virtual machine boots.
    Guest(GuestStep),
}

/// Programs out of a pinned Go module, static, without cgo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoStep {
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

impl GoStep {
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
pub struct CargoStep {
    /// Name of the step.
    pub id: String,
    /// The crate.
    pub package: String,
    /// Its program.
    pub program: String,
    /// The name that the program gets, where it is another.
    pub rename: Option<String>,
    /// Folders and files, from the top of the checkout, whose content decides whether it is built again, beside what
    /// Cargo.lock and the root manifest say about the crate. A source file that the compiler read and that is not below
    /// one of them fails the build.
    pub sources: Vec<PathBuf>,
}

/// A root file system out of Debian packages, as a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianStep {
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
pub struct FolderStep {
    /// Name of the step.
    pub id: String,
    /// What goes in.
    pub items: Vec<TreeItem>,
}

/// What a virtual machine boots: kernel, early modules, disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestStep {
    /// Name of the step.
    pub id: String,
    /// The Debian step that becomes the disk; one kernel package is in it.
    pub root: StepRef,
    /// Modules that are loaded before the disk appears; their dependencies are added automatically.
    pub early: Vec<String>,
    /// What else goes onto the disk.
    pub items: Vec<TreeItem>,
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
pub struct ImageRecipe {
    /// Repository of its reference. Never pushed: its name marks it as local.
    pub repository: String,
    /// First part of its tag (may name versions); the hash of all that went in is appended.
    pub tag: String,
    /// From the bottom up.
    pub layers: Vec<LayerRecipe>,
    /// How it runs.
    #[serde(default)]
    pub config: ImageConfig,
}

/// One layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LayerRecipe {
    /// The root file system of a Debian step.
    Debian(StepRef),
    /// Files.
    Tree(Vec<TreeItem>),
    /// The state folder of a containerd that has images unpacked.
    Preload(Preload),
}

/// How an image runs; names as in the image specification's config.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageConfig {
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// User and group by number; root where there is none.
    pub user: Option<String>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<String>,
}

/// Images that are unpacked into a containerd's state folder, so that a node starts without a pull.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preload {
    /// The step that has `containerd` and `ctr`.
    pub containerd: StepRef,
    /// The step that has `kubeadm`, which lists the references of the images that it needs.
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
    pub base: Option<StepRef>,
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
            refuse!("{}: the name is `{}`, but the folder is `{name}`", path.display(), recipe.metadata.name);
        }
        for (index, step) in recipe.steps.iter().enumerate() {
            if recipe.steps[..index].iter().any(|other| other.id() == step.id()) {
                refuse!("{}: two steps are called `{}`", path.display(), step.id());
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

/// A step and its recipe.
#[derive(Clone, Copy)]
pub(super) struct RecipeStep<'a> {
    /// The recipe it stands in.
    pub recipe: &'a Recipe,
    /// The step.
    pub step: &'a Step,
}

impl RecipeStep<'_> {
    /// `recipe/step`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.recipe.metadata.name, self.step.id())
    }
}

/// The steps that an item list takes from.
fn dependencies(items: &[TreeItem]) -> impl Iterator<Item = &StepRef> {
    items.iter().filter_map(TreeItem::dependencies)
}

impl Step {
    /// The steps that this one takes from.
    pub(super) fn dependencies(&self) -> Vec<&StepRef> {
        match self {
            Self::Folder(folder) => dependencies(&folder.items).collect(),
            Self::Guest(guest) => std::iter::once(&guest.root).chain(dependencies(&guest.items)).collect(),
            Self::Go(_) | Self::Cargo(_) | Self::Debian(_) => vec![],
        }
    }
}

impl ImageRecipe {
    /// The steps that the image takes from, each once, in the order of their first use.
    pub(super) fn dependencies(&self) -> Vec<&StepRef> {
        let mut all: Vec<&StepRef> = Vec::new();
        for layer in &self.layers {
            match layer {
                LayerRecipe::Debian(step) => all.push(step),
                LayerRecipe::Tree(items) => all.extend(dependencies(items)),
                LayerRecipe::Preload(preload) => {
                    all.extend([&preload.containerd, &preload.kubeadm]);
                    all.extend(
                        preload.images.iter().flat_map(|image| [Some(&image.from), image.base.as_ref()]).flatten(),
                    );
                }
            }
        }
        let mut once: Vec<&StepRef> = Vec::new();
        for step in all {
            if !once.contains(&step) {
                once.push(step);
            }
        }
        once
    }

    /// All items of its layers.
    pub(super) fn items(&self) -> impl Iterator<Item = &TreeItem> {
        self.layers.iter().flat_map(|layer| match layer {
            LayerRecipe::Tree(items) => items.as_slice(),
            LayerRecipe::Debian(_) | LayerRecipe::Preload(_) => &[],
        })
    }
}
