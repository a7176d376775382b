//! Copying files into containers, as tar archives, which is how the engine takes them.

use super::Engine;
use crate::error::{AtStage, TestbedError};
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bollard::{body_full, body_try_stream};
use std::path::Path;
use std::time::Duration;

/// A regular file for an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Path within the archive, without a leading slash, at most 100 bytes.
    pub path: String,
    /// Mode bits, for example `0o755`.
    pub mode: u32,
    /// Content.
    pub content: Vec<u8>,
}

/// An uncompressed tar archive (ustar, POSIX.1-1988) of regular files that belong to root. Folders are made by
/// the program that unpacks it.
///
/// # Errors
/// [`TestbedError`] when a path is longer than the 100 bytes that the format's name field holds.
pub fn tar(files: &[ArchiveFile]) -> Result<Vec<u8>, TestbedError> {
    let mut archive = Vec::new();
    for file in files {
        archive.extend_from_slice(&header(file)?);
        archive.extend_from_slice(&file.content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    Ok(archive)
}

fn header(file: &ArchiveFile) -> Result<[u8; 512], TestbedError> {
    if file.path.len() > 100 {
        return Err(TestbedError::new(
            "pack files",
            format!("{} is longer than the 100 bytes of a tar name", file.path),
        ));
    }
    let mut block = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, file.path.as_bytes());
    put(100, format!("{:07o}", file.mode).as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{:011o}", file.content.len()).as_bytes());
    // A fixed time: the same files give the same archive.
    put(136, b"00000000000");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

impl Engine {
    /// Unpacks files below `folder` of a container. The container need not run; what is there under the same name
    /// is overwritten in place.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine refuses, for example because there is no such folder.
    pub async fn put_files(&self, container: &str, folder: &str, files: &[ArchiveFile]) -> Result<(), TestbedError> {
        let stage = format!("put {} files into {container}:{folder}", files.len());
        let body = body_full(tar(files)?.into());
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        self.docker
            .upload_to_container(container, Some(options), body)
            .await
            .map_err(|error| self.fault(&stage, &error))
    }

    /// Unpacks a tar archive on disk (plain, gzip, bzip2 or xz) below `folder` of a container.
    ///
    /// # Errors
    /// [`TestbedError`] when the archive can't be read or the engine refuses.
    pub async fn put_archive(&self, container: &str, folder: &str, archive: &Path) -> Result<(), TestbedError> {
        let stage = format!("put {} into {container}:{folder}", archive.display());
        let file = tokio::fs::File::open(archive).await.at_stage(&stage)?;
        let body = body_try_stream(tokio_util::io::ReaderStream::with_capacity(file, 1 << 20));
        let options = UploadToContainerOptionsBuilder::new().path(folder).build();
        self.docker
            .upload_to_container(container, Some(options), body)
            .await
            .map_err(|error| self.fault(&stage, &error))
    }

    /// Puts one file at an absolute path of a running container by writing it beside its place and renaming it, so
    /// that half a program is never started and a running one is not refused as busy. Wants `mv` in the container.
    ///
    /// # Errors
    /// [`TestbedError`] when the engine refuses or the rename fails.
    pub async fn put_file(&self, container: &str, path: &str, mode: u32, content: Vec<u8>) -> Result<(), TestbedError> {
        let stage = format!("put file {container}:{path}");
        let (folder, name) =
            path.rsplit_once('/').ok_or_else(|| TestbedError::new(&stage, "the path is not absolute"))?;
        let folder = if folder.is_empty() { "/" } else { folder };
        let beside = format!(".{name}.{}", crate::ids::new_id());
        self.put_files(container, folder, &[ArchiveFile { path: beside.clone(), mode, content }]).await?;
        let from = format!("{}/{beside}", folder.trim_end_matches('/'));
        let argv = ["mv", "-fT", &from, path];
        self.exec_ok(&stage, container, &argv, None, Duration::from_secs(30)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Cmd;

    #[tokio::test]
    async fn the_archive_is_read_by_tar_itself() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ArchiveFile { path: "opt/cni/bin/tool".into(), mode: 0o755, content: vec![7; 1000] },
            ArchiveFile { path: "empty".into(), mode: 0o640, content: vec![] },
        ];
        Cmd::new("tar")
            .args(["-xf", "-", "-C"])
            .arg(dir.path().display().to_string())
            .stdin(tar(&files).unwrap())
            .run_ok()
            .await
            .unwrap();
        assert_eq!(std::fs::read(dir.path().join("opt/cni/bin/tool")).unwrap(), vec![7; 1000]);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("opt/cni/bin/tool"), 0o755);
        assert_eq!(std::fs::read(dir.path().join("empty")).unwrap(), Vec::<u8>::new());
        assert!(tar(&[ArchiveFile { path: "x".repeat(101), mode: 0, content: vec![] }]).is_err());
    }
}
