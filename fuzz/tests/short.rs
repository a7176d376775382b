//! Each target for a second: the seeds, and some thousand mutations of them. `make soak` runs them for long.

use plumbline_fuzz::run;
use plumbline_fuzz::targets::{TARGETS, Target};
use std::time::Duration;

fn check(target: &Target) {
    assert!(!(target.seeds)().is_empty(), "{}: no seeds", target.name);
    let outcome = run(target, Duration::from_millis(800), 20_261_130, None).unwrap();
    if let Some(crash) = outcome.crash {
        panic!("{}: {}\n{:?}", target.name, crash.message, String::from_utf8_lossy(&crash.input));
    }
}

#[test]
fn no_target_crashes_within_a_second() {
    TARGETS.iter().for_each(check);
}
