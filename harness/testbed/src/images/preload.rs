//! Builds a containerd state folder with unpacked images, so that a node needs no pull and no import at its start.
//!
//! The node image's own containerd runs for some seconds on this host, in a private mount namespace, with its state in a folder
//! of the build. This needs no engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive::{self, ArchiveImage, LayerTar};
use super::debian::LAYER;
use super::pins::Arch;
use super::recipe::{ImageConfig, Preload, PreloadImage};
use super::tree::TreeSources;
use crate::build_error::{Context as _, Result, refuse};
use crate::exec::{Cmd, Session};
use crate::wait::{Deadline, late, pause};

/// The limit for containerd's answer.
const START: Duration = Duration::from_secs(30);
/// Pause between two checks whether it answers; there is no event for this.
const LOOK: Duration = Duration::from_millis(100);
/// The limit for the import.
const IMPORT: Duration = Duration::from_secs(5 * 60);
/// The containerd namespace of the kubelet's runtime interface.
const NAMESPACE: &str = "k8s.io";
/// containerd's folder of manifests, configs and layers.
const CONTENT: &str = "io.containerd.content.v1.content";
/// PATH of the single-program images.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Builds the state folder below `top` (the layer's top), with scratch files in `scratch`.
pub(super) async fn build(
    preload: &Preload,
    sources: &TreeSources<'_>,
    arch: Arch,
    top: &Path,
    scratch: &Path,
) -> Result<()> {
    let archive = scratch.join("preload.tar");
    write_archive(preload, sources, arch, &archive, scratch).await?;
    let state = top.join(preload.folder.trim_start_matches('/'));
    fs::create_dir_all(&state)?;
    let daemon = Daemon::start(sources.step(&preload.containerd)?, &state).await?;
    let filled = daemon.fill(&archive).await;
    let stderr = daemon.stop().await;
    let layers =
        filled.with_context(|| format!("failed to unpack images; containerd printed: {}", last_lines(&stderr)))?;
    remove_rest(&state, &layers)
}

/// The archive of the images, with the references that kubeadm requires.
async fn write_archive(
    preload: &Preload,
    sources: &TreeSources<'_>,
    arch: Arch,
    archive: &Path,
    scratch: &Path,
) -> Result<()> {
    let kubeadm = sources.step(&preload.kubeadm)?.join("kubeadm");
    let version = sources.pins.fill(&preload.version)?;
    let listed =
        Cmd::new(&kubeadm).args(["config", "images", "list", "--kubernetes-version", &version]).run_ok().await?;
    let configs: Vec<_> = preload.images.iter().map(image_config).collect();
    let mut images = Vec::new();
    for (image, config) in preload.images.iter().zip(&configs) {
        let reference = find_reference(&listed.stdout, &image.name)?;
        let folder = scratch.join("images").join(&image.name);
        let program = folder.join(image.path.trim_start_matches('/'));
        fs::create_dir_all(program.parent().context("a program needs a folder")?)?;
        let from = sources.step(&image.from)?.join(&image.program);
        fs::copy(&from, &program).with_context(|| format!("failed to copy {}", from.display()))?;
        let mut layers = Vec::new();
        if let Some(base) = &image.base {
            layers.push(LayerTar::of_tar(&sources.step(base)?.join(LAYER))?);
        }
        layers.push(LayerTar::of_folder(&folder, &scratch.join(format!("{}.tar", image.name)), false).await?);
        images.push(ArchiveImage { reference, layers, config, labels: vec![] });
    }
    archive::write(archive, &images, arch).await
}

fn image_config(image: &PreloadImage) -> ImageConfig {
    ImageConfig { entrypoint: vec![image.path.clone()], env: vec![PATH.into()], ..ImageConfig::default() }
}

/// The reference in kubeadm's list whose repository ends in `name`.
fn find_reference(list: &str, name: &str) -> Result<String> {
    let found = list.lines().find(|line| {
        let repository = line.rsplit_once(':').map_or(*line, |(repository, _)| repository);
        repository.rsplit('/').next() == Some(name)
    });
    found
        .map(str::to_owned)
        .with_context(|| format!("kubeadm requires no image `{name}`, only {}", list.replace('\n', " ")))
}

/// A containerd that serves one import.
struct Daemon {
    session: Session,
    ctr: PathBuf,
    socket: PathBuf,
    _run: tempfile::TempDir,
}

