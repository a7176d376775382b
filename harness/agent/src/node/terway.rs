//! Terway's own plugin on a node: the plugin in the stand-in's place, and the stand-in for its daemon.
//!
//! The plugin takes for an ENI only a device of no kind, so this is for a borrowed one. The path of the daemon's socket is
//! compiled into it (`plugin/terway/cni.go`).

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use plumbline_core::guest::{TERWAY_BACKEND, TERWAY_PLUGIN};
use plumbline_core::plan::NodePort;

use super::root::PROGRAM_FOLDER;
use super::sysctls;
use crate::cni::FOLDER;
use crate::spawn;
use crate::trouble::{Doing, Trouble, fault};

const SOCKET: &str = "/var/run/eni/eni.socket";
const LOG: &str = "/var/log/terway-backend.log";
/// The daemon has nothing to do before it listens.
const START: Duration = Duration::from_secs(20);

/// Puts the plugin in place and starts the daemon, on the node that this thread is on.
///
/// # Errors
/// A fault with the step, and the daemon's own words where it does not come up.
pub fn make(port: &NodePort) -> Result<(), Trouble> {
    let doing = format!("make {} of node {} an ENI for Terway's own plugin", port.name, port.node);
    let plugin = format!("{PROGRAM_FOLDER}/{TERWAY_PLUGIN}");
    if !Path::new(&plugin).exists() {
        return Err(fault(doing, format!("this node was not given {plugin}")));
    }
    // In the VPC the ENI's addresses are known to be its; on a cable somebody has to say so.
    sysctls::answers_for_others(&port.name).map_err(|cause| fault(&doing, cause))?;
    let at = Path::new(FOLDER).join(TERWAY_PLUGIN);
    if at.is_symlink() {
        fs::remove_file(&at).doing(&doing)?;
    }
    std::os::unix::fs::symlink(&plugin, &at).doing(&doing)?;
    daemon(&format!("{doing}: start the stand-in for its daemon"))
}

/// Starts it; it ends with the node.
fn daemon(doing: &str) -> Result<(), Trouble> {
    let log = File::create(LOG).doing(doing)?;
    let mut command = spawn::command(&format!("{PROGRAM_FOLDER}/{TERWAY_BACKEND}"));
    command.env_clear().env("PATH", spawn::PATH).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
    let mut child = command.spawn().doing(doing)?;
    let start = Instant::now();
    while !Path::new(SOCKET).exists() {
        let ended = child.try_wait().doing(doing)?;
        if ended.is_some() || start.elapsed() > START {
            let how = ended.map_or_else(|| "does not listen".to_owned(), |status| format!("ended with {status}"));
            let words = fs::read_to_string(LOG).unwrap_or_default();
            return Err(fault(doing, format!("it {how}: {}", words.trim())));
        }
        // A node has no watch for files that is worth its set-up here.
        let _ = poll(&mut [], PollTimeout::from(5_u8));
    }
    Ok(())
}
