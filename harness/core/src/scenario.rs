//! Scenario files: reading them with all that they name, and rendering what they would apply.
//!
//! ```text
//! load_scenarios(path, loader) -> Plans      file -> matrix -> strict -> (manifests: kube_yaml, templates: values + template) -> objects, expect
//! render(plan)                -> YAML text
//! draft_scenario(files)       -> Draft   kube_yaml -> objects -> draft
//! ```
//! Kept out: any reading of files (a [`Loader`] hands contents in), any default of a lane.

pub(crate) mod annotation;
pub(crate) mod draft;
mod error;
mod expect;
mod file;
pub(crate) mod file_text;
mod forms;
pub(crate) mod json_keys;
pub(crate) mod kube_yaml;
mod load;
pub(crate) mod loader;
mod matrix;
mod mistakes;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod objects;
mod places;
mod scalar;
mod schema;
mod strict;
mod template;
mod topology;
mod values;

pub use annotation::NETWORKS;
pub use draft::{Draft, DraftFile, draft_scenario, scenario_name};
pub use error::{InputError, did_you_mean};
pub use file::{API_VERSION, KIND};
pub use load::{load_case, load_scenario, load_scenarios, same_names};
pub use loader::{LoadError, Loader, MAX_FILE_BYTES, manifest_text};
pub use objects::NAD_API;
pub use schema::{PLACEHOLDER, scenario_schema, template_schema};
pub use strict::yaml;

use crate::plan::Plan;

/// Every object of a plan in the order in which it is applied: its name (`network/sip-net`, `pod/chain-test-pod`)
/// and its YAML, as written by the user or given by the template, before any adaptation of a lane.
/// Networks that are said to exist already are not among them.
pub fn render(plan: &Plan) -> Vec<(String, String)> {
    let networks = plan.networks.iter();
    let networks = networks.filter_map(|found| Some((format!("network/{}", found.name), found.manifest.as_ref()?)));
    let has_workload = |name: &String| plan.workloads.iter().any(|workload| workload.pods.contains(name));
    let pods = plan.pods.iter().filter(|pod| !has_workload(&pod.name));
    let pods = pods.map(|pod| (format!("pod/{}", pod.name), &pod.manifest));
    let name = |kind: &str, name: &str| format!("{}/{name}", kind.to_lowercase());
    let workloads = plan.workloads.iter().map(|found| (name(&found.kind, &found.name), &found.manifest));
    networks.chain(pods).chain(workloads).map(|(name, manifest)| (name, yaml(manifest))).collect()
}
