//! What the tests share: reading the suite's files from disk.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod edited;
pub mod frames;
pub mod linted;
pub mod observed;
pub mod predicted;
pub mod probed;
pub mod seed_edits;
pub mod terway;
pub mod wired;

use plumbline_core::plan::Plan;
use plumbline_core::scenario::{InputError, LoadError, load_scenario};
use std::path::PathBuf;

/// The folder `suites`.
pub fn suites() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../suites").canonicalize().unwrap()
}

/// Reads a file from disk, as the command's own loader does.
pub fn read(path: &str) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => LoadError::NotFound,
        _ => LoadError::Refused(error.to_string()),
    })
}

/// Loads a scenario of the suite by its path below `scenarios/`.
pub fn load(path: &str) -> Result<Plan, Vec<InputError>> {
    load_scenario(suites().join("scenarios").join(path).to_str().unwrap(), &read)
}
