//! `guest`: the init of the vm lane's virtual machine.
//!
//! It stands in the kernel's first root. [`boot`] loads the modules that it takes to find the disk, makes the disk the
//! root, and loads those of [`modules`] that are tried at once. [`host`] then serves the channels to the host: each is a
//! virtio-serial port, and a [`channel`] runs one `node` after another for whoever connects. Where nobody has for some
//! time, the machine is switched off.

mod boot;
mod channel;
mod host;
mod modules;
mod session;
mod settings;

use std::io::Write;

use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::getpid;

use crate::exit::{DONE, Failure};

/// Boots, serves, and switches the machine off.
///
/// # Errors
/// [`Failure::Usage`] where this process is not the first one.
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    if getpid().as_raw() != 1 || !arguments.is_empty() {
        return Err(Failure::Usage(
            "guest is started by the kernel of a virtual machine, without arguments".to_owned(),
        ));
    }
    let served = boot::boot().and_then(|settings| host::serve(&settings));
    if let Err(cause) = served {
        tell(&cause);
    }
    // Comes back only where the machine can't be switched off; then the end of PID 1 does it.
    let refused = reboot(RebootMode::RB_POWER_OFF);
    tell(&format!("switch off: {refused:?}"));
    Ok(DONE)
}

/// A line on the console.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "plumbline-agent guest: {line}");
}
