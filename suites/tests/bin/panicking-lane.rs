//! Panics, and ends as the command does after a panic.
//!
//! Usage: `panicking-lane scenario|command FILE FOLDER`. `scenario`: the lane panics while it stages FILE. `command`: the command
//! itself panics. Before the panic it makes FOLDER, with an effect in the journal.

use anyhow::Context as _;
use futures::future::BoxFuture;
use plumbline::runner::{self, RunConfig};
use plumbline::{entry, root, session};
use plumbline_core::plan::Plan;
use plumbline_lanes::context::{Context, EventSink, Options};
use plumbline_lanes::host::Capabilities;
use plumbline_lanes::lane::{HostReport, Lane, OpenLane, StagedScenario, TestSettings};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::journal::Effect;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A lane that panics when it stages a scenario.
#[derive(Default)]
struct PanickingLane {
    offers: Capabilities,
}

/// The folder that is made before the panic.
fn folder() -> PathBuf {
    std::env::args_os().nth(3).unwrap_or_default().into()
}

/// Makes the folder, with an effect in the journal.
fn make_folder(cx: &Context) -> Result<(), TestbedError> {
    cx.run.intend(Effect::Folder { path: folder() })?;
    std::fs::create_dir_all(folder()).at_stage("make the folder")
}

impl Lane for PanickingLane {
    fn name(&self) -> &'static str {
        "panicking"
    }
    fn summary(&self) -> &'static str {
        "panics"
    }
    fn preparation(&self) -> &'static str {
        "does nothing"
    }
    fn test_settings(&self) -> TestSettings {
        TestSettings::default()
    }
    fn check_host<'a>(&'a self, _: &'a Context, _: bool) -> BoxFuture<'a, Result<HostReport, TestbedError>> {
        Box::pin(async { Ok(HostReport::default()) })
    }
    fn open<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Result<Box<dyn OpenLane>, TestbedError>> {
        Box::pin(async { Ok(Box::new(Self::default()) as Box<dyn OpenLane>) })
    }
}

impl OpenLane for PanickingLane {
    fn profile(&self) -> Option<String> {
        None
    }
    fn offers(&self) -> &Capabilities {
        &self.offers
    }
    fn stage<'a>(
        &'a self,
        cx: &'a Context,
        _: &'a Plan,
    ) -> BoxFuture<'a, Result<Box<dyn StagedScenario>, TestbedError>> {
        Box::pin(async {
            make_folder(cx)?;
            panic!("a panic on purpose")
        })
    }
    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<String>> {
        Box::pin(async { vec![] })
    }
}

fn main() -> ExitCode {
    entry::run(run())
}

async fn run() -> anyhow::Result<u8> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().context("usage: panicking-lane scenario|command FILE FOLDER")?;
    let (file, root) = (arguments.next().context("a FILE")?, root::find()?);
    let events: EventSink = Arc::new(|_| {});
    let cancel = CancellationToken::new();
    if place == "command" {
        let cx = session::context(&root, Options::default(), events, cancel, "test")?;
        make_folder(&cx)?;
        plumbline::fault::name_file(&file, || panic!("a panic on purpose"));
    }
    let mut plan = plumbline::select::plan(Some(&root), Path::new(&file))?;
    // The lane has no capabilities, and a missing one would skip the scenario.
    plan.requires.clear();
    let config = RunConfig {
        scenarios: vec![plan],
        root,
        lanes: vec![const { &PanickingLane { offers: Capabilities(std::collections::BTreeMap::new()) } }],
        jobs: 1,
        overlap: false,
        strict: false,
        options: Options::default(),
        events,
        evidence: None,
        cancel,
    };
    Ok(runner::run(config).await?.exit_code())
}
