//! Compiles Terway's wire contract, `rpc/rpc.proto`, from its Go module in the version of `images/pins.yaml`. The
//! repository has no copy of it, so the contract is always that of the pinned version.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const PINS: &str = "../pins.yaml";
const PIN: &str = "terway";
const PROTO: &str = "rpc.proto";

#[derive(Deserialize)]
struct Pins {
    go: BTreeMap<String, Pin>,
}

#[derive(Deserialize)]
struct Pin {
    module: String,
    version: String,
}

/// The output of `go mod download -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    dir: Option<PathBuf>,
    error: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PINS}");
    let pins: Pins = serde_yaml::from_str(&std::fs::read_to_string(PINS)?)?;
    let pin = pins.go.get(PIN).ok_or(format!("{PINS} has no pin {PIN}"))?;
    let folder = download_module(&format!("{}@{}", pin.module, pin.version))?.join("rpc");
    let contract = protox::compile([Path::new(PROTO)], [folder.as_path()])?;
    tonic_prost_build::configure().build_client(false).compile_fds(contract)?;
    Ok(())
}

/// The folder of a module. Go downloads it if its module cache does not have it.
#[expect(clippy::disallowed_methods, reason = "a build script has no testbed crate")]
fn download_module(named: &str) -> Result<PathBuf, Box<dyn Error>> {
    let line = ["mod", "download", "-json", named];
    // In a folder without a go.mod, so that Go uses no other module.
    let ran = Command::new("go").args(line).env("GOFLAGS", "-mod=mod").current_dir(std::env::temp_dir()).output();
    let answer = ran.map_err(|error| format!("go {}: {error}; the build needs Go", line.join(" ")))?;
    let module: Module = serde_json::from_slice(&answer.stdout)
        .map_err(|error| format!("go {}: {error}: {}", line.join(" "), String::from_utf8_lossy(&answer.stderr)))?;
    module.dir.ok_or_else(|| format!("go {}: {}", line.join(" "), module.error.unwrap_or_default()).into())
}
