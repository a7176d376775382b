//! How an error becomes a message and an exit code.

use plumbline::exit;
use plumbline::fault::{Fault, HINT};
use plumbline::select::Refused;
use plumbline_report::escape;
use plumbline_report::paint::{BAD, ERROR, paint};
use plumbline_report::reporter;
use plumbline_testbed::error::{TestbedError, causes};
use std::io::Write as _;
use std::process::ExitCode;

/// What a message about a fault begins with.
const FAULT: &str = "a fault of Plumbline:";

/// Of the command line itself: clap's own words and code (0 for help, 2 for wrong usage).
pub fn of_clap(error: &clap::Error) -> ExitCode {
    // The stream may be closed; the code tells it all the same.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::PASS })
}

/// Prints one error for people and gives its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if reporter::is_closed(error) {
        return ExitCode::from(exit::PASS);
    }
    let (text, code) = describe(error);
    // Standard error may be closed; the code tells it all the same.
    let _ = writeln!(anstream::stderr(), "{text}");
    ExitCode::from(code)
}

/// Prints the faults of a command that panicked and gives its exit code.
pub fn report_faults(faults: &[Fault]) -> ExitCode {
    let mut err = anstream::stderr();
    for fault in faults {
        let text = escape::block(&fault.to_string());
        // Standard error may be closed; the code tells it all the same.
        let _ = writeln!(err, "{} {text}", paint(BAD, FAULT));
    }
    let _ = writeln!(err, "    fix: {HINT}");
    ExitCode::from(exit::INTERNAL)
}

fn describe(error: &anyhow::Error) -> (String, u8) {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        let mut text = String::new();
        for problem in &refused.problems {
            text.push_str(&format!("{} {}\n", paint(BAD, "refused:"), escape::block(problem)));
        }
        text.push_str("nothing was changed");
        return (text, exit::USAGE);
    }
    if let Some(fault) = error.downcast_ref::<TestbedError>() {
        return (error_text(fault), exit::ERROR);
    }
    (format!("{} {}", paint(BAD, FAULT), causes(error.as_ref())), exit::INTERNAL)
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
