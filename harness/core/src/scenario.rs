//! Scenario files: reading them with all that they name, and rendering what they would apply.
//!
//! ```text
//! load_scenario(path, loader) -> Plan        file -> strict -> (manifests: kube_yaml, templates: values + template) -> objects, expect
//! render(plan)                -> YAML text
//! ```
//! Kept out: any reading of files (a [`Loader`] hands contents in), any default of a lane.

mod annotation;
mod error;
mod expect;
mod file;
pub(crate) mod json_keys;
pub(crate) mod kube_yaml;
mod load;
pub(crate) mod loader;
mod mistakes;
mod names;
pub(crate) mod node;
mod objects;
mod render;
mod scalar;
mod strict;
mod template;
mod topology;
mod values;

pub use annotation::NETWORKS;
pub use error::{InputError, did_you_mean};
pub use file::{API_VERSION, KIND};
pub use load::{load_scenario, same_names};
pub use loader::{LoadError, Loader, MAX_FILE_BYTES};
pub use objects::NAD_API;
pub use render::{render, yaml};
