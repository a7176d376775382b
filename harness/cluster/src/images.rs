//! The images of a profile: at hand on this host, on the nodes, and whether a pod's image can be had there.

use crate::naming::OWNER;
use crate::node::Node;
use crate::profile::{ImageSource, Loaded};
use crate::step::Notes;
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
/// Importing an image of some 100 MB into a node's containerd.
const IMPORT: Duration = Duration::from_secs(120);
/// How long a registry may take to say whether it has an image.
const REGISTRY: Duration = Duration::from_secs(8);
/// Beside a profile: the digests of what was pulled by tag.
const LOCK: &str = "image.lock.json";

/// Whether everything is at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Yes.
    Hand,
    /// No: what is lacking.
    Lacking(String),
}

/// Digests of images that were pulled by tag, by reference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Lock(BTreeMap<String, String>);

/// An engine that answers: the one that runs, else one that is got going on this host.
///
/// # Errors
/// `TestbedError` with what to do.
pub async fn engine(cx: &plumbline_testbed::context::Context, notes: &Notes) -> Result<Engine, TestbedError> {
    let notes = notes.clone();
    let setup = Setup::new(&cx.root, move |line| notes.note(line))?;
    setup.ensure(cx.options.may_install, cx.images.runtime()).await
}

/// The reference of an image: as written, or of the build that its sources come to, made or not.
///
/// # Errors
/// `TestbedError` when a recipe can't be read.
pub fn reference(images: &Images, source: &ImageSource) -> Result<String, TestbedError> {
    match source {
        ImageSource::Built(name) => images.reference(name),
        ImageSource::Pulled(reference) => Ok(reference.clone()),
    }
}

/// The pull policy of a pod with such an image: what is built is on the nodes or nowhere.
pub fn pull_policy(_source: &ImageSource) -> &'static str {
    "IfNotPresent"
}

/// Whether the engine has all images of the profile.
///
/// # Errors
/// `TestbedError` when the engine does not answer.
pub async fn at_hand(engine: &Engine, images: &Images, loaded: &Loaded) -> Result<At, TestbedError> {
    for source in loaded.profile.all_images() {
        let reference = reference(images, source)?;
        if engine.image(&reference).await?.is_none() {
            return Ok(At::Lacking(format!("image {reference} is not at hand")));
        }
    }
    Ok(At::Hand)
}

/// Builds or pulls what is lacking.
///
/// # Errors
/// `TestbedError` when a build fails, a registry refuses, or a tag moved since its digest was locked.
pub async fn get(engine: &Engine, images: &Images, loaded: &Loaded, notes: &Notes) -> Result<(), TestbedError> {
    for source in loaded.profile.all_images() {
        match source {
            ImageSource::Built(name) => {
                images.ensure_image(engine, name).await?;
            }
            ImageSource::Pulled(reference) => {
                if engine.image(reference).await?.is_none() {
                    notes.note(format!("pulling {reference}"));
                    engine.pull_image(reference, |said| notes.note(said)).await?;
                }
                lock(engine, loaded, reference).await?;
            }
        }
    }
    Ok(())
}

/// Keeps the digest of an image that was pulled by tag; refuses another one than was kept.
async fn lock(engine: &Engine, loaded: &Loaded, reference: &str) -> Result<(), TestbedError> {
    if reference.contains("@sha256:") {
        return Ok(());
    }
    let image = engine.image(reference).await?.unwrap_or_default();
    let digests: Vec<&str> = image.digests.iter().filter_map(|d| d.split_once('@').map(|(_, digest)| digest)).collect();
    let Some(found) = digests.first() else {
        return Err(TestbedError::new(STAGE, format!("the engine knows no digest of {reference}")));
    };
    let path = loaded.folder.join(LOCK);
    let read = || serde_json::from_slice(&std::fs::read(&path).ok()?).ok();
    let mut locked: Lock = read().unwrap_or_default();
    match locked.0.get(reference) {
        Some(kept) if digests.contains(&kept.as_str()) => Ok(()),
        Some(kept) => Err(TestbedError::new(STAGE, format!("{reference} moved: {kept} is locked, {found} is here"))
            .with_hint(format!("find out why; to take the new one, remove its line from {}", path.display()))),
        None => {
            locked.0.insert(reference.to_owned(), (*found).to_owned());
            let text = serde_json::to_string_pretty(&locked).at_stage(STAGE)? + "\n";
            std::fs::write(&path, text).at_stage(&format!("write {}", path.display()))
        }
    }
}

/// Sees to it that every node has an image; gives its reference.
///
/// # Errors
/// `TestbedError` when it can't be moved there.
pub async fn on_nodes(
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
        if !has(node, &reference).await? {
            lacking.push(node);
        }
    }
    if lacking.is_empty() {
        return Ok(reference);
    }
    if engine.image(&reference).await?.is_none() {
        get(engine, images, loaded, notes).await?;
    }
    notes.note(format!("image {reference} to {} nodes", lacking.len()));
    let folder = tempfile::Builder::new().prefix(&format!("{OWNER}-image-")).tempdir().at_stage(STAGE)?;
    let archive = folder.path().join("image.tar");
    engine.save_images(&[&reference], &archive).await?;
    let archive = &archive;
    try_join_all(lacking.into_iter().map(|node| import(node, &reference, archive))).await?;
    Ok(reference)
}

/// Imports an archive into a node's containerd.
async fn import(node: &Node, reference: &str, archive: &std::path::Path) -> Result<(), TestbedError> {
    node.feed(STAGE, &["ctr", "--namespace=k8s.io", "images", "import", "-"], archive, IMPORT).await?;
    if has(node, reference).await? {
        return Ok(());
    }
    Err(TestbedError::new(STAGE, format!("node {} has no image {reference} after its import", node.name)))
}

/// Whether a node's containerd has an image of that reference.
async fn has(node: &Node, reference: &str) -> Result<bool, TestbedError> {
    let name = format!("name=={}", normal(reference));
    let ran = node.must(STAGE, &["ctr", "--namespace=k8s.io", "images", "list", "--quiet", &name]).await?;
    Ok(!ran.stdout.trim().is_empty())
}

/// A reference in full, as containerd keeps it (distribution's rules for short names).
fn normal(reference: &str) -> String {
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

/// Finds out whether the nodes can have an image.
pub struct Pull {
    /// The engine, which is asked in the nodes' place: both go out by the same host.
    pub engine: Engine,
}

impl Pull {
    /// What is known of an image now.
    ///
    /// # Errors
    /// `TestbedError` when the nodes can't be asked.
    pub async fn state(&self, nodes: &[Node], image: &str) -> Result<ImageState, TestbedError> {
        let mut everywhere = true;
        for node in nodes {
            everywhere &= has(node, image).await?;
        }
        let offered = within(REGISTRY, self.engine.check_offered(image)).await;
        let refused = match offered {
            Some(Ok(())) => return Ok(ImageState::Pullable),
            Some(Err(error)) => error.cause(),
            None => format!("its registry did not answer within {} s", REGISTRY.as_secs()),
        };
        let why = format!("it can't be pulled from here ({refused})");
        Ok(if everywhere { ImageState::OnNodesOnly(why) } else { ImageState::NotToBeHad(why) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_written_out_as_containerd_has_them() {
        assert_eq!(normal("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(normal("plumbline/toolbox:1-ab"), "docker.io/plumbline/toolbox:1-ab");
        assert_eq!(normal("localhost/x:1"), "localhost/x:1");
        assert_eq!(normal("registry.example:5000/a/b@sha256:00"), "registry.example:5000/a/b@sha256:00");
    }
}
