//! Builds the files that a virtual machine boots: the kernel of a Debian root, the modules for its disk, and that root as a disk
//! image.
//!
//! It needs no loop device and no mount: `mke2fs -d` fills the image from a folder.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plumbline_core::guest::order_modules;

use super::debian;
use super::recipe::GuestStep;
use super::tree::TreeSources;
use crate::build_error::{BuildError, Context as _, Result, refuse};
use crate::cpio::Writer;
use crate::exec::Cmd;

/// The kernel, in the step's folder.
pub const KERNEL: &str = "kernel";
/// The archive with the modules that are loaded before the disk appears: `early/NN-NAME.ko`, loaded in the order of names.
pub const EARLY: &str = "early.cpio";
/// The disk: ext4 without a journal, mounted read-only.
pub const DISK: &str = "disk.img";

const BLOCK: u64 = 4096;
/// The space for group tables and folders, in addition to files and inodes.
const SPARE_BLOCKS: u64 = 4096;
/// The limit for packing.
const PACK: Duration = Duration::from_secs(300);

/// Builds all three into `folder`.
pub(super) async fn build(step: &GuestStep, sources: &TreeSources<'_>, folder: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("guest-").tempdir_in(folder).context("failed to make a folder")?;
    let top = scratch.path().join("root");
    fs::create_dir(&top)?;
    let layer = sources.step(&step.root)?.join(debian::LAYER);
    // Without device files: the guest's kernel creates them, and an ordinary user could not unpack them.
    Cmd::new("tar")
        .args(["--extract", "--exclude=./dev/*", "--exclude=./boot/initrd*", "--file"])
        .arg(layer.display().to_string())
        .arg("--directory")
        .arg(top.display().to_string())
        .deadline(PACK)
        .run_ok()
        .await
        .context("failed to unpack the root")?;
    let version = read_only_name(&top.join("lib/modules")).or_else(|_| read_only_name(&top.join("usr/lib/modules")))?;
    let boot = top.join("boot");
    let kernel = boot.join(format!("vmlinuz-{version}"));
    fs::copy(&kernel, folder.join(KERNEL)).with_context(|| format!("the root has no {}", kernel.display()))?;
    fs::remove_dir_all(&boot)?;
    fs::create_dir(&boot)?;
    write_early_modules(&top.join("lib/modules").join(&version), &step.early, &folder.join(EARLY))?;
    sources.lay_out(&step.items, &top).await?;
    write_disk(&top, &folder.join(DISK)).await
}

/// The one name in a folder.
fn read_only_name(folder: &Path) -> Result<String> {
    let names = super::tree::list_names(folder)?;
    match names.as_slice() {
        [one] => Ok(one.clone()),
        names => refuse!("{}: expected the modules of one kernel, found {names:?}", folder.display()),
    }
}

/// Writes the archive of early modules, each after its dependencies.
fn write_early_modules(modules: &Path, wanted: &[String], to: &Path) -> Result<()> {
    let path = modules.join("modules.dep");
    let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let ordered = order_modules(&text, wanted).map_err(|missing| {
        BuildError::Refused(format!("the kernel of this root has no module {}", missing.join(", ")))
    })?;
    let mut archive = Writer::new(BufWriter::new(File::create(to)?));
    archive.folder("early")?;
    for (number, module) in ordered.iter().enumerate() {
        let name = Path::new(module).file_name().and_then(|name| name.to_str()).context("a module has no name")?;
        archive.copy(&format!("early/{number:02}-{name}"), 0o644, &modules.join(module))?;
    }
    archive.finish()?;
    Ok(())
}

async fn write_disk(top: &Path, to: &Path) -> Result<()> {
    let (mut blocks, mut files) = (SPARE_BLOCKS, 1024);
    measure_folder(top, &mut blocks, &mut files)?;
    // An inode takes 256 bytes.
    blocks += files / (BLOCK / 256);
    // Groups and their bitmaps.
    blocks += blocks / 16;
    let tool =
        which::which_in("mke2fs", Some(crate::packages::path()), "/").unwrap_or_else(|_| PathBuf::from("mke2fs"));
    Cmd::new(tool)
        .args("-q -F -t ext4 -O ^has_journal,^metadata_csum,^resize_inode -m 0 -L plumbline".split(' '))
        .args(["-b".to_owned(), BLOCK.to_string(), "-N".to_owned(), files.to_string()])
        .args(["-d".to_owned(), top.display().to_string(), to.display().to_string(), blocks.to_string()])
        .deadline(PACK)
        .run_ok()
        .await
        .context("failed to make a disk image (mke2fs is in the package e2fsprogs)")?;
    Ok(())
}

/// Adds up the blocks and inodes of a folder's content.
fn measure_folder(folder: &Path, blocks: &mut u64, files: &mut u64) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?;
        let about = entry.metadata()?;
        *files += 1;
        *blocks += about.len().div_ceil(BLOCK);
        if about.is_dir() {
            *blocks += 1;
            measure_folder(&entry.path(), blocks, files)?;
        }
    }
    Ok(())
}
