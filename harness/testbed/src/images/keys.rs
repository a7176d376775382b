//! The keys of steps and images: a hash of everything that decides what comes out.
//!
//! A key holds the recipe's own words, the pin, the keys of the steps that are used, the content of recipe files and of
//! this workspace's sources, and the architecture. Compilers are not in it: a newer Go or Rust does not throw away what
//! an older one has built; the record beside each result names the one that was used.

use anyhow::Result;

use super::closure;
use super::pins::Arch;
use super::recipe::{Image, Layer, Recipe, Step, StepRef};
use super::store::Images;
use super::tree::Item;
use crate::cache::{Key, KeyMaker};

/// Raised when the builder changes so much that older results must not be used.
const FORMAT: u32 = 1;

/// A step with its place.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    /// The recipe it stands in.
    pub recipe: &'a Recipe,
    /// The step.
    pub step: &'a Step,
}

impl Placed<'_> {
    /// `recipe/step`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.recipe.metadata.name, self.step.id())
    }
}

/// The steps that an item list takes from.
fn needs(items: &[Item]) -> impl Iterator<Item = &StepRef> {
    items.iter().filter_map(Item::needs)
}

impl Step {
    /// The steps that this one takes from.
    pub(super) fn needs(&self) -> Vec<&StepRef> {
        match self {
            Self::Folder(folder) => needs(&folder.items).collect(),
            Self::Guest(guest) => std::iter::once(&guest.root).chain(needs(&guest.items)).collect(),
            Self::Go(_) | Self::Cargo(_) | Self::Debian(_) => vec![],
        }
    }
}

impl Image {
    /// The steps that the image takes from, each once, in the order of their first use.
    pub(super) fn needs(&self) -> Vec<&StepRef> {
        let mut all: Vec<&StepRef> = Vec::new();
        for layer in &self.layers {
            match layer {
                Layer::Debian(step) => all.push(step),
                Layer::Tree(items) => all.extend(needs(items)),
                Layer::Preload(preload) => {
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
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.layers.iter().flat_map(|layer| match layer {
            Layer::Tree(items) => items.as_slice(),
            Layer::Debian(_) | Layer::Preload(_) => &[],
        })
    }
}

impl Images {
    /// The key of a step.
    pub(super) fn step_key(&self, placed: Placed<'_>, arch: Arch) -> Result<Key> {
        let mut key = start("step", arch, &serde_json::to_vec(placed.step)?);
        match placed.step {
            Step::Go(go) => {
                let pin = self.pins().go(&go.pin, arch)?;
                key = key.part("pin", &serde_json::to_vec(pin)?);
                for (name, value) in &go.variables {
                    key = key.part(name, self.pins().fill(value)?.as_bytes());
                }
            }
            Step::Debian(debian) => key = key.part("pin", &serde_json::to_vec(self.pins().debian(&debian.pin, arch)?)?),
            Step::Cargo(cargo) => {
                key = key.part("closure", closure::of(self.root(), &cargo.package)?.as_bytes());
                for source in &cargo.sources {
                    key = key.tree(&source.to_string_lossy(), &self.root().join(source))?;
                }
            }
            Step::Folder(folder) => key = self.add_items(key, placed.recipe, &folder.items, arch)?,
            Step::Guest(guest) => key = self.add_items(key, placed.recipe, &guest.items, arch)?,
        }
        self.add_needs(key, placed.recipe, placed.step.needs(), arch).map(KeyMaker::finish)
    }

    /// The key of a recipe's image.
    pub(super) fn image_key(&self, recipe: &Recipe, image: &Image, arch: Arch) -> Result<Key> {
        let mut key = start("image", arch, &serde_json::to_vec(image)?);
        key = key.part("tag", self.pins().fill(&image.tag)?.as_bytes());
        for layer in &image.layers {
            match layer {
                Layer::Tree(items) => key = self.add_items(key, recipe, items, arch)?,
                Layer::Preload(preload) => key = key.part("version", self.pins().fill(&preload.version)?.as_bytes()),
                Layer::Debian(_) => {}
            }
        }
        self.add_needs(key, recipe, image.needs(), arch).map(KeyMaker::finish)
    }

    fn add_needs(&self, mut key: KeyMaker, recipe: &Recipe, needs: Vec<&StepRef>, arch: Arch) -> Result<KeyMaker> {
        for need in needs {
            let placed = self.placed(need, &recipe.metadata.name)?;
            key = key.part("step", self.step_key(placed, arch)?.as_str().as_bytes());
        }
        Ok(key)
    }

    fn add_items(&self, mut key: KeyMaker, recipe: &Recipe, items: &[Item], arch: Arch) -> Result<KeyMaker> {
        for item in items {
            match item {
                Item::Files(files) => key = key.tree(&files.path, &recipe.folder.join(&files.path))?,
                Item::Module(files) => {
                    key = key.part("module", &serde_json::to_vec(self.pins().go(&files.pin, arch)?)?)
                }
                Item::Text(text) => key = key.part("text", self.pins().fill(&text.text)?.as_bytes()),
                _ => {}
            }
        }
        Ok(key)
    }
}

fn start(kind: &str, arch: Arch, words: &[u8]) -> KeyMaker {
    KeyMaker::new(kind, FORMAT).part("arch", arch.name().as_bytes()).part("recipe", words)
}
