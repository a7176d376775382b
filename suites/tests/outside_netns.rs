//! The library from another crate: a path dependency on `plumbline`, one test on netns, no environment variable.

use anyhow::Context as _;
use plumbline::root;
use plumbline_testbed::exec::Cmd;
use std::path::Path;
use std::time::Duration;

/// Deadline for compiling the crate and its test. Crates of other projects are compiled already, for the
/// command. This project's crates are compiled once more, because here they are dependencies of another workspace.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

#[tokio::test]
async fn a_crate_outside_the_checkout_runs_a_test_on_netns() -> anyhow::Result<()> {
    let checkout = root::find()?;
    let dir = tempfile::tempdir()?;
    copy_folder(&checkout.join("suites/tests/outside"), dir.path())?;
    let manifest = std::fs::read_to_string(dir.path().join("Cargo.toml.in"))?;
    let manifest = manifest.replace("@CHECKOUT@", &checkout.display().to_string());
    std::fs::write(dir.path().join("Cargo.toml"), manifest)?;
    // The same versions and the same compiler as in the checkout: dependencies are downloaded and compiled already.
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        std::fs::copy(checkout.join(name), dir.path().join(name))?;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout.join("target"), |set| checkout.join(set));
    let mut cargo = Cmd::new("cargo").args(["test", "--offline", "--test", "netns"]).dir(dir.path()).deadline(DEADLINE);
    // PLUMBLINE_CACHE stays, because it only names where agent and plugins are built. cargo compiles crates again if their
    // build scripts read another CARGO_MANIFEST_DIR.
    let foreign = |name: &str| {
        ["PLUMBLINE_", "CARGO_PKG_", "CARGO_MANIFEST_", "NEXTEST"].iter().any(|start| name.starts_with(start))
    };
    for (name, _) in std::env::vars().filter(|(name, _)| foreign(name) && name != "PLUMBLINE_CACHE") {
        cargo = cargo.without_env(name);
    }
    let done = cargo.env("CARGO_TARGET_DIR", target.display().to_string()).run().await?;
    anyhow::ensure!(done.ok() && done.stdout.contains("1 passed"), "{}\n{}", done.stdout, done.stderr);
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
