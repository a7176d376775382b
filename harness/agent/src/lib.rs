//! `plumbline-agent`: the only program of Plumbline that enters namespaces.
//!
//! It is static and has one thread: `unshare` and `setns` with user and mount namespaces need that (`setns(2)`,
//! `unshare(2)`), and it must start on nodes whose C library is older than the one it was built on.
//!
//! | mode | what it does |
//! |---|---|
//! | `node` | makes a private node and serves requests on it |
//! | `serve` | serves requests on the node where it was started |
//! | `guest` | is the init of a virtual machine, and runs a `node` for each of its channels |
//! | `probe-host` | tries what this host allows and prints it as one JSON object |
//! | `record` | runs instead of a plugin; also when started under a plugin's name with a recorder's file beside it |
//! | `version` | prints name and version |
//!
//! `node-init` is how `node` starts the agent as PID 1 of the node, and `record-plugin` is how `record` starts the plugin.
//! They are not for users.
//!
//! The order of the modules, lowest first. A module uses only modules above it in this list:
//!
//! 1. [`error`]: why a request fails, and why the agent ends
//! 2. `sockets`: open listeners and captures
//! 3. [`input`]: the lane's request lines
//! 4. `process`: running processes
//! 5. `runtime`: state of the container runtime on a node
//! 6. `namespaces`: network namespaces
//! 7. `node`: private nodes, their pods, topologies
//! 8. `observe`: reading a namespace
//! 9. `state`: reading a pod and its node as facts
//! 10. [`cni`]: the CNI runner
//! 11. `capabilities`: what the kernel can do
//! 12. `wire`: probes, and opening and closing of sockets
//! 13. [`requests`]: the request loop
//! 14. `record`: the mode `record`
//! 15. `guest`: the mode `guest`
//! 16. `modes`: the other modes
//!
//! The library exists for tests: it makes the parsers callable ([`cni::config::NetworkConfig::parse`],
//! [`requests::parse_request`], [`input::split_line`]).

mod capabilities;
pub mod cni;
pub mod error;
mod guest;
pub mod input;
mod modes;
mod namespaces;
mod node;
mod observe;
mod process;
mod record;
pub mod requests;
mod runtime;
mod sockets;
mod state;
mod wire;

use std::process::ExitCode;

use error::{EXIT_SUCCESS, EndError, exit_code, print_line};

const USAGE: &str =
    "usage: plumbline-agent node [--privileges rootful|rootless] [--cni-path DIR]... [--plugin NAME=PATH]...
                            [--program NAME=PATH]... [--outside NAMESPACE]
       plumbline-agent serve
       plumbline-agent guest (as PID 1 of a virtual machine)
       plumbline-agent probe-host
       plumbline-agent version";

const RECORD_USAGE: &str = "record is not called by hand: put this program into a CNI_PATH under the name of a plugin, with \
                            NAME.record.json beside it, or name that file in PLUMBLINE_RECORD";

/// Runs the mode that the command line names.
pub fn run() -> ExitCode {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let mode = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if mode == record::PLUGIN_MODE {
        return exit_code(record::become_plugin(&rest));
    }
    if let Some(file) = record::find_recorder_file(&program) {
        return exit_code(record::record_call(&file));
    }
    exit_code(match mode.as_str() {
        "node" => modes::run_node(&rest),
        "node-init" => modes::run_node_init(&rest),
        "guest" => guest::run_guest(&rest),
        "serve" => modes::run_serve(&rest),
        "probe-host" => modes::run_probe_host(&rest),
        "record" => Err(EndError::Usage(RECORD_USAGE.to_owned())),
        "version" => print_line(&format!("plumbline-agent {}", env!("CARGO_PKG_VERSION"))).map(|()| EXIT_SUCCESS),
        _ => Err(EndError::Usage(USAGE.to_owned())),
    })
}
