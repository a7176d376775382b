//! The context of lanes: images that report their progress as events, the run's journal, options.

use crate::registry;
use plumbline_core::event::Event;
use plumbline_lanes::context::{Context, EventSink, Options};
use plumbline_testbed::cache::Cache;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::images::{Images, Progress};
use plumbline_testbed::journal::Run;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What events of builds belong to.
const SCOPE: &str = "build";

/// Opens the image cache and begins a journal; `what` is part of the run's name, for example `run`.
///
/// # Errors
/// [`TestbedError`] when the recipes are invalid, or cache or journal can't be made.
pub fn context(
    root: &Path,
    options: Options,
    events: EventSink,
    cancel: CancellationToken,
    what: &str,
) -> Result<Context, TestbedError> {
    let images = images(root, &events)?;
    Ok(Context {
        root: root.to_owned(),
        options: Arc::new(options),
        images: Arc::new(images),
        run: Arc::new(Run::begin(what)?),
        events,
        cancel,
    })
}

/// The images; builds are reported as steps.
///
/// # Errors
/// [`TestbedError`] when the recipes are invalid or the cache can't be made.
pub fn images(root: &Path, events: &EventSink) -> Result<Images, TestbedError> {
    let cache = Cache::open().at_stage("open the cache")?;
    Ok(Images::open(root, cache)?
        .with_progress(Arc::new(BuildProgress { events: events.clone(), current: Mutex::default() })))
}

/// Undoes the open effects in the run's journal. Gives those that could not be undone, a line each.
pub async fn close(cx: &Context) -> Vec<String> {
    cx.run.unwind(registry::UNDOERS).await
}

/// Progress of builds as events.
struct BuildProgress {
    events: EventSink,
    /// The steps under way, newest last: notes belong to that one.
    current: Mutex<Vec<String>>,
}

impl BuildProgress {
    fn steps(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress for BuildProgress {
    fn step(&self, what: &str) {
        self.steps().push(what.to_owned());
        (self.events)(Event::StepStarted { scope: SCOPE.into(), step: what.into() });
    }

    fn note(&self, what: &str) {
        let Some(step) = self.steps().last().cloned() else { return };
        (self.events)(Event::StepNote { scope: SCOPE.into(), step, note: what.into() });
    }

    fn done(&self, what: &str, took: Duration) {
        self.steps().retain(|step| step != what);
        (self.events)(Event::StepFinished {
            scope: SCOPE.into(),
            step: what.into(),
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            error: None,
            unchanged: false,
        });
    }

    fn warn(&self, what: &str) {
        (self.events)(Event::Chosen { what: "to go on".into(), reason: format!("warning: {what}") });
    }
}
