//! Images: looked at, loaded, imported, pulled, tagged, committed, saved.

use super::{Engine, fault};
use crate::error::{AtStage, TestbedError};
use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::models::{ContainerConfig, CreateImageInfo};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, CreateImageOptionsBuilder, ImportImageOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use futures::{Stream, TryStreamExt as _};
use std::collections::BTreeMap;
use std::path::Path;
use tokio::io::AsyncWriteExt as _;

/// An image as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineImage {
    /// Id: `sha256:` and the hash of its configuration.
    pub id: String,
    /// Names, `repository:tag`.
    pub names: Vec<String>,
    /// Where it came from, `repository@sha256:...`; empty for one that was never pulled.
    pub digests: Vec<String>,
    /// Architecture, for example `amd64`.
    pub architecture: String,
    /// Size in bytes.
    pub size: u64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// An image by name or id; none when it is not here.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn image(&self, name: &str) -> Result<Option<EngineImage>, TestbedError> {
        match self.docker.inspect_image(name).await {
            Ok(found) => Ok(Some(EngineImage {
                id: found.id.unwrap_or_default(),
                names: found.repo_tags.unwrap_or_default(),
                digests: found.repo_digests.unwrap_or_default(),
                architecture: found.architecture.unwrap_or_default(),
                size: found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                labels: found.config.and_then(|config| config.labels).unwrap_or_default().into_iter().collect(),
            })),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(self.fault(&format!("inspect image {name}"), &error)),
        }
    }

    /// Pulls an image, passing the engine's progress to `note`.
    ///
    /// # Errors
    /// [`TestbedError`] with the registry's message and how to fix it.
    pub async fn pull_image(&self, name: &str, note: impl Fn(&str)) -> Result<(), TestbedError> {
        // The engine takes every tag of a repository when none is given.
        let tagged = name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let from = if tagged { name.to_owned() } else { format!("{name}:latest") };
        let options = CreateImageOptionsBuilder::new().from_image(&from).build();
        let said = self.docker.create_image(Some(options), None, None);
        self.follow(&format!("pull image {name}"), said, note).await
    }

    /// Loads an archive made by `docker save` (or in the OCI layout, where the engine knows that).
    /// Gives the names or ids that the engine reports as loaded.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be read or the engine refuses it.
    pub async fn load_images(&self, archive: &Path) -> Result<Vec<String>, TestbedError> {
        let stage = format!("load images from {}", archive.display());
        let file = tokio::fs::File::open(archive).await.at_stage(&stage)?;
        let body = body_try_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 20));
        let said = self.docker.import_image(ImportImageOptionsBuilder::new().build(), body, None);
        let lines: Vec<_> = said.try_collect().await.map_err(|error| self.fault(&stage, &error))?;
        let text: String = lines.into_iter().filter_map(|line| line.stream).collect();
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("Loaded image: ").or_else(|| line.strip_prefix("Loaded image ID: ")))
            .map(str::to_owned)
            .collect())
    }

    /// Makes an image of a root file system: a tar archive on disk, with changes as Dockerfile instructions (`CMD`, `ENV`;
    /// `ENTRYPOINT`; not `STOPSIGNAL`, which the import does not know).
    ///
    /// # Errors
    /// [`TestbedError`] when the archive can't be read or the engine refuses it.
    pub async fn import_image(&self, name: &str, archive: &Path, changes: &[String]) -> Result<(), TestbedError> {
        let stage = format!("import image {name} from {}", archive.display());
        let file = tokio::fs::File::open(archive).await.at_stage(&stage)?;
        let body = body_try_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 20));
        let (repo, tag) = split(name);
        let changes = changes.to_vec();
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(repo).tag(tag).changes(changes).build();
        self.follow(&stage, self.docker.create_image(Some(options), Some(body), None), |_| {}).await
    }

    /// Makes an image of a container as it is, with changes as Dockerfile instructions. Gives its id.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine refuses.
    pub async fn commit(&self, container: &str, name: &str, changes: &[String]) -> Result<String, TestbedError> {
        let (repo, tag) = split(name);
        let options = CommitContainerOptionsBuilder::new().container(container).repo(repo).tag(tag).pause(true);
        let options = options.changes(&changes.join("\n")).build();
        let made = self.docker.commit_container(options, ContainerConfig::default()).await;
        let made = made.map_err(|error| self.fault(&format!("commit container {container} as {name}"), &error))?;
        Ok(made.id)
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no such image.
    pub async fn tag_image(&self, image: &str, name: &str) -> Result<(), TestbedError> {
        let (repo, tag) = split(name);
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        let tagged = self.docker.tag_image(image, Some(options)).await;
        tagged.map_err(|error| self.fault(&format!("tag image {image} as {name}"), &error))
    }

    /// Writes images into one archive on disk, as `docker save` does.
    ///
    /// # Errors
    /// [`TestbedError`] when there is no such image or the file can't be written.
    pub async fn save_images(&self, names: &[&str], archive: &Path) -> Result<(), TestbedError> {
        let stage = format!("save images {} to {}", names.join(" "), archive.display());
        let mut file = tokio::fs::File::create(archive).await.at_stage(&stage)?;
        let mut blocks = std::pin::pin!(self.docker.export_images(names));
        while let Some(block) = blocks.try_next().await.map_err(|error| self.fault(&stage, &error))? {
            file.write_all(&block).await.at_stage(&stage)?;
        }
        file.flush().await.at_stage(&stage)
    }

    /// Takes a name from an image, and the image with its last name. One that is gone already is no error.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be removed, for example because a container uses it.
    pub async fn remove_image(&self, name: &str) -> Result<(), TestbedError> {
        let options = RemoveImageOptionsBuilder::new().build();
        match self.docker.remove_image(name, Some(options), None).await {
            Err(error) if !fault::is_missing(&error) => Err(self.fault(&format!("remove image {name}"), &error)),
            _ => Ok(()),
        }
    }

    /// Checks that the registry of an image has it, without pulling it. The engine asks, so with its credentials, proxies and
    /// mirrors.
    ///
    /// # Errors
    /// [`TestbedError`] with the registry's message, or with why it can't be reached.
    pub async fn check_offered(&self, name: &str) -> Result<(), TestbedError> {
        let found = self.docker.inspect_registry_image(name, None).await;
        found.map(drop).map_err(|error| self.fault(&format!("look for {name} in its registry"), &error))
    }

    async fn follow(
        &self,
        stage: &str,
        said: impl Stream<Item = Result<CreateImageInfo, Error>>,
        note: impl Fn(&str),
    ) -> Result<(), TestbedError> {
        let mut said = std::pin::pin!(said);
        while let Some(line) = said.try_next().await.map_err(|error| self.fault(stage, &error))? {
            let id = line.id.map(|id| format!("{id}: ")).unwrap_or_default();
            if let Some(status) =
                line.status.filter(|_| line.progress_detail.is_none_or(|detail| detail.total.is_none()))
            {
                note(&format!("{id}{status}"));
            }
        }
        Ok(())
    }
}

/// A name's repository and tag; `latest` where it has none.
fn split(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repo, tag)) if !tag.contains('/') => (repo, tag),
        _ => (name, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(split("registry.example:5000/a/b"), ("registry.example:5000/a/b", "latest"));
        assert_eq!(split("registry.example:5000/a/b:v1"), ("registry.example:5000/a/b", "v1"));
        assert_eq!(split("plumbline/node:k1.35"), ("plumbline/node", "k1.35"));
    }
}
