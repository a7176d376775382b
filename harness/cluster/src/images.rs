//! The images of a profile: in the engine, on the nodes; and whether the nodes can get a pod's image.

use crate::naming::OWNER;
use crate::node::Node;
use crate::profile::{ImageSource, Loaded};
use crate::step::{Found, Notes};
use futures::future::try_join_all;
use plumbline_kube::adaptation::ImageState;
use plumbline_testbed::engine::Engine;
use plumbline_testbed::engine::setup::Setup;
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::images::Images;
use plumbline_testbed::wait::within;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const STAGE: &str = "images";
/// The limit for importing an image of some 100 MB into a node's containerd.
const IMPORT: Duration = Duration::from_secs(120);
/// The limit for a registry's answer whether it has an image.
const REGISTRY: Duration = Duration::from_secs(8);
/// The file beside a profile with the digests of images that were pulled by tag.
const LOCK: &str = "image.lock.json";

/// The digests of images that were pulled by tag, by their references.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Lock(BTreeMap<String, String>);

/// A running engine. If none runs, Plumbline sets one up on this host.
///
/// # Errors
/// `TestbedError` with a hint.
pub async fn ensure_engine(cx: &plumbline_testbed::context::Context, notes: &Notes) -> Result<Engine, TestbedError> {
    let notes = notes.clone();
    let setup = Setup::new(&cx.root, move |line| notes.note(line))?;
    setup.ensure(cx.options.may_install, cx.images.runtime()).await
}

/// The reference of an image: as written, or that of the build from its current sources, which may not exist yet.
///
/// # Errors
/// `TestbedError` when a recipe can't be read.
pub fn reference(images: &Images, source: &ImageSource) -> Result<String, TestbedError> {
    match source {
        ImageSource::Built(name) => images.reference(name),
        ImageSource::Pulled(reference) => Ok(reference.clone()),
    }
}

/// Checks that the engine has all images of the profile.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
pub async fn check_local_images(engine: &Engine, images: &Images, loaded: &Loaded) -> Result<Found, TestbedError> {
    for source in loaded.profile.all_images() {
        let reference = reference(images, source)?;
        if engine.image(&reference).await?.is_none() {
            return Ok(Found::Lacking(format!("the engine has no image {reference}")));
        }
    }
    Ok(Found::Good)
}

/// Builds or pulls the missing images.
///
/// # Errors
/// `TestbedError` when a build fails, a registry refuses, or a tag moved since its digest was locked.
pub async fn obtain_images(
    engine: &Engine,
    images: &Images,
    loaded: &Loaded,
    notes: &Notes,
) -> Result<(), TestbedError> {
    for source in loaded.profile.all_images() {
        match source {
            ImageSource::Built(name) => {
                images.ensure_image(engine, name).await?;
            }
            ImageSource::Pulled(reference) => {
                if engine.image(reference).await?.is_none() {
                    notes.note(format!("pulling {reference}"));
                    engine.pull_image(reference, |line| notes.note(line)).await?;
                }
                lock_digest(engine, loaded, reference).await?;
            }
        }
    }
    Ok(())
}

/// Locks the digest of an image that was pulled by tag; refuses a digest other than the locked one.
async fn lock_digest(engine: &Engine, loaded: &Loaded, reference: &str) -> Result<(), TestbedError> {
    if reference.contains("@sha256:") {
        return Ok(());
    }
    let image = engine.image(reference).await?.unwrap_or_default();
    let digests: Vec<&str> = image.digests.iter().filter_map(|d| d.split_once('@').map(|(_, digest)| digest)).collect();
    let Some(found) = digests.first() else {
        return Err(TestbedError::new(STAGE, format!("the engine has no digest of {reference}")));
    };
    let path = loaded.folder.join(LOCK);
    let read = || serde_json::from_slice(&std::fs::read(&path).ok()?).ok();
    let mut locked: Lock = read().unwrap_or_default();
    match locked.0.get(reference) {
        Some(kept) if digests.contains(&kept.as_str()) => Ok(()),
        Some(kept) => Err(TestbedError::new(
            STAGE,
            format!("{reference} moved: expected the locked digest {kept}, found {found}"),
        )
        .with_hint(format!("find out why; to accept the new digest, remove its line from {}", path.display()))),
        None => {
            locked.0.insert(reference.to_owned(), (*found).to_owned());
            let text = serde_json::to_string_pretty(&locked).at_stage(STAGE)? + "\n";
            std::fs::write(&path, text).at_stage(&format!("write {}", path.display()))
        }
    }
}

