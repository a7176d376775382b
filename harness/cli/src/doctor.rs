//! Checks of this host that concern every lane. Nothing is changed. What one lane needs, the lane itself checks.

use plumbline_lanes::host::{HostCheck, check_free_space};
use plumbline_testbed::folders;
use std::path::Path;

/// Free space that the agent and the plugins take, in MiB.
const PLUGINS_MIB: u64 = 3 * 1024;

/// What every lane needs.
#[must_use]
pub fn host(root: &Path) -> Vec<HostCheck> {
    let mut lines = vec![
        HostCheck::new(
            "host",
            "system",
            std::env::consts::OS == "linux" && matches!(std::env::consts::ARCH, "x86_64" | "aarch64"),
            format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "linux on x86_64 (aarch64 is expected to work)",
            "use a Linux machine, a virtual machine or a container with the right to make namespaces",
        ),
        program("cargo", "to build the agent", "install Rust with rustup (https://rustup.rs)"),
        program("go", "to build the CNI plugins and kind", "install Go 1.24 or later (https://go.dev/dl)"),
        HostCheck::met("host", "checkout", &root.display().to_string()),
    ];
    lines.push(check_free_space("host", "the cache", folders::cache(), PLUGINS_MIB));
    lines
}

fn program(name: &str, needed: &str, hint: &str) -> HostCheck {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    let check = HostCheck::new(
        "host",
        name,
        found.is_some(),
        found.map_or_else(|| "not in PATH".to_owned(), |file| file.display().to_string()),
        needed,
        hint,
    );
    // What is built already is used from the cache.
    check.optional()
}
