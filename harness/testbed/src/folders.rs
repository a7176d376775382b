//! Plumbline's folders outside the checkout: the cache and the state folder.

use crate::error::{AtStage, TestbedError};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The folder of build results: `PLUMBLINE_CACHE`, else `$XDG_CACHE_HOME/plumbline`, else `~/.cache/plumbline`.
///
/// # Errors
/// [`TestbedError`] when the environment names no folder or it can't be created.
pub fn cache() -> Result<PathBuf, TestbedError> {
    folder("PLUMBLINE_CACHE", "XDG_CACHE_HOME", ".cache")
}

/// The folder of journals, leases, kubeconfigs and evidence: `PLUMBLINE_STATE`, else `$XDG_STATE_HOME/plumbline`,
/// else `~/.local/state/plumbline`.
///
/// # Errors
/// [`TestbedError`] when the environment names no folder or it can't be created.
pub fn state() -> Result<PathBuf, TestbedError> {
    folder("PLUMBLINE_STATE", "XDG_STATE_HOME", ".local/state")
}

fn folder(own: &str, xdg: &str, below_home: &str) -> Result<PathBuf, TestbedError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set(own)
        .or_else(|| set(xdg).map(|base| base.join("plumbline")))
        .or_else(|| set("HOME").map(|home| home.join(below_home).join("plumbline")))
        .ok_or_else(|| {
            TestbedError::new("find folders", format!("none of {own}, {xdg} and HOME is set"))
                .with_hint(format!("set {own} to a folder of yours"))
        })?;
    std::fs::create_dir_all(&folder).at_stage(&format!("make folder {}", folder.display()))?;
    Ok(folder)
}

/// Writes a file completely, or leaves the old one. Only its owner can read it and its folder.
///
/// # Errors
/// The error of the first operation that failed.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(std::io::Error::other)
}
