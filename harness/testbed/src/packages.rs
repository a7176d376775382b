//! Packages of the host's distribution, installed with apt.

use crate::exec::{Cmd, ExecError};
use std::sync::Arc;
use std::time::Duration;

/// Called with each line of progress.
pub type Note = Arc<dyn Fn(&str) + Send + Sync>;

/// PATH with the system's own folders, which an ordinary user's PATH does not contain.
pub fn path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let lacking = more.into_iter().filter(|folder| !own.split(':').any(|has| has == *folder));
    std::iter::once(own.as_str()).filter(|own| !own.is_empty()).chain(lacking).collect::<Vec<_>>().join(":")
}

/// Runs `apt-get` with `args`, and passes the lines about downloads and set-up to `note`.
///
/// # Errors
/// [`ExecError`] with apt's message.
pub async fn apt(args: &[String], deadline: Duration, note: &Note) -> Result<(), ExecError> {
    let note = note.clone();
    let done = Cmd::new("apt-get")
        // Waits for another running apt, and retries a failing mirror.
        .args(["-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0"])
        .args(args.iter().cloned())
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("PATH", path())
        .deadline(deadline)
        .on_line(move |line| {
            if line.starts_with("Setting up ") || line.starts_with("Need to get ") {
                note(line);
            }
        })
        .run_ok()
        .await;
    done.map(drop)
}

/// The command line that installs `packages`.
pub fn install_line(packages: &[String]) -> Vec<String> {
    let mut args: Vec<String> = ["install", "--yes", "--no-install-recommends"].map(str::to_owned).into();
    args.extend(packages.iter().cloned());
    args
}
