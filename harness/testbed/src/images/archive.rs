//! Image archives in the format of `docker load` and `ctr images import`: layers, a config for each image, and
//! `manifest.json`. They are written directly, so that an image needs no engine to be built, and every config field can be
//! set, such as the stop signal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::json;

use super::pins::Arch;
use super::recipe::ImageConfig;
use crate::build_error::{Context as _, Result};
use crate::cache::file_sha256;
use crate::exec::Cmd;

/// The limit for writing one tar file.
const WRITE: Duration = Duration::from_secs(10 * 60);
/// The time of all files, so that equal content gives an equal image (seconds since 1970; 2023-11-14).
const EPOCH: &str = "@1700000000";
/// The same as a timestamp.
const CREATED: &str = "2023-11-14T22:13:20Z";

/// A layer as a file.
#[derive(Debug, Clone)]
pub(super) struct LayerTar {
    /// The tar, uncompressed.
    pub path: PathBuf,
    /// Its SHA-256, 64 digits.
    pub digest: String,
}

impl LayerTar {
    /// An existing tar file.
    pub(super) fn of_tar(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_path_buf(), digest: file_sha256(path)? })
    }

    /// Packs a folder into `tar`. With `owners` the files keep their owners, otherwise root owns all.
    pub(super) async fn of_folder(folder: &Path, tar: &Path, owners: bool) -> Result<Self> {
        let mut command = Cmd::new("tar").args(["--create", "--sort=name", "--numeric-owner", "--format=gnu"]);
        command = command.arg(format!("--mtime={EPOCH}"));
        if !owners {
            command = command.args(["--owner=0", "--group=0"]);
        }
        let command = command.arg(format!("--file={}", tar.display())).arg(format!("--directory={}", folder.display()));
        command.arg(".").deadline(WRITE).run_ok().await.context("failed to pack a layer")?;
        Self::of_tar(tar)
    }
}

/// One image of an archive.
pub(super) struct ArchiveImage<'a> {
    /// Its reference, with a tag.
    pub reference: String,
    /// From the bottom up.
    pub layers: Vec<LayerTar>,
    /// Its runtime configuration.
    pub config: &'a ImageConfig,
    /// Its labels.
    pub labels: Vec<(&'a str, String)>,
}

impl ArchiveImage<'_> {
    /// The config in the format of the image specification.
    fn config(&self, arch: Arch) -> serde_json::Value {
        let mut run = serde_json::Map::new();
        let mut set = |name: &str, value: serde_json::Value, empty: bool| {
            if !empty {
                run.insert(name.to_owned(), value);
            }
        };
        set("Entrypoint", json!(self.config.entrypoint), self.config.entrypoint.is_empty());
        set("Cmd", json!(self.config.command), self.config.command.is_empty());
        set("Env", json!(self.config.env), self.config.env.is_empty());
        set("User", json!(self.config.user), self.config.user.is_none());
        set("StopSignal", json!(self.config.stop_signal), self.config.stop_signal.is_none());
        let labels: serde_json::Map<_, _> =
            self.labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        set("Labels", json!(labels), labels.is_empty());
        let diff_ids: Vec<_> = self.layers.iter().map(|layer| format!("sha256:{}", layer.digest)).collect();
        json!({
            "architecture": arch.name(),
            "os": "linux",
            "created": CREATED,
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": vec![json!({ "created": CREATED, "created_by": "plumbline" }); self.layers.len()],
        })
    }
}

/// Writes an archive of images. A layer of several images is in it once.
pub(super) async fn write(archive: &Path, images: &[ArchiveImage<'_>], arch: Arch) -> Result<()> {
    let beside = archive.parent().context("the archive has no folder")?;
    let folder = tempfile::Builder::new()
        .prefix("archive-")
        .tempdir_in(beside)
        .context("failed to make a folder for an archive")?;
    let mut manifest = Vec::new();
    for image in images {
        let config = serde_json::to_vec(&image.config(arch))?;
        let name = format!("{}.json", sha256(&config));
        fs::write(folder.path().join(&name), &config)?;
        let mut layers = Vec::new();
        for layer in &image.layers {
            let name = format!("{}.tar", layer.digest);
            let link = folder.path().join(&name);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(std::path::absolute(&layer.path)?, link)?;
            }
            layers.push(name);
        }
        manifest.push(json!({ "Config": name, "RepoTags": [image.reference], "Layers": layers }));
    }
    fs::write(folder.path().join("manifest.json"), serde_json::to_vec(&manifest)?)?;
    let options = "--create --dereference --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r";
    let tar = Cmd::new("tar").args(options.split(' '));
    let tar = tar.arg(format!("--mtime={EPOCH}")).arg(format!("--file={}", archive.display()));
    let tar = tar.arg(format!("--directory={}", folder.path().display())).args(super::tree::list_names(folder.path())?);
    tar.deadline(WRITE).run_ok().await.with_context(|| format!("failed to write {}", archive.display()))?;
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_has_manifest_configs_and_each_layer_once() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::write(tree.join("bin/a"), "program").unwrap();
        let layer = LayerTar::of_folder(&tree, &dir.path().join("layer.tar"), false).await.unwrap();
        let again = LayerTar::of_folder(&tree, &dir.path().join("again.tar"), false).await.unwrap();
        assert_eq!(layer.digest, again.digest, "equal content gives an equal layer");
        let config = ImageConfig {
            entrypoint: vec!["/bin/a".into()],
            stop_signal: Some("SIGRTMIN+3".into()),
            ..ImageConfig::default()
        };
        let image = |reference: &str| ArchiveImage {
            reference: reference.into(),
            layers: vec![layer.clone()],
            config: &config,
            labels: vec![("plumbline.dev/owner", "plumbline".into())],
        };
        let archive = dir.path().join("image.tar");
        write(&archive, &[image("example.org/a:1"), image("example.org/b:1")], Arch::Amd64).await.unwrap();

        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        Cmd::new("tar").args(["-xf", archive.to_str().unwrap(), "-C", out.to_str().unwrap()]).run_ok().await.unwrap();
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["example.org/a:1"]));
        assert_eq!(manifest[1]["RepoTags"], json!(["example.org/b:1"]));
        assert_eq!(manifest[0]["Layers"], json!([format!("{}.tar", layer.digest)]));
        let config_name = manifest[0]["Config"].as_str().unwrap();
        let config = fs::read(out.join(config_name)).unwrap();
        assert_eq!(config_name, format!("{}.json", sha256(&config)));
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(config["config"]["Entrypoint"], json!(["/bin/a"]));
        assert_eq!(config["config"]["StopSignal"], "SIGRTMIN+3");
        assert_eq!(config["config"]["Labels"]["plumbline.dev/owner"], "plumbline");
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", layer.digest)]));
        assert!(config["config"].get("User").is_none());
        let packed = out.join(format!("{}.tar", layer.digest));
        assert_eq!(file_sha256(&packed).unwrap(), layer.digest, "the layer itself, not a link to it");
        assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "one layer, one config (they are equal), one manifest");
    }
}
