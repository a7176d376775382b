//! plumbline's saboteur, not upstream's: takes a CNI plugin's place and breaks its results on purpose.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumbline_saboteur::program::main()
}
