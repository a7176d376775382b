//! Applies a chain as `plumbline chain apply` does, and stops after a step until a signal ends it: for tests of what a killed
//! or interrupted change leaves.
//!
//! Usage: `chain-apply-stopped STEP FILE PROFILE`. Prints `stopped after STEP` where it stops.

use anyhow::Context as _;
use futures::FutureExt as _;
use plumbline::{chain, exit, interrupt};
use plumbline_core::terway::Usage;
use plumbline_lanes::context::EventSink;
use plumbline_terway::chain::handle::ClusterTarget;
use plumbline_terway::chain::operations::{self, ApplyResult, ChangeRequest};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    const USAGE: &str = "usage: chain-apply-stopped STEP FILE PROFILE";
    let mut arguments = std::env::args().skip(1);
    let stop = arguments.next().context(USAGE)?;
    let (file, profile) = (arguments.next().context(USAGE)?, arguments.next().context(USAGE)?);
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let events: EventSink = Arc::new(|_| {});
    let after_step = move |step: &str| {
        let stops = step == stop;
        let line = format!("stopped after {step}");
        async move {
            if stops {
                let _ = writeln!(std::io::stdout(), "{line}");
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    };
    let request = ChangeRequest {
        target: &ClusterTarget::Profile(profile),
        file: &file,
        new: &chain::read(Path::new(&file))?,
        usage: &Usage::default(),
        confirmed: true,
    };
    match operations::apply(&request, &events, &cancel, Some(&after_step)).await.map_err(chain::refuse)? {
        ApplyResult::Applied(applied) => {
            write!(std::io::stdout(), "{}", plumbline_report::chain::applied(&applied))?;
            Ok(ExitCode::from(chain::exit_code(&applied)))
        }
        ApplyResult::Refused(planned) | ApplyResult::Unchanged(planned) => {
            write!(std::io::stdout(), "{}", plumbline_report::chain::plan(&planned))?;
            Ok(ExitCode::from(exit::FAILED))
        }
    }
}
