//! Finding runc, and becoming it.

use anyhow::{Context as _, Result, anyhow};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// Searched after PATH, since an engine may be started with a short one.
const USUAL: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Replaces this process by runc with the same arguments. Returns only on failure.
///
/// # Errors
/// When there is no runc, or it can't be started.
pub fn replace_with(arguments: &[OsString]) -> Result<std::convert::Infallible> {
    let runc = find().context("found no runc in PATH or in the usual folders; install the Debian package runc")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this program has no testbed crate; it starts nothing, it becomes runc"
    )]
    let error = std::process::Command::new(&runc).args(arguments).exec();
    Err(anyhow!(error).context(format!("failed to start {}", runc.display())))
}

/// The first executable file named runc that is not this program itself.
fn find() -> Option<PathBuf> {
    let own = std::fs::metadata("/proc/self/exe").ok().map(|m| (m.dev(), m.ino()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from)).map(|folder| folder.join("runc")).find(|file| {
        std::fs::metadata(file).is_ok_and(|meta| {
            meta.is_file() && meta.permissions().mode() & 0o111 != 0 && Some((meta.dev(), meta.ino())) != own
        })
    })
}