impl Daemon {
    async fn start(programs: &Path, state: &Path) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            refuse!(
                "unpacking images for a node needs root; build as root once, or use a profile with published images (upstream)"
            );
        }
        // A short path, because the path of a socket may have at most 107 bytes.
        let run = tempfile::Builder::new().prefix("plumbline-ctd-").tempdir().context("failed to make a run folder")?;
        let socket = run.path().join("s");
        let config = run.path().join("config.toml");
        fs::write(&config, daemon_config(state, run.path()))?;
        // Its mounts are private, and it ends when this process is killed.
        let mut argv: Vec<String> = ["setpriv", "--pdeathsig", "TERM", "unshare", "--mount"].map(Into::into).to_vec();
        argv.extend([
            programs.join("containerd").display().to_string(),
            "--config".into(),
            config.display().to_string(),
        ]);
        let session = Session::start(&argv, &[]).context("failed to start containerd for unpacking images")?;
        let daemon = Self { session, ctr: programs.join("ctr"), socket, _run: run };
        let deadline = Deadline::after(START);
        while let Err(error) = daemon.ctr(["version"]).run_ok().await {
            if deadline.over() {
                return Err(late("unpack images", "containerd to answer", deadline, &error.to_string()).into());
            }
            pause(LOOK).await;
        }
        Ok(daemon)
    }

    fn ctr<const N: usize>(&self, args: [&str; N]) -> Cmd {
        Cmd::new(&self.ctr).args(["--address", &self.socket.display().to_string(), "--namespace", NAMESPACE]).args(args)
    }

    /// Imports the archive, then removes the layers' tar files from the content store and returns their digests. A node uses only
    /// the unpacked files, and the whole state folder is copied for every new node.
    async fn fill(&self, archive: &Path) -> Result<Vec<String>> {
        let archive = archive.display().to_string();
        self.ctr(["images", "import", "--local", "--snapshotter", "overlayfs", &archive])
            .deadline(IMPORT)
            .run_ok()
            .await?;
        let listed = self.ctr(["content", "list"]).run_ok().await?.stdout;
        let layers = list_layers(&listed);
        for digest in &layers {
            self.ctr(["content", "rm", digest]).run_ok().await?;
        }
        Ok(layers)
    }

    async fn stop(self) -> String {
        if let Some(pid) = self.session.pid().and_then(|pid| i32::try_from(pid).ok()) {
            // With a signal that it can handle, so that it writes its database to disk. It has its own process group (see `exec`).
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
        }
        self.session.end(Duration::from_secs(10)).await.1
    }
}

fn daemon_config(state: &Path, run: &Path) -> String {
    let (state, run) = (state.display(), run.display());
    format!(
        "version = 3\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", \
         \"io.containerd.grpc.v1.cri\", \"io.containerd.nri.v1.nri\", \"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = {:?}\n[ttrpc]\naddress = {:?}\n",
        state.to_string(),
        format!("{run}/state"),
        format!("{run}/s"),
        format!("{run}/t"),
    )
}

/// The digests of layers in `ctr content list`: entries with a size of megabytes or more. Manifests and configs, which must
/// stay, are smaller.
fn list_layers(listed: &str) -> Vec<String> {
    let rows = listed.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 1 && (row[1].ends_with("MB") || row[1].ends_with("MiB") || row[1].ends_with("GB")))
        .map(|row| row[0].to_owned())
        .collect()
}

/// Removes everything except content, snapshots and their database. It also removes the files of the dropped layers, which
/// containerd would remove only at its next garbage collection.
fn remove_rest(state: &Path, layers: &[String]) -> Result<()> {
    for digest in layers {
        let path = state.join(CONTENT).join("blobs").join(digest.replace(':', "/"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", path.display()));
            }
            _ => {}
        }
    }
    let keep = [CONTENT, "io.containerd.metadata.v1.bolt", "io.containerd.snapshotter.v1.overlayfs"];
    for entry in fs::read_dir(state)? {
        let entry = entry?;
        if !keep.contains(&entry.file_name().to_string_lossy().as_ref()) {
            fs::remove_dir_all(entry.path()).with_context(|| format!("failed to remove {}", entry.path().display()))?;
        }
    }
    match keep.iter().find(|name| !state.join(name).is_dir()) {
        None => Ok(()),
        Some(missing) => refuse!("containerd created no {missing}"),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        "registry.k8s.io/kube-proxy:v1.35.4\nregistry.k8s.io/coredns/coredns:v1.13.1\nregistry.k8s.io/pause:3.10.1\n";

    #[test]
    fn references_are_those_of_kubeadm() {
        assert_eq!(find_reference(LIST, "coredns").unwrap(), "registry.k8s.io/coredns/coredns:v1.13.1");
        assert_eq!(find_reference(LIST, "pause").unwrap(), "registry.k8s.io/pause:3.10.1");
        assert!(find_reference(LIST, "proxy").is_err(), "the whole name, not its end");
    }

    #[test]
    fn only_layers_are_dropped_from_the_content() {
        let listed = "DIGEST\t\tSIZE\tAGE\t\tLABELS\nsha256:aa\t1.2kB\t1 second\t-\nsha256:bb\t61.93MB\t1 second\t-\n";
        assert_eq!(list_layers(listed), ["sha256:bb"]);
    }
}
