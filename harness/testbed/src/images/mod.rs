//! Images and tools, built from pinned Go modules, Debian packages and this workspace.
//!
//! What is built is data: `images/<name>/recipe.yaml`, versions in `images/pins.yaml`, hashes in `images/lock.yaml`.
//! [`Images`] resolves recipes to steps, gives each step a key from all that goes into it, and keeps results in the
//! [`crate::cache::Cache`]. No engine is needed to build; [`Images::ensure_image`] loads an archive into one.

mod archive;
mod closure;
mod debian;
pub(crate) mod document;
mod gomod;
pub mod guest;
mod keys;
mod lock;
mod pins;
mod preload;
mod progress;
mod recipe;
mod record;
mod steps;
mod store;
mod survey;
mod tree;
mod workspace;

pub use lock::Lock;
pub use pins::{Arch, DebianPin, GoPin, Pins};
pub use progress::{Progress, Silent};
pub use recipe::{
    Cargo, Config, Debian, Folder, Go, Guest, Image, Layer, Metadata, Preload, PreloadImage, Recipe, Step, StepRef,
};
pub use record::{Module, Package, Record};
pub use store::{Images, TOOLS};
pub use survey::{Part, State};
pub use tree::{Edit, EmptyFolder, Item, Link, ModuleFiles, Programs, RecipeFiles, RuntimeSpec, Text};

#[cfg(test)]
mod tests;
