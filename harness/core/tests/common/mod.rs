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

use plumbline_core::plan::{Plan, split_case};
use plumbline_core::scenario::{InputError, LoadError, load_case, load_scenario};
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

/// Loads a scenario of the suite by its path below `scenarios/`, with the name of its case in brackets.
pub fn load(path: &str) -> Result<Plan, Vec<InputError>> {
    let (path, case) = split_case(path);
    let file = suites().join("scenarios").join(path);
    match case {
        Some(case) => load_case(file.to_str().unwrap(), case, &read),
        None => load_scenario(file.to_str().unwrap(), &read),
    }
}
