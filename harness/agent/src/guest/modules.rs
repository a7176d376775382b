//! Loading modules, without a shell or a program for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use plumbline_core::guest::in_order;

/// The folder of the first root with what is loaded before the disk is there, by name.
const EARLY: &str = "/early";
/// The list of what is tried at once, on the disk: one module a line.
const LIST: &str = "/plumbline/modules";

/// Loads what it takes to find the disk.
///
/// # Errors
/// The file, and what the kernel says.
pub fn early() -> Result<(), String> {
    let entries = fs::read_dir(EARLY).map_err(|error| format!("list {EARLY}: {error}"))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    files.iter().try_for_each(|file| load(file))
}

/// Loads what plugins and probes ask for first. The rest the kernel loads by `modprobe` when it is asked for.
///
/// # Errors
/// The first that can't be loaded; those before it stay.
pub fn usual() -> Result<(), String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("read {path}: {error}"));
    let wanted: Vec<String> = read(LIST)?.lines().map(str::trim).map(str::to_owned).collect();
    let wanted: Vec<String> = wanted.into_iter().filter(|name| !name.is_empty()).collect();
    let folder = format!("/lib/modules/{}", read("/proc/sys/kernel/osrelease")?.trim());
    let files = in_order(&read(&format!("{folder}/modules.dep"))?, &wanted)
        .map_err(|missing| format!("this kernel has no module {}", missing.join(", ")))?;
    files.iter().try_for_each(|file| load(&Path::new(&folder).join(file)))
}

fn load(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("open {}: {error}", path.display()))?;
    match finit_module(&file, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(format!("load {}: {errno}", path.display())),
    }
}
