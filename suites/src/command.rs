//! The `plumbline` command as a program, for tests of what users see.

use plumbline_testbed::exec::{Cmd, Transcript};
use std::path::PathBuf;
use std::time::Duration;

/// The variable with the path of the command. The set-up script sets it.
pub const VARIABLE: &str = "PLUMBLINE_BIN";

/// The path of the command: from the set-up script, else beside this test's own program.
///
/// # Errors
/// When it was not built.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let built = own.ancestors().nth(2).map(|folder| folder.join("plumbline")).filter(|path| path.is_file());
    built.ok_or_else(|| anyhow::anyhow!("the command is not built; run `cargo build -p plumbline`, then again"))
}

/// The command with these arguments, in the project's folder, without variables of the user's environment.
///
/// # Errors
/// When the command or the project is not found.
pub fn plumbline(args: &[&str]) -> anyhow::Result<Cmd> {
    Ok(Cmd::new(program()?)
        .args(args.iter().copied())
        .dir(plumbline::root::find()?)
        .without_env("PLUMBLINE_PROFILE")
        .deadline(Duration::from_secs(120)))
}

/// Runs the command to its end, whatever its exit code.
///
/// # Errors
/// When it can't be started or does not end.
pub async fn run(args: &[&str]) -> anyhow::Result<Transcript> {
    Ok(plumbline(args)?.run().await?)
}