/// Copies an image to every node that lacks it; returns its reference.
///
/// # Errors
/// `TestbedError` when it can't be copied.
pub async fn copy_to_nodes(
    engine: &Engine,
    images: &Images,
    source: &ImageSource,
    loaded: &Loaded,
    nodes: &[Node],
    notes: &Notes,
) -> Result<String, TestbedError> {
    let reference = reference(images, source)?;
    let mut lacking = Vec::new();
    for node in nodes {
        if !node_has(node, &reference).await? {
            lacking.push(node);
        }
    }
    if lacking.is_empty() {
        return Ok(reference);
    }
    if engine.image(&reference).await?.is_none() {
        obtain_images(engine, images, loaded, notes).await?;
    }
    notes.note(format!("copying image {reference} to {} nodes", lacking.len()));
    let folder = tempfile::Builder::new().prefix(&format!("{OWNER}-image-")).tempdir().at_stage(STAGE)?;
    let archive = folder.path().join("image.tar");
    engine.save_images(&[&reference], &archive).await?;
    let archive = &archive;
    try_join_all(lacking.into_iter().map(|node| import(node, &reference, archive))).await?;
    Ok(reference)
}

/// Imports an archive into a node's containerd.
async fn import(node: &Node, reference: &str, archive: &std::path::Path) -> Result<(), TestbedError> {
    node.run_with_input(STAGE, &["ctr", "--namespace=k8s.io", "images", "import", "-"], archive, IMPORT).await?;
    if node_has(node, reference).await? {
        return Ok(());
    }
    Err(TestbedError::new(STAGE, format!("node {} has no image {reference} after its import", node.name)))
}

/// Whether a node's containerd has an image with this reference.
async fn node_has(node: &Node, reference: &str) -> Result<bool, TestbedError> {
    let name = format!("name=={}", normalize(reference));
    let ran = node.run_ok(STAGE, &["ctr", "--namespace=k8s.io", "images", "list", "--quiet", &name]).await?;
    Ok(!ran.stdout.trim().is_empty())
}

/// The full form of a reference, as in containerd (distribution's rules for short names).
fn normalize(reference: &str) -> String {
    let first = reference.split('/').next().unwrap_or_default();
    let has_host = reference.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let path = match (has_host, reference.contains('/')) {
        (true, _) => reference.to_owned(),
        (false, true) => format!("docker.io/{reference}"),
        (false, false) => format!("docker.io/library/{reference}"),
    };
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { path } else { format!("{path}:latest") }
}

/// Probes whether the nodes can pull an image.
pub struct Pull {
    /// The engine. It probes instead of the nodes, because both reach registries through the same host.
    pub engine: Engine,
}

impl Pull {
    /// Probes the state of an image.
    ///
    /// # Errors
    /// `TestbedError` when the nodes do not answer.
    pub async fn probe(&self, nodes: &[Node], image: &str) -> Result<ImageState, TestbedError> {
        let mut everywhere = true;
        for node in nodes {
            everywhere &= node_has(node, image).await?;
        }
        let offered = within(REGISTRY, self.engine.check_offered(image)).await;
        let refused = match offered {
            Some(Ok(())) => return Ok(ImageState::Pullable),
            Some(Err(error)) => error.cause(),
            None => format!("its registry did not answer within {} s", REGISTRY.as_secs()),
        };
        let why = format!("this host can't pull it ({refused})");
        Ok(if everywhere { ImageState::OnNodesOnly(why) } else { ImageState::Unavailable(why) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_references_are_normalized_as_in_containerd() {
        assert_eq!(normalize("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(normalize("plumbline/toolbox:1-ab"), "docker.io/plumbline/toolbox:1-ab");
        assert_eq!(normalize("localhost/x:1"), "localhost/x:1");
        assert_eq!(normalize("registry.example:5000/a/b@sha256:00"), "registry.example:5000/a/b@sha256:00");
    }
}
