//! Images and tools, built from pinned Go modules, Debian packages and this workspace.
//!
//! Builds are described as data: `images/<name>/recipe.yaml`, versions in `images/pins.yaml`, hashes in `images/lock.yaml`.
//! [`Images`] resolves recipes to steps, computes a key from all inputs of each step, and stores results in the
//! [`crate::cache::Cache`]. A build needs no engine; [`Images::ensure_image`] loads an archive into one.
//!
//! Order of the files, each uses only those before it: `items`, `recipe`, `pins`, `lock`, `tree`; one builder for each
//! kind of step or layer (`gomod`, `cargo`, `debian`, `guest`, `archive`, `preload`); `progress`, `store`; the methods of
//! [`Images`] in `keys`, `steps`, `survey`.

mod archive;
mod cargo;
mod debian;
mod gomod;
pub mod guest;
mod items;
mod keys;
mod lock;
mod pins;
mod preload;
mod progress;
mod recipe;
mod steps;
mod store;
mod survey;
mod tree;

pub use items::{StepRef, TreeItem};
pub use lock::{BuildRecord, Lock, Module, Package};
pub use pins::{Arch, DebianPin, GoPin, Pins};
pub use progress::{Progress, Silent};
pub use recipe::{
    CargoStep, DebianStep, FolderStep, GoStep, GuestStep, ImageConfig, ImageRecipe, LayerRecipe, Metadata, Preload,
    PreloadImage, Recipe, Step,
};
pub use store::{Images, TOOLS};
pub use survey::{BuildState, BuildStatus};

#[cfg(test)]
mod tests;
