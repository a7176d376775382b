//! The end of a command: from its result or its panic to messages and the exit code.

use crate::fault::{self, Fault, HINT};
use crate::select::{Refused, RefusedReading};
use crate::{exit, registry};
use plumbline_report::paint::{BAD, ERROR, paint};
use plumbline_report::{escape, reporter};
use plumbline_testbed::error::{TestbedError, causes};
use plumbline_testbed::journal;
use std::io::Write as _;
use std::process::ExitCode;

/// What a message about a fault begins with.
const FAULT: &str = "a fault of Plumbline:";

/// Runs a command to its end. After a panic it undoes the open effects and gives [`exit::INTERNAL`].
pub fn run(command: impl Future<Output = anyhow::Result<u8>>) -> ExitCode {
    fault::install_hook();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::from(error).context("failed to start the runtime")),
    };
    let code = match runtime.block_on(fault::catch_any(command)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => report(&error),
        // The command's own clean-up did not run. Its journal is unlocked, so it counts as the journal of a dead run.
        Err(_) => match runtime.block_on(fault::catch_any(clean_up())) {
            Ok(Err(error)) => report(&error),
            _ => ExitCode::SUCCESS,
        },
    };
    let faults = fault::take_recorded();
    if faults.is_empty() { code } else { report_faults(&faults) }
}

/// Undoes the open effects of dead runs.
async fn clean_up() -> anyhow::Result<()> {
    for line in &journal::gc(registry::UNDOERS).await?.failures {
        writeln!(anstream::stderr(), "left behind (plumbline gc removes it): {line}")?;
    }
    Ok(())
}

/// Prints one error for people and gives its exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    if reporter::is_closed(error) {
        return ExitCode::from(exit::PASS);
    }
    let (text, code) = describe(error);
    // Standard error may be closed; there is still the exit code.
    let _ = writeln!(anstream::stderr(), "{text}");
    ExitCode::from(code)
}

/// Prints the faults of a command that panicked and gives its exit code.
fn report_faults(faults: &[Fault]) -> ExitCode {
    let mut err = anstream::stderr();
    for fault in faults {
        let text = escape::block(&fault.to_string());
        // Standard error may be closed; there is still the exit code.
        let _ = writeln!(err, "{} {text}", paint(BAD, FAULT));
    }
    let _ = writeln!(err, "    fix: {HINT}");
    ExitCode::from(exit::INTERNAL)
}

fn describe(error: &anyhow::Error) -> (String, u8) {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return (format!("{}\nnothing was changed", refused_text(refused)), exit::USAGE);
    }
    if let Some(RefusedReading(refused)) = error.downcast_ref() {
        return (refused_text(refused), exit::USAGE);
    }
    if let Some(fault) = error.downcast_ref::<TestbedError>() {
        return (error_text(fault), exit::ERROR);
    }
    if reporter::is_full(error) {
        return (format!("{} cannot write the output: {}", paint(ERROR, "ERROR"), causes(error.as_ref())), exit::ERROR);
    }
    (format!("{} {}", paint(BAD, FAULT), causes(error.as_ref())), exit::INTERNAL)
}

fn refused_text(refused: &Refused) -> String {
    let line = |problem: &String| format!("{} {}", paint(BAD, "refused:"), escape::block(problem));
    refused.problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `ERROR at STAGE`, its cause, and what to do.
pub fn error_text(error: &TestbedError) -> String {
    let mut text = format!("{} at {}\n", paint(ERROR, "ERROR"), escape::line(&error.stage));
    for line in escape::block(&error.cause()).lines() {
        text.push_str(&format!("    {line}\n"));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("    fix: {}\n", escape::line(hint)));
    }
    text.trim_end().to_owned()
}
