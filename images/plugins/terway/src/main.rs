//! plumbline's stand-in for terway, not upstream's: the CNI plugin that a chain behind Terway begins with.
//!
//! Terway's own plugin asks its daemon for an address of a cloud interface; where there is no cloud there is no daemon
//! that could give one. This stand-in takes the address from a pool in a file that Plumbline lays on the node, and does
//! with it what Terway 1.17.5 does in its policy-route mode: the same result (`plugin/terway/cni.go`, `cmdAdd`), the
//! same link, addresses, routes, neighbours, rules and sysctls (`plugin/datapath/policy_router_linux.go`). The README
//! beside this crate says where the two differ.
//!
//! | module | what is in it |
//! |---|---|
//! | [`command`] | environment, checks of the request, dispatch by `CNI_COMMAND` |
//! | [`request`] | the configuration and `CNI_ARGS` |
//! | [`settings`] | the file on the node: the ENI, the pool |
//! | [`leases`] | addresses given to pods, a file each |
//! | [`pod`] | ADD, CHECK and DEL in their order |
//! | [`datapath`] | what is laid in the pod and on the node, for one address |
//! | [`result`] | the result, for CNI 0.3.0 to 1.0.0 |
//! | [`error`] | the CNI error and its codes |

mod command;
mod datapath;
mod error;
mod leases;
mod pod;
mod request;
mod result;
mod settings;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use command::Outcome;

/// Who this is, for `--version` and for a call without a command.
const ABOUT: &str = concat!(
    "plumbline's stand-in for terway, not upstream's, ",
    env!("CARGO_PKG_VERSION"),
    ": policy routing, no Datapath V2"
);

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version" || argument == "-V") {
        return print(&mut stdout(), &format!("{ABOUT}\n"), ExitCode::SUCCESS);
    }
    match command::run() {
        Outcome::Quiet => ExitCode::SUCCESS,
        Outcome::Answer(value) => print(&mut stdout(), &format!("{value:#}\n"), ExitCode::SUCCESS),
        Outcome::About => {
            let versions = result::VERSIONS.join(", ");
            let text = format!("{ABOUT}\nCNI protocol versions supported: {versions}\n");
            print(&mut stderr(), &text, ExitCode::SUCCESS)
        }
        Outcome::Refused(failure) => print(&mut stdout(), &format!("{:#}\n", failure.to_json()), ExitCode::FAILURE),
    }
}

/// Writes `text`; a caller that has closed the stream learns it from the exit code alone.
fn print(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
