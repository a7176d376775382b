//! `images/<name>/recipe.yaml`: the build of a set of tools or an image, as data, and the dependencies of each part.

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
    /// The separately built steps.
    pub steps: Vec<Step>,
    /// The image that is built from the steps' results; none for a set of tools.
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
    /// One line about its purpose.
    pub summary: String,
    /// The build order: lower numbers are built first.
    pub rank: u32,
    /// Built only by name, because no user command needs it.
    #[serde(default)]
    pub on_demand: bool,
}

/// One step: a separately built and cached result.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Programs from a pinned Go module.
    Go(GoStep),
    /// A static program of this workspace.
    Cargo(CargoStep),
    /// A root file system from Debian packages.
    Debian(DebianStep),
    /// A folder of files from other steps.
    Folder(FolderStep),
    /// The boot files of a virtual machine.
    Guest(GuestStep),
}

/// Programs from a pinned Go module, static, without cgo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoStep {
    /// Name of the step.
    pub id: String,
    /// The pin.
    pub pin: String,
    /// Full import paths of main packages. They are compiled together, because they share most packages.
    pub packages: Vec<String>,
    /// Variables set at link time: import path and name to value, which may contain versions.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Build tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Names of programs whose import path ends with another name.
    #[serde(default)]
    pub rename: BTreeMap<String, String>,
}

impl GoStep {
    /// The names of its programs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(|package| {
            let mut parts = package.rsplit('/').filter(|part| !is_major(part));
            let name = parts.next().unwrap_or(package);
            self.rename.get(name).map_or(name, String::as_str)
        })
    }
}

/// Whether a path element is a major version such as `v3`, which Go omits from a program's name.
fn is_major(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A static program of this workspace, profile `static`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CargoStep {
    /// Name of the step.
    pub id: String,
    /// The crate.
    pub package: String,
    /// Its program.
    pub program: String,
    /// The new name of the program, if it is renamed.
    pub rename: Option<String>,
    /// Folders and files, relative to the top of the checkout. A change of their content rebuilds the program, and so does a
    /// change of the crate's entries in Cargo.lock and the root manifest. If the compiler reads a source file outside them, the
    /// build fails.
    pub sources: Vec<PathBuf>,
}

/// A root file system from Debian packages, as a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianStep {
    /// Name of the step.
    pub id: String,
    /// The pin.
    pub pin: String,
    /// Packages, in addition to those that Debian marks as required. `ARCH` in a name is replaced with the architecture.
    pub packages: Vec<String>,
    /// Paths (shell patterns) that packages must not unpack, such as documentation.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Paths (shell patterns) that are removed after the installation.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A folder of files from other steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderStep {
    /// Name of the step.
    pub id: String,
    /// The content.
    pub items: Vec<TreeItem>,
}

/// The boot files of a virtual machine: kernel, early modules, disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestStep {
    /// Name of the step.
    pub id: String,
    /// The Debian step of the disk; it has one kernel package.
    pub root: StepRef,
    /// Modules that are loaded before the disk appears; their dependencies are added automatically.
    pub early: Vec<String>,
    /// Further content of the disk.
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
    /// Repository of its reference. The image is never pushed, and its name marks it as local.
    pub repository: String,
    /// First part of its tag, which may contain versions. The hash of all inputs is appended.
    pub tag: String,
    /// From the bottom up.
    pub layers: Vec<LayerRecipe>,
    /// Its runtime configuration.
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
    /// The state folder of a containerd with unpacked images.
    Preload(Preload),
}

/// The runtime configuration of an image, with the names of the image specification's config.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageConfig {
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// User and group by number; root by default.
    pub user: Option<String>,
    /// The stop signal.
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
    /// The Kubernetes version of the images; may contain versions.
    pub version: String,
    /// containerd's state folder in the image.
    pub folder: String,
    /// The images.
    pub images: Vec<PreloadImage>,
}

/// An image with one program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreloadImage {
    /// Last element of the repository in kubeadm's list, such as `kube-proxy`.
    pub name: String,
    /// The step that has the program.
    pub from: StepRef,
    /// The program's name in that step.
    pub program: String,
    /// Its path in the image.
    pub path: String,
    /// A Debian step as base layer, for a program that calls other programs.
    pub base: Option<StepRef>,
}

impl Recipe {
    /// Reads and checks the recipe in a folder.
    ///
    /// # Errors
    /// With file, line and column if it can't be parsed.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("recipe.yaml");
        let mut recipe: Self = document::read(&path)?;
        document::check(&path, (&recipe.api_version, &recipe.kind), "ImageRecipe")?;
        let name = folder.file_name().and_then(|name| name.to_str()).context("a recipe folder has no name")?;
        if recipe.metadata.name != name {
            refuse!("{}: expected the folder's name `{name}`, found `{}`", path.display(), recipe.metadata.name);
        }
        for (index, step) in recipe.steps.iter().enumerate() {
            if recipe.steps[..index].iter().any(|other| other.id() == step.id()) {
                refuse!("{}: two steps have the id `{}`", path.display(), step.id());
            }
        }
        folder.clone_into(&mut recipe.folder);
        Ok(recipe)
    }

    /// The step with this id.
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
    /// Its recipe.
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

/// The steps that an item list depends on.
fn dependencies(items: &[TreeItem]) -> impl Iterator<Item = &StepRef> {
    items.iter().filter_map(TreeItem::dependencies)
}

impl Step {
    /// The steps that this one depends on.
    pub(super) fn dependencies(&self) -> Vec<&StepRef> {
        match self {
            Self::Folder(folder) => dependencies(&folder.items).collect(),
            Self::Guest(guest) => std::iter::once(&guest.root).chain(dependencies(&guest.items)).collect(),
            Self::Go(_) | Self::Cargo(_) | Self::Debian(_) => vec![],
        }
    }
}

impl ImageRecipe {
    /// The steps that the image depends on, each once, in the order of their first use.
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
