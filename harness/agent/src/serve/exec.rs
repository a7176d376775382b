//! Running a program in a namespace.

use std::time::Duration;

use plumbline_core::cni::Exit;
use plumbline_core::protocol::{Outcome, Target};

use crate::place::{Place, told, within};
use crate::process::Job;
use crate::spawn::Program;
use crate::trouble::{Trouble, fault};

/// As the protocol has it.
const OUTPUT_CAP_BYTES: usize = 1024 * 1024;

/// Runs a program in the network namespace that is meant, with the first node's files; on another node of a private
/// bed with that node's.
///
/// # Errors
/// A fault when it can't be started, or when there is no such namespace; the end of the talk.
pub fn run(target: &Target, argv: &[String], deadline_ms: u64, place: &mut Place) -> Result<Outcome, Trouble> {
    let doing = || format!("run {} in {}", argv.join(" "), told(target));
    if argv.is_empty() {
        return Err(fault("run a program", "no program was named"));
    }
    let job = Job {
        program: Program { argv: argv.to_vec(), ..Program::default() },
        stdin: Vec::new(),
        deadline: Duration::from_millis(deadline_ms),
        stdout_cap: OUTPUT_CAP_BYTES,
    };
    let runner = &place.runner;
    let started = match target {
        // With its files too, so that what plugins left there can be looked at.
        Target::NodeAt(node) => place.bed.on(*node, || Ok(runner.start(&[job])?))?,
        _ => within(target, || Ok(runner.start(&[job])?))?,
    };
    let mut ends = runner.finish(started, &mut place.input)?;
    let end = ends.remove(0);
    let code = match end.exit {
        Exit::NotStarted(why) => return Err(fault(doing(), why)),
        Exit::Code(code) => Some(code),
        Exit::Signal(_) | Exit::Deadline(_) => None,
    };
    Ok(Outcome::Ran {
        code,
        stdout: String::from_utf8_lossy(&end.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&end.stderr).into_owned(),
    })
}
