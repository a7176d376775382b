//! Inspects, loads, pulls and saves images.

use super::{Engine, fault};
use crate::error::{AtStage, TestbedError};
use bollard::body_try_stream;
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder};
use futures::TryStreamExt as _;
use std::path::Path;
use tokio::io::AsyncWriteExt as _;

/// An image of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineImage {
    /// Its registry digests, `repository@sha256:...`; empty if it was never pulled.
    pub digests: Vec<String>,
}

impl Engine {
    /// An image by name or id; none if the engine does not have it.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine does not answer.
    pub async fn image(&self, name: &str) -> Result<Option<EngineImage>, TestbedError> {
        match self.docker.inspect_image(name).await {
            Ok(found) => Ok(Some(EngineImage { digests: found.repo_digests.unwrap_or_default() })),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(self.fault(&format!("inspect image {name}"), &error)),
        }
    }

    /// Pulls an image, passing the engine's progress to `note`.
    ///
    /// # Errors
    /// [`TestbedError`] with the registry's message and a hint.
    pub async fn pull_image(&self, name: &str, note: impl Fn(&str)) -> Result<(), TestbedError> {
        // Without a tag the engine would pull every tag of the repository.
        let tagged = name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let from = if tagged { name.to_owned() } else { format!("{name}:latest") };
        let options = CreateImageOptionsBuilder::new().from_image(&from).build();
        let stage = format!("pull image {name}");
        let mut lines = self.docker.create_image(Some(options), None, None);
        while let Some(line) = lines.try_next().await.map_err(|error| self.fault(&stage, &error))? {
            let id = line.id.map(|id| format!("{id}: ")).unwrap_or_default();
            let has_size = line.progress_detail.is_some_and(|detail| detail.total.is_some());
            if let Some(status) = line.status.filter(|_| !has_size) {
                note(&format!("{id}{status}"));
            }
        }
        Ok(())
    }

    /// Loads an archive of `docker save` (or one in the OCI layout, if the engine supports it).
    /// Returns the names or ids that the engine reports as loaded.
    ///
    /// # Errors
    /// [`TestbedError`] when it can't be read or the engine refuses it.
    pub async fn load_images(&self, archive: &Path) -> Result<Vec<String>, TestbedError> {
        let stage = format!("load images from {}", archive.display());
        let file = tokio::fs::File::open(archive).await.at_stage(&stage)?;
        let body = body_try_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 20));
        let loaded = self.docker.import_image(ImportImageOptionsBuilder::new().build(), body, None);
        let lines: Vec<_> = loaded.try_collect().await.map_err(|error| self.fault(&stage, &error))?;
        let text: String = lines.into_iter().filter_map(|line| line.stream).collect();
        Ok(text
            .lines()
            .filter_map(|line| line.strip_prefix("Loaded image: ").or_else(|| line.strip_prefix("Loaded image ID: ")))
            .map(str::to_owned)
            .collect())
    }

    /// Writes images into one archive on disk, like `docker save`.
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

    /// Checks that the registry of an image has it, without pulling it. The engine sends the request, with its credentials,
    /// proxies and mirrors.
    ///
    /// # Errors
    /// [`TestbedError`] with the registry's message, or the reason why it can't be reached.
    pub async fn check_offered(&self, name: &str) -> Result<(), TestbedError> {
        let found = self.docker.inspect_registry_image(name, None).await;
        found.map(drop).map_err(|error| self.fault(&format!("look for {name} in its registry"), &error))
    }
}
