//! How an error becomes a message and an exit code.

use plumbline::exit;
use plumbline::select::Refused;
use plumbline_bed::broken::Broken;
use plumbline_report::escape;
use plumbline_report::paint::{BAD, BROKEN, paint};
use plumbline_report::reporter;
use std::io::Write as _;
use std::process::ExitCode;

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

fn describe(error: &anyhow::Error) -> (String, u8) {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        let mut text = String::new();
        for problem in &refused.problems {
            text.push_str(&format!("{} {}\n", paint(BAD, "refused:"), escape::block(problem)));
        }
        text.push_str("nothing was touched");
        return (text, exit::USAGE);
    }
    if let Some(broken) = error.downcast_ref::<Broken>() {
        return (broken_text(broken), exit::BROKEN);
    }
    (format!("{} {error:#}", paint(BAD, "fault of plumbline:")), exit::INTERNAL)
}

/// `BROKEN at STAGE`, its cause, and what to do.
pub fn broken_text(broken: &Broken) -> String {
    let mut text = format!("{} at {}\n", paint(BROKEN, "BROKEN"), escape::line(&broken.stage));
    for line in escape::block(&broken.cause).lines() {
        text.push_str(&format!("    {line}\n"));
    }
    if let Some(remedy) = &broken.remedy {
        text.push_str(&format!("    to do: {}\n", escape::line(remedy)));
    }
    text.trim_end().to_owned()
}
