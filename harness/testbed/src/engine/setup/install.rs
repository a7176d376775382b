//! Installs packages with apt.

use super::settings::EngineSettings;
use crate::error::TestbedError;
use crate::exec::{Cmd, ExecError};
use crate::packages::{self, Note};
use std::time::Duration;

const STAGE: &str = "install the engine";

/// Installs `packages`, and the client's packages if they contain no `docker` command. Returns the installed versions,
/// `name=version`.
///
/// # Errors
/// [`TestbedError`] with apt's message and a hint.
pub(super) async fn install(
    packages: &[String],
    settings: &EngineSettings,
    note: &Note,
) -> Result<Vec<String>, TestbedError> {
    note("apt-get update");
    apt(&["update".to_owned()], settings.deadlines.update, note).await?;
    install_packages(packages, settings, note).await?;
    let mut installed = packages.to_vec();
    if which::which("docker").is_err() {
        install_packages(&settings.client_packages, settings, note).await?;
        installed.extend(settings.client_packages.clone());
    }
    let mut query = vec!["-W".to_owned(), "-f=${Package}=${Version}\\n".to_owned()];
    query.extend(installed);
    let listed = Cmd::new("dpkg-query").args(query).run_ok().await.map_err(|error| error.testbed_error(STAGE))?;
    Ok(listed.stdout.lines().map(str::to_owned).collect())
}

async fn install_packages(packages: &[String], settings: &EngineSettings, note: &Note) -> Result<(), TestbedError> {
    note(&format!("apt-get install {}", packages.join(" ")));
    apt(&packages::install_line(packages), settings.deadlines.install, note).await
}

async fn apt(args: &[String], deadline: Duration, note: &Note) -> Result<(), TestbedError> {
    packages::apt(args, deadline, note).await.map_err(|error| install_error(&error))
}

fn install_error(error: &ExecError) -> TestbedError {
    let text = error.to_string();
    let hint = if text.contains("No space left") || text.contains("not enough free space") {
        "free some disk space"
    } else if text.contains("Could not get lock") {
        "another package manager is running: wait for its end, then run the same command again"
    } else if text.contains("Unable to locate package") || text.contains("has no installation candidate") {
        "this distribution has no such package: install Docker Engine 20.10 or later by hand and start it"
    } else {
        "check network and /etc/apt, or install Docker Engine 20.10 or later by hand and start it; the netns lane needs no engine"
    };
    error.testbed_error(STAGE).with_hint(hint)
}
