//! Mode `guest`: the init of the vm lane's virtual machine.
//!
//! It starts in the kernel's first root and ends with the machine.
//!
//! | module | what is in it |
//! |---|---|
//! | [`error`] | the error of a step, and the console |
//! | [`boot`] | kernel modules, and the disk as the root |
//! | [`session`] | one session: an agent in mode `node` or `serve`, and its streams |
//! | [`channel`] | one virtio-serial port, over which the host runs one session after another |
//! | [`serve`] | serving all channels, until the machine was unused for some time |

mod boot;
mod channel;
mod error;
mod serve;
mod session;

use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::getpid;

use crate::error::{EXIT_SUCCESS, EndError};
use error::print_on_console;

/// Boots, serves, and switches the machine off.
///
/// # Errors
/// [`EndError::Usage`] where this process is not PID 1.
pub fn run_guest(arguments: &[String]) -> Result<u8, EndError> {
    if getpid().as_raw() != 1 || !arguments.is_empty() {
        return Err(EndError::Usage("guest: started by the kernel of a virtual machine only".to_owned()));
    }
    let served = boot::boot().and_then(|settings| serve::serve_channels(&settings));
    if let Err(error) = served {
        print_on_console(&error.to_string());
    }
    // Returns only where the machine cannot be switched off; the end of PID 1 stops it then.
    let refused = reboot(RebootMode::RB_POWER_OFF);
    print_on_console(&format!("switch off: {refused:?}"));
    Ok(EXIT_SUCCESS)
}
