//! Runs a target for a time.

use crate::mutate::mutate_seed;
use crate::targets::Target;
use fastrand::Rng;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time that one input may take, in a build without optimisation on a busy machine.
const SLOWEST: Duration = Duration::from_secs(20);

/// The result of a run of a target.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs tried.
    pub executions: u64,
    /// The first input that fails the target, if there is one.
    pub crash: Option<Crash>,
}

/// An input that fails a target.
#[derive(Debug)]
pub struct Crash {
    /// The input.
    pub input: Vec<u8>,
    /// The panic's message, the property that does not hold, or the time it took.
    pub message: String,
}

/// Runs a target with its seeds, then with mutated ones until `time` is over or one crashes it. The same `seed` makes the
/// same inputs. Each input is written to the file `current` (if given) before its trial, so that it survives an abort.
///
/// # Errors
/// The file `current` cannot be written.
pub fn run(target: &Target, time: Duration, seed: u64, current: Option<&Path>) -> std::io::Result<Outcome> {
    let seeds = (target.seeds)();
    let mut random = Rng::with_seed(seed);
    let begin = Instant::now();
    let mut executions = 0;
    let mut whole = seeds.iter();
    loop {
        let input = match whole.next() {
            Some(seed) => seed.clone(),
            None if begin.elapsed() >= time => return Ok(Outcome { executions, crash: None }),
            None => mutate_seed(&mut random, &seeds),
        };
        if let Some(path) = current {
            std::fs::write(path, &input)?;
        }
        executions += 1;
        if let Err(message) = attempt(target, &input) {
            return Ok(Outcome { executions, crash: Some(Crash { input, message }) });
        }
    }
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let begin = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        Ok(Ok(())) if begin.elapsed() < SLOWEST => Ok(()),
        Ok(Ok(())) => Err(format!("took {:?}", begin.elapsed())),
        Ok(Err(property)) => Err(format!("property does not hold: {property}")),
        Err(panic) => Err(format!("panic: {}", panic_message(panic.as_ref()))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
