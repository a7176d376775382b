//! Replays the recorded calls of upstream's route-override (`suites/golden/route-override.json`) against a binary.
//!
//! Each case is a separate test. Its node is a private user, mount and network namespace, with a pod namespace under the
//! path of the recording. A test reports all differences at once. The binary is the one that this crate builds, or the one
//! that `PLUMBLINE_ROUTE_OVERRIDE` names, so that upstream's own can be tested too.
//!
//! Where upstream panics, this plugin must exit with code 1 and CNI code 7, with the same removed and added routes. A
//! foreign binary may panic as recorded. `own.json` has further cases in the same format, only for our own binary.

mod replay;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use replay::{compare, node, recording};

/// The variable with the path of another plugin to test instead of our own.
const FOREIGN: &str = "PLUMBLINE_ROUTE_OVERRIDE";

fn main() -> ExitCode {
    if let Some(code) = node::serve_inner(&differences) {
        return code;
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("the_recording_is_complete", check_recording)];
    trials.extend(
        cases()
            .into_iter()
            .map(|case| Trial::test(case.id.clone(), move || node::run_case(&case.id).map_err(Failed::from))),
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

/// Runs one case in this process's private node, and returns the differences.
fn differences(name: &str) -> Result<Vec<String>> {
    // nextest moves binaries and sets this variable; cargo's own path is that of the build.
    let built = std::env::var_os("NEXTEST_BIN_EXE_route-override").map(PathBuf::from);
    let plugin = foreign().or(built).unwrap_or_else(|| env!("CARGO_BIN_EXE_route-override").into());
    let case = cases().into_iter().find(|case| case.id == name);
    let case = case.with_context(|| format!("there is no case {name}"))?;
    let observed = node::replay_case(&case, &plugin)?;
    Ok(compare::differences(&case, &observed, foreign().is_some()))
}

/// Checks the number of recorded cases, so that lost cases do not make every plugin pass.
fn check_recording() -> Result<(), Failed> {
    let cases = recording::upstream();
    let panics = cases.iter().filter(|case| case.panics()).count();
    match (cases.len(), panics) {
        (68, 6) => Ok(()),
        (all, panics) => Err(format!("expected 68 cases with 6 panics, found {all} with {panics}").into()),
    }
}
