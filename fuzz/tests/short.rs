//! Each target for a second: the seeds, and some thousand mutations of them. `make soak` runs them longer.

use plumbline_fuzz::run;
use plumbline_fuzz::targets::{TARGETS, Target};
use std::time::Duration;

fn crash(target: &Target) -> Option<String> {
    assert!(!(target.seeds)().is_empty(), "{}: no seeds", target.name);
    let crash = run(target, Duration::from_millis(800), 20_261_130, None).unwrap().crash?;
    Some(format!("{}: {}\n{:?}", target.name, crash.message, String::from_utf8_lossy(&crash.input)))
}

#[test]
fn no_target_crashes_within_a_second() {
    let crashes: Vec<String> = TARGETS.iter().filter_map(crash).collect();
    assert!(crashes.is_empty(), "{}", crashes.join("\n\n"));
}
