//! plumbline's route-override, not upstream's: a CNI meta plugin that changes the routes of the plugins before it. It
//! behaves like the upstream plugin of that name, including its weaknesses.
//!
//! Plumbline must detect the failures of real chains, so this plugin reproduces their causes. For a route that the kernel
//! refuses, it prints a line on standard error and exits with code 0, and the route is still in the result.
//! `suites/golden/route-override.json` was recorded from the upstream binary; `tests/golden.rs` replays it. The README of
//! this crate lists the differences.
//!
//! | module | content |
//! |---|---|
//! | [`command`] | checks of the request, dispatch by `CNI_COMMAND` |
//! | [`json`] | JSON with case-insensitive keys, as in Go |
//! | [`config`] | the plugin's options, overridden by `args.cni` |
//! | [`result`] | reads the previous result and writes the result, for CNI 0.1.0 to 1.0.0 |
//! | [`add`] | ADD: changes the result and, through [`kernel`], the namespace |
//! | [`check`] | CHECK: compares the previous result with the namespace |
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
