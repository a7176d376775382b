//! Replays what upstream's route-override was recorded doing (`suites/golden/route-override.json`) against a binary.
//!
//! Each case has a private user, mount and network namespace as its node, with a pod namespace in it under the path the
//! recording used, and is a test by itself; all that differs is reported at once. The binary is the one this crate
//! builds, or that named by `PLUMBLINE_ROUTE_OVERRIDE`, so that upstream's own can be replayed too.
//!
//! The cases in which upstream panics are held against what this plugin promises for them: exit code 1, CNI code 7, and
//! the same routes gone and come. A foreign binary may panic there as recorded. `own.json` has further cases in the same
//! form, which only our own binary has to fit.

mod replay;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use replay::{compare, node, recording};

/// Names the plugin to be replayed in place of our own.
const FOREIGN: &str = "PLUMBLINE_ROUTE_OVERRIDE";

fn main() -> ExitCode {
    if let Some(code) = node::inside(&differences) {
        return code;
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("the_recording_is_whole", whole)];
    trials.extend(
        cases().into_iter().map(|case| Trial::test(case.id.clone(), move || node::run(&case.id).map_err(Failed::from))),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn foreign() -> Option<PathBuf> {
    std::env::var_os(FOREIGN).map(PathBuf::from)
}

fn cases() -> Vec<recording::Case> {
    let mut cases = recording::upstream();
    if foreign().is_none() {
        cases.extend(recording::own());
    }
    cases
}

/// Runs one case, in the private node that this program is in by now, and gives what differs.
fn differences(name: &str) -> Result<Vec<String>> {
    // nextest moves binaries about and says where they are; cargo's own path is that of the build.
    let built = std::env::var_os("NEXTEST_BIN_EXE_route-override").map(PathBuf::from);
    let plugin = foreign().or(built).unwrap_or_else(|| env!("CARGO_BIN_EXE_route-override").into());
    let case = cases().into_iter().find(|case| case.id == name);
    let case = case.with_context(|| format!("there is no case {name}"))?;
    let seen = node::play(&case, &plugin)?;
    Ok(compare::differences(&case, &seen, foreign().is_some()))
}

/// A recording that lost cases must not look like a plugin that fits.
fn whole() -> Result<(), Failed> {
    let cases = recording::upstream();
    let panics = cases.iter().filter(|case| case.panics()).count();
    match (cases.len(), panics) {
        (68, 6) => Ok(()),
        (all, panics) => Err(format!("{all} cases, {panics} of them panics; 68 and 6 were recorded").into()),
    }
}
