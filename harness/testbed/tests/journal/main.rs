//! Tests of the journal and leases after the death of runs. Each case has a separate state folder, and starts this program as the
//! processes that begin runs, hold leases, collect, and are killed.

mod cases;
mod child;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("child") {
        return child::main(&arguments.collect::<Vec<_>>());
    }
    let arguments = Arguments::from_args();
    let trials = cases::ALL.iter().map(|(name, case)| Trial::test(*name, move || cases::run(*case))).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
