//! Finds runc and replaces this process with it.

use anyhow::{Context as _, Result, anyhow};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// Folders that are searched after PATH, because an engine may have a short PATH.
const USUAL: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Replaces this process with runc and the same arguments. Returns only on failure.
///
/// # Errors
/// When there is no runc, or it can't be started.
pub fn replace_with(arguments: &[OsString]) -> Result<std::convert::Infallible> {
    let runc = find_runc().context("found no runc in PATH or in the usual folders; install the Debian package runc")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this program has no testbed crate; it starts no child process, it executes runc in its place"
    )]
    let error = std::process::Command::new(&runc).args(arguments).exec();
    Err(anyhow!(error).context(format!("failed to start {}", runc.display())))
}

/// The first executable file named runc that is not this program itself.
fn find_runc() -> Option<PathBuf> {
    let own = std::fs::metadata("/proc/self/exe").ok().map(|m| (m.dev(), m.ino()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from)).map(|folder| folder.join("runc")).find(|file| {
        std::fs::metadata(file).is_ok_and(|meta| {
            meta.is_file() && meta.permissions().mode() & 0o111 != 0 && Some((meta.dev(), meta.ino())) != own
        })
    })
}
