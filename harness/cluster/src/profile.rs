//! Cluster profiles: `clusters/<name>/profile.yaml`, decoded strictly.

use ipnet::Ipv4Net;
use plumbline_core::schema;
use plumbline_kube::manifests::{self, ManifestError};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The name of the file in each profile's folder.
const FILE: &str = "profile.yaml";
/// The required `apiVersion` and `kind` of a profile.
const API_VERSION: &str = "plumbline.dev/v1alpha1";
const KIND: &str = "ClusterProfile";

/// A network of IPv4, for the schema.
const RANGE: &str = r"^[0-9.]+/[0-9]{1,2}$";

/// A cluster profile: how a kind cluster is made, and what is installed on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ClusterProfile", transform = multus_or_provider)]
pub struct Profile {
    /// The version of the format.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: String,
    /// The kind of the document.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// Name and summary.
    pub metadata: Metadata,
    /// Whether a cluster of this profile was ever run, and not only rendered.
    pub tried: bool,
    /// Version of Kubernetes, without the `v`.
    pub kubernetes: String,
    /// Template of kind's configuration (v1alpha4), relative to the profile's folder.
    pub kind_config: PathBuf,
    /// The nodes; the first is the control plane.
    #[schemars(length(min = 1))]
    pub nodes: Vec<NodeSpec>,
    /// The sources of its images.
    pub images: ImageSpecs,
    /// Subnets and the default network.
    pub networking: Networking,
    /// Multus. A profile has either `multus` or `defaultNetworkProvider`.
    #[serde(default)]
    pub multus: Option<MultusSpec>,
    /// The product that makes all of a pod's network, instead of Multus over a default network of Plumbline's own.
    #[serde(default)]
    pub default_network_provider: Option<ProviderSpec>,
    /// Bridges that every node has.
    pub bridges: Vec<String>,
}

/// Name and summary of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ProfileMetadata")]
pub struct Metadata {
    /// The folder's name.
    pub name: String,
    /// One line for `list` and `up`.
    pub summary: String,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSpec {
    /// What the node is for.
    pub role: Role,
}

/// What a node is for, as kind's v1alpha4 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Control plane.
    ControlPlane,
    /// Worker.
    Worker,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ImageSource {
    /// Built from the folder with this name under `images/`.
    Built(String),
    /// Pulled by this reference, which has a digest or an exact tag.
    Pulled(String),
}

/// The images of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSpecs {
    /// kind's node image.
    pub node: ImageSource,
    /// Multus; it goes with `multus` of the profile.
    #[serde(default)]
    pub multus: Option<ImageSource>,
    /// The image that replaces unavailable images of pods.
    pub toolbox: ImageSource,
}

/// Subnets and the default network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Networking {
    /// Pods' addresses; each node gets a part.
    #[schemars(with = "String", regex(pattern = RANGE))]
    pub pod_subnet: Ipv4Net,
    /// Services' addresses.
    #[schemars(with = "String", regex(pattern = RANGE))]
    pub service_subnet: Ipv4Net,
    /// Template of the default network, relative to the profile's folder: `*.conflist.j2`, or `*.conf.j2` for a single
    /// plugin. It goes with `multus`.
    #[serde(default)]
    pub default_network: Option<PathBuf>,
}

/// A default-network provider in a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderSpec {
    /// The name under which it is registered.
    pub name: String,
    /// The image of its pods.
    pub image: ImageSource,
    /// Its own settings, which it reads and checks itself.
    pub settings: Value,
}

/// Multus in a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MultusSpec {
    /// The build of Multus.
    pub flavour: Flavour,
    /// Manifests, relative to the profile's folder, in order. Files `.j2` are templates.
    pub manifests: Vec<PathBuf>,
}

/// Multus' two builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Flavour {
    /// The plugin itself does the work.
    Thin,
    /// A daemon on each node does the work, and the plugin is its shim.
    Thick,
}

/// A profile with its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The profile, as written.
    pub profile: Profile,
    /// Its folder.
    pub folder: PathBuf,
}

fn multus_or_provider(schema: &mut schemars::Schema) {
    let one_of = ["multus", "defaultNetworkProvider"].map(|field| json!({ "required": [field] }));
    schema.insert("oneOf".to_owned(), one_of.into_iter().collect());
}

/// JSON Schema of a profile, with that of each provider's settings under the provider's name.
pub fn profile_schema(settings: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut profile = schema::document::<Profile>("Plumbline cluster profile");
    let mut choices = Vec::new();
    for (name, mut of_provider) in settings {
        let title = of_provider["title"].as_str().unwrap_or(name).to_owned();
        let definitions = of_provider["definitions"].take();
        for (key, definition) in definitions.as_object().into_iter().flatten() {
            profile["definitions"][key] = definition.clone();
        }
        if let Some(object) = of_provider.as_object_mut() {
            object.retain(|key, _| !["$schema", "title", "definitions"].contains(&key.as_str()));
        }
        profile["definitions"][&title] = of_provider;
        choices.push(json!({
            "if": { "properties": { "name": { "const": name } } },
            "then": { "properties": { "settings": { "$ref": format!("#/definitions/{title}") } } },
        }));
    }
    profile["definitions"]["ProviderSpec"]["allOf"] = choices.into();
    profile
}

