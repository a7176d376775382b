//! plumbline's route-override, not upstream's: a CNI meta plugin that changes the routes which the plugins before it
//! made, and does so as the upstream plugin of that name does, its weaknesses included.
//!
//! Plumbline must find what goes wrong in chains that people run, so this plugin keeps what makes them go wrong: a route
//! that the kernel refuses is a line on standard error and exit code 0, and still stands in the result. What it was held
//! against is `suites/golden/route-override.json`, recorded from the upstream binary; `tests/golden.rs` replays it. The
//! README beside this crate says where the two differ.
//!
//! | module | what is in it |
//! |---|---|
//! | [`command`] | checks of the request, dispatch by `CNI_COMMAND` |
//! | [`json`] | JSON read as Go reads it: keys without regard to case |
//! | [`config`] | the plugin's options, overridden by `args.cni` |
//! | [`result`] | the previous result in, the result out, for CNI 0.1.0 to 1.0.0 |
//! | [`add`] | what ADD does to the result and, by [`kernel`], to the namespace |
//! | [`check`] | what CHECK holds against the namespace |
//! | [`kernel`] | entering the namespace; listing, deleting and adding routes |

mod add;
mod check;
mod command;
mod config;
mod json;
mod kernel;
mod result;

use plumbline_plugin::Plugin;
use std::process::ExitCode;

const ABOUT: &str = concat!("plumbline's route-override, not upstream's, ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    Plugin { about: ABOUT, versions: &result::VERSIONS, serve: command::serve }.main()
}
