//! `node` on the host's side: takes a rung, starts PID 1, and ends when that ends.

use std::os::unix::process::ExitStatusExt;

use nix::unistd::setsid;

use super::arguments::Arguments;
use super::rung;
use crate::exit::Failure;
use crate::spawn;

/// Makes the node's PID namespace and waits for its PID 1.
///
/// # Errors
/// [`Failure::Unable`] where no rung works.
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut arguments = Arguments::read(arguments)?;
    arguments.resolve()?;
    // Ctrl-C is the lane's business: it takes the scenario down in order and then hangs up. (Fails harmlessly in a
    // process that leads a group already.)
    let _ = setsid();
    arguments.rung = Some(rung::take(arguments.rung).map_err(Failure::Unable)?);
    let mut line = vec!["node-init".to_owned()];
    line.extend(arguments.write());
    let mut init =
        spawn::again(&line).map_err(|error| Failure::Internal(format!("start PID 1 of the node: {error}")))?;
    let status = init.wait()?;
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(code),
        _ => Err(Failure::Internal(format!("PID 1 of the node was ended by signal {:?}", status.signal()))),
    }
}