impl Profile {
    /// Decodes the text of `file` strictly, then checks what types can't express.
    ///
    /// # Errors
    /// [`ManifestError`] with line and column, or with the wrong key.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        let profile: Self = manifests::decode(file, text)?;
        profile.find_fault().map_or(Ok(profile), |fault| Err(ManifestError::new(file, fault)))
    }

    /// The fault in the content, if any. A profile has either Multus with a default network of Plumbline, or a provider.
    fn find_fault(&self) -> Option<String> {
        let Networking { pod_subnet, service_subnet, default_network, .. } = &self.networking;
        let (multus, provider) = (self.multus.is_some(), self.default_network_provider.is_some());
        let overlap = pod_subnet.contains(&service_subnet.network()) || service_subnet.contains(&pod_subnet.network());
        if self.api_version != API_VERSION || self.kind != KIND {
            let found = format!("apiVersion {} and kind {}", self.api_version, self.kind);
            return Some(format!("expected apiVersion {API_VERSION} and kind {KIND}, found {found}"));
        }
        let fault = if self.nodes.first().map(|n| n.role) != Some(Role::ControlPlane) {
            "the first of nodes must be the control plane"
        } else if overlap {
            "podSubnet and serviceSubnet overlap"
        } else if multus == provider {
            "expected either multus or defaultNetworkProvider, found both or none"
        } else if self.images.multus.is_some() != multus {
            "images.multus requires multus, and multus requires images.multus"
        } else if default_network.is_some() == provider {
            "multus requires networking.defaultNetwork, and defaultNetworkProvider excludes it"
        } else {
            return self.all_images().find_map(|image| match image {
                ImageSource::Pulled(reference) if !is_exact(reference) => {
                    Some(format!("image {reference} has neither a digest nor an exact tag"))
                }
                _ => None,
            });
        };
        Some(fault.to_owned())
    }

    /// All images, the node's first.
    pub fn all_images(&self) -> impl Iterator<Item = &ImageSource> {
        let ImageSpecs { node, multus, toolbox } = &self.images;
        let provider = self.default_network_provider.as_ref().map(|provider| &provider.image);
        [Some(node), multus.as_ref(), provider, Some(toolbox)].into_iter().flatten()
    }
}

/// Whether a reference names exactly one image, with a digest or a version as tag.
fn is_exact(reference: &str) -> bool {
    if reference.contains("@sha256:") {
        return true;
    }
    let last = reference.rsplit('/').next().unwrap_or_default();
    last.split_once(':').is_some_and(|(_, tag)| tag.starts_with('v') && tag.bytes().filter(|b| *b == b'.').count() >= 2)
}

impl Profile {
    /// The maximum number of nodes of a scenario: the workers, or all nodes if there are no workers.
    pub fn places(&self) -> usize {
        match self.nodes.iter().filter(|node| node.role == Role::Worker).count() {
            0 => self.nodes.len(),
            workers => workers,
        }
    }
}

impl Loaded {
    /// Reads the profile `name` under `root/clusters`.
    ///
    /// # Errors
    /// `TestbedError` at stage `profile` when there is no such profile, with the existing names, or when it is refused.
    pub fn read(root: &Path, name: &str) -> Result<Self, TestbedError> {
        let folder = root.join("clusters").join(name);
        let file = folder.join(FILE);
        let text = std::fs::read_to_string(&file).map_err(|e| {
            TestbedError::new("profile", format!("no profile {name}: {}: {e}", file.display()))
                .with_hint(format!("--profile takes one of: {}", list_profiles(root).join(", ")))
        })?;
        let profile = Profile::parse(&file.display().to_string(), &text).at_stage("profile")?;
        if profile.metadata.name != name {
            let found = &profile.metadata.name;
            return Err(TestbedError::new(
                "profile",
                format!("{}: metadata.name: expected the folder's name {name}, found {found}", file.display()),
            ));
        }
        Ok(Self { profile, folder })
    }

    /// The text of a file with a path relative to the profile's folder.
    ///
    /// # Errors
    /// `TestbedError` at stage `profile`, with the path.
    pub fn text(&self, relative: &Path) -> Result<String, TestbedError> {
        let path = self.folder.join(relative);
        std::fs::read_to_string(&path).map_err(|e| TestbedError::new("profile", format!("{}: {e}", path.display())))
    }
}

/// The names of all profiles under `root/clusters`, sorted.
pub fn list_profiles(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root.join("clusters"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join(FILE).is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
