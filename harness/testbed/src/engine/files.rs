//! Copies files into containers, as tar archives, the format of the engine's API.

use super::Engine;
use crate::error::{AtStage, TestbedError};
use bollard::body_full;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use tokio_tar::{Builder, Header};

/// A regular file for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path within the archive, without a leading slash.
    pub path: String,
    /// Mode bits, for example `0o755`.
    pub mode: u32,
    /// Content.
    pub content: Vec<u8>,
}

/// An uncompressed tar archive of regular files that belong to root. The unpacking program creates folders.
///
/// # Errors
/// [`TestbedError`] for a path that no archive can have.
pub async fn tar(files: &[ArchiveFile]) -> Result<Vec<u8>, TestbedError> {
    let mut archive = Builder::new(Vec::new());
    for file in files {
        // The time stays 0, so that equal files give an equal archive.
        let mut header = Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        archive.append_data(&mut header, &file.path, file.content.as_slice()).await.at_stage("pack files")?;
    }
    archive.into_inner().await.at_stage("pack files")
}

impl Engine {
    /// Unpacks files below `folder` of a container. The container need not run. Existing files are overwritten in place.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine refuses, for example because there is no such folder.
    pub async fn put_files(&self, container: &str, folder: &str, files: &[ArchiveFile]) -> Result<(), TestbedError> {
        let stage = format!("put {} files into {container}:{folder}", files.len());
        let body = body_full(tar(files).await?.into());
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        self.docker
            .upload_to_container(container, Some(options), body)
            .await
            .map_err(|error| self.fault(&stage, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Cmd;

    #[tokio::test]
    async fn tar_can_unpack_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ArchiveFile { path: "opt/cni/bin/tool".into(), mode: 0o755, content: vec![7; 1000] },
            ArchiveFile { path: "empty".into(), mode: 0o640, content: vec![] },
        ];
        Cmd::new("tar")
            .args(["-xf", "-", "-C"])
            .arg(dir.path().display().to_string())
            .stdin(tar(&files).await.unwrap())
            .run_ok()
            .await
            .unwrap();
        assert_eq!(std::fs::read(dir.path().join("opt/cni/bin/tool")).unwrap(), vec![7; 1000]);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("opt/cni/bin/tool"), 0o755);
        assert_eq!(std::fs::read(dir.path().join("empty")).unwrap(), Vec::<u8>::new());
        assert!(tar(&[ArchiveFile { path: "../x".into(), mode: 0, content: vec![] }]).await.is_err());
    }
}
