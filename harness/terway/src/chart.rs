//! Terway's own chart. The real helm renders it with the profile's values, and adaptations let it run here.

use crate::NAMESPACE;
use crate::chart_adaptations::Adaptations;
use crate::settings::{TerwaySettings, spec};
use plumbline_cluster::images;
use plumbline_cluster::naming::full_hash;
use plumbline_cluster::profile::Loaded;
use plumbline_core::verdict::Adaptation;
use plumbline_kube::manifests::{self, render};
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::exec::Cmd;
use plumbline_testbed::images::Images;
use serde_json::{Value, json};
use std::time::Duration;

const STAGE: &str = "terway-chart";
/// The recipe under `images/` that has helm, the chart and the image.
pub const RECIPE: &str = "terway";
/// The program of that recipe that renders the chart.
pub const HELM: &str = "helm";
/// The limit for helm, which only renders text here.
const RENDERS: Duration = Duration::from_secs(60);
/// The kinds of cluster-scoped objects.
const CLUSTERS: [&str; 2] = ["ClusterRole", "ClusterRoleBinding"];

/// A chart that is ready to apply.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The objects in the order of application, each with its namespace.
    pub objects: Vec<Value>,
    /// The changes in them.
    pub adaptations: Vec<Adaptation>,
}

/// The inputs of the rendered chart.
pub struct Inputs {
    values: String,
    adaptations: Adaptations,
    /// The hash of the inputs. A different hash means different objects.
    pub hash: String,
}

impl Inputs {
    /// The changes of the chart's objects, one line each for reports.
    pub fn describe_changes(&self) -> Vec<String> {
        let describe = |change: &crate::chart_adaptations::Change| {
            let put = change.put.as_ref().map_or_else(|| "left out".to_owned(), |put| format!("set to {put}"));
            format!("Terway's chart, {} {}: {put}: {}", change.object, change.at, change.why)
        };
        let left_out = self.adaptations.objects.leave_out.iter().map(|kind| format!("Terway's chart: no {kind}"));
        self.adaptations.changes.iter().map(describe).chain(left_out).collect()
    }
}

/// The reference of Terway's image.
///
/// # Errors
/// `TestbedError` when the profile has none, or its recipe can't be read.
pub fn image(images: &Images, loaded: &Loaded) -> Result<String, TestbedError> {
    images::reference(images, &spec(loaded)?.image)
}

/// Reads the inputs of the chart. The image's version stands for the chart itself.
///
/// # Errors
/// `TestbedError` when a file of the profile can't be read.
pub fn read_inputs(images: &Images, loaded: &Loaded) -> Result<Inputs, TestbedError> {
    let spec = TerwaySettings::read(loaded)?;
    let image = image(images, loaded)?;
    let (repository, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
    let values = json!({ "image": { "repository": repository, "tag": tag },
        "cluster": { "serviceSubnet": loaded.profile.networking.service_subnet } });
    let name = spec.values.display().to_string();
    let values = render(&name, &loaded.text(&spec.values)?, &values).at_stage(STAGE)?;
    let text = loaded.text(&spec.adaptations)?;
    let name = spec.adaptations.display().to_string();
    let adaptations = Adaptations::parse(&name, &text)?;
    let hash = full_hash(format!("{values}\n{text}").as_bytes());
    Ok(Inputs { values, adaptations, hash })
}

/// Renders the chart.
///
/// # Errors
/// `TestbedError` when helm or the chart can't be built, when helm fails, or when the place of a change does not exist.
pub async fn render_chart(images: &Images, loaded: &Loaded, inputs: &Inputs) -> Result<Rendered, TestbedError> {
    let helm = images.program(RECIPE, HELM).await?;
    let chart = images.folder(RECIPE, "chart").await?.join("terway");
    let folder = tempfile::tempdir().at_stage(STAGE)?;
    let values = folder.path().join("values.yaml");
    std::fs::write(&values, &inputs.values).at_stage(STAGE)?;
    let mut objects = Vec::new();
    for template in &inputs.adaptations.objects.templates {
        let mut command = Cmd::new(helm.display().to_string())
            .args(["template", "terway"])
            .arg(chart.display().to_string())
            .args(["--namespace", NAMESPACE, "--kube-version", &loaded.profile.kubernetes])
            .args(["--values".to_owned(), values.display().to_string()])
            .args(["--show-only", template.as_str()])
            .deadline(RENDERS);
        // These variables keep helm from reading the user's own folders.
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command = command.env(name, folder.path().display().to_string());
        }
        let done = command.run_ok().await.at_stage(STAGE)?;
        objects.extend(manifests::documents(template, &done.stdout).at_stage(STAGE)?);
    }
    let left_out = &inputs.adaptations.objects.leave_out;
    objects.retain(|object| !left_out.iter().any(|kind| object["kind"] == kind.as_str()));
    for object in &mut objects {
        // helm sends the namespace in the request, not in the object.
        if !CLUSTERS.contains(&object["kind"].as_str().unwrap_or_default()) {
            object["metadata"]["namespace"] = json!(NAMESPACE);
        }
    }
    let adaptations = inputs.adaptations.apply(&mut objects)?;
    Ok(Rendered { objects, adaptations })
}
