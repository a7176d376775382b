//! `plumbline-agent`: the only program of Plumbline that enters namespaces.
//!
//! It is static and has one thread: `unshare` and `setns` with user and mount namespaces want that (`setns(2)`,
//! `unshare(2)`), and it has to start on nodes whose C library is older than the one it was built on.
//!
//! | mode | what it does |
//! |---|---|
//! | `node` | makes a private node and serves the protocol on it |
//! | `serve` | serves the protocol on the node it was started on |
//! | `guest` | is the init of a virtual machine, and gives each of its channels a `node` |
//! | `probe-host` | tries what this host allows and prints it as one JSON object |
//! | `record` | stands in a plugin's place; also when started under a plugin's name with its recorder beside it |
//! | `version` | prints name and version |
//!
//! `node-init` is how `node` starts itself again as PID 1 of the node, `record-plugin` how `record` starts the plugin;
//! they are not for users.

mod cni;
mod dispatch;
mod exit;
mod files;
mod format;
mod guest;
mod input;
mod node;
mod observe;
mod pipe;
mod place;
mod probe;
mod process;
mod record;
mod serve;
mod session;
mod spawn;
mod trouble;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "usage: plumbline-agent node [--rung root|user] [--cni-path DIR]... [--plugin NAME=PATH]... [--program NAME=PATH]...
                            [--outside NAMESPACE]
       plumbline-agent serve
       plumbline-agent guest (as PID 1 of a virtual machine)
       plumbline-agent probe-host
       plumbline-agent version";

const RECORD: &str = "record is not called by hand: put this program into a CNI_PATH under a plugin's name, with \
                      NAME.record.json beside it, or name that file in PLUMBLINE_RECORD";

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let mode = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if mode == record::call::BOUND {
        return exit::code(record::call::become_plugin(&rest));
    }
    if let Some(file) = record::file(&program) {
        return exit::code(record::run(&file));
    }
    let ended = match mode.as_str() {
        "node" => node::outer::run(&rest),
        "node-init" => node::init::run(&rest),
        "guest" => guest::run(&rest),
        "serve" => serve::run(&rest),
        "probe-host" => probe::host::run(&rest),
        "record" => Err(exit::Failure::Usage(RECORD.to_owned())),
        "version" => exit::say(&format!("plumbline-agent {}", env!("CARGO_PKG_VERSION"))).map(|()| exit::DONE),
        _ => Err(exit::Failure::Usage(USAGE.to_owned())),
    };
    exit::code(ended)
}
