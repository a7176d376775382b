//! The keys of steps and images: a hash of all inputs of the result.
//!
//! A key covers the parsed recipe, the pin, the keys of the used steps, the content of recipe files and of this workspace's
//! sources, and the architecture. It does not cover compilers: results of an older Go or Rust stay valid. The record beside
//! each result names the compiler.

use super::cargo;
use super::items::{StepRef, TreeItem};
use super::pins::Arch;
use super::recipe::{ImageRecipe, LayerRecipe, Recipe, RecipeStep, Step};
use super::store::Images;
use crate::build_error::Result;
use crate::cache::{Key, KeyMaker};

/// Increased when the builder changes so much that older results must not be used.
const FORMAT: u32 = 1;

impl Images {
    /// The key of a step.
    pub(super) fn step_key(&self, placed: RecipeStep<'_>, arch: Arch) -> Result<Key> {
        let mut key = start_key("step", arch, &serde_json::to_vec(placed.step)?);
        match placed.step {
            Step::Go(go) => {
                let pin = self.inner.pins.go(&go.pin, arch)?;
                key = key.part("pin", &serde_json::to_vec(pin)?);
                for (name, value) in &go.variables {
                    key = key.part(name, self.inner.pins.fill(value)?.as_bytes());
                }
            }
            Step::Debian(debian) => {
                key = key.part("pin", &serde_json::to_vec(self.inner.pins.debian(&debian.pin, arch)?)?)
            }
            Step::Cargo(step) => {
                let workspace = self.workspace()?;
                key = key.part("closure", cargo::read_closure(workspace, &step.package)?.as_bytes());
                for source in &step.sources {
                    key = key.tree(&source.to_string_lossy(), &workspace.join(source))?;
                }
            }
            Step::Folder(folder) => key = self.add_items(key, placed.recipe, &folder.items, arch)?,
            Step::Guest(guest) => key = self.add_items(key, placed.recipe, &guest.items, arch)?,
        }
        self.add_needs(key, placed.recipe, placed.step.dependencies(), arch).map(KeyMaker::finish)
    }

    /// The key of a recipe's image.
    pub(super) fn image_key(&self, recipe: &Recipe, image: &ImageRecipe, arch: Arch) -> Result<Key> {
        let mut key = start_key("image", arch, &serde_json::to_vec(image)?);
        key = key.part("tag", self.inner.pins.fill(&image.tag)?.as_bytes());
        for layer in &image.layers {
            match layer {
                LayerRecipe::Tree(items) => key = self.add_items(key, recipe, items, arch)?,
                LayerRecipe::Preload(preload) => {
                    key = key.part("version", self.inner.pins.fill(&preload.version)?.as_bytes())
                }
                LayerRecipe::Debian(_) => {}
            }
        }
        self.add_needs(key, recipe, image.dependencies(), arch).map(KeyMaker::finish)
    }

    fn add_needs(&self, mut key: KeyMaker, recipe: &Recipe, needs: Vec<&StepRef>, arch: Arch) -> Result<KeyMaker> {
        for need in needs {
            let placed = self.placed(need, &recipe.metadata.name)?;
            key = key.part("step", self.step_key(placed, arch)?.as_str().as_bytes());
        }
        Ok(key)
    }

    fn add_items(&self, mut key: KeyMaker, recipe: &Recipe, items: &[TreeItem], arch: Arch) -> Result<KeyMaker> {
        for item in items {
            match item {
                TreeItem::Files { path, .. } => key = key.tree(path, &recipe.folder.join(path))?,
                TreeItem::Module { pin, .. } => {
                    key = key.part("module", &serde_json::to_vec(self.inner.pins.go(pin, arch)?)?)
                }
                TreeItem::Text { text, .. } => key = key.part("text", self.inner.pins.fill(text)?.as_bytes()),
                _ => {}
            }
        }
        Ok(key)
    }
}

fn start_key(kind: &str, arch: Arch, recipe: &[u8]) -> KeyMaker {
    KeyMaker::new(kind, FORMAT).part("arch", arch.name().as_bytes()).part("recipe", recipe)
}
