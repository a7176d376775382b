//! Bring-up as an ordered list of steps, each with a check, a deadline, and events.
//!
//! [`Stages`] implements the steps. This module runs them: it checks a step, does the step's work if the check fails, and
//! checks again. So every step is idempotent, and every step's work is checked.

use futures::future::{BoxFuture, try_join_all};
use plumbline_core::event::Event;
use plumbline_testbed::context::EventSink;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::within;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The steps of bringing a cluster up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A container engine answers.
    Engine,
    /// The engine has the images of the profile.
    Images,
    /// The cluster exists, belongs to Plumbline, and answers.
    Cluster,
    /// Every node has its default network, and routes to the others' pods.
    DefaultNetwork,
    /// The plugins are on every node, byte for byte.
    Plugins,
    /// Every node has the profile's bridges.
    Bridges,
    /// Multus is installed and in force on every node.
    Multus,
    /// A canary pod on every node got the default network of a provider.
    ProveDefaultNetwork,
}

impl Step {
    /// The order. Plugins are before Multus, because its canary needs them.
    pub const ORDER: [Self; 8] = [
        Self::Engine,
        Self::Images,
        Self::Cluster,
        Self::DefaultNetwork,
        Self::Plugins,
        Self::Bridges,
        Self::Multus,
        Self::ProveDefaultNetwork,
    ];

    /// The step's name in events and in `TestbedError`'s stage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Images => "images",
            Self::Cluster => "cluster",
            Self::DefaultNetwork => "default-network",
            Self::Plugins => "install-plugins",
            Self::Bridges => "bridges",
            Self::Multus => "install-multus",
            Self::ProveDefaultNetwork => "prove-default-network",
        }
    }

    /// The step's deadline, including builds.
    pub fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::Engine => 600,
            Self::Images => 3000,
            Self::Cluster => 420,
            Self::Bridges => 90,
            // A provider copies an image to every node, and waits for its pods.
            Self::DefaultNetwork | Self::ProveDefaultNetwork => 180,
            // The first check builds Plumbline's own plugins.
            Self::Plugins => 900,
            Self::Multus => 240,
        })
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The state is right.
    Good,
    /// Something is missing or wrong: a message.
    Lacking(String),
}

/// Sends progress notes of a step as events, and keeps the last one for the error at the deadline.
#[derive(Clone)]
pub struct Notes {
    events: EventSink,
    scope: String,
    step: &'static str,
    last: Arc<Mutex<String>>,
}

impl Notes {
    /// Sends a note.
    pub fn note(&self, text: impl Into<String>) {
        let note = text.into();
        note.clone_into(&mut self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        (self.events)(Event::StepNote { scope: self.scope.clone(), step: self.step.to_owned(), note });
    }

    fn last(&self) -> String {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Each step's check and work.
pub trait Stages: Send + Sync {
    /// Whether the profile has this step.
    fn has(&self, step: Step) -> bool {
        let _ = step;
        true
    }
    /// Checks the step's state, and changes nothing.
    fn check<'a>(&'a self, step: Step, notes: &'a Notes) -> BoxFuture<'a, Result<Found, TestbedError>>;
    /// Does the step's work. A part of it may be done already.
    fn make<'a>(&'a self, step: Step, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>>;
}

/// Runs the steps of [`Stages`].
pub struct Driver<'a> {
    /// Event stream.
    pub events: &'a EventSink,
    /// The subject of the steps, for example `cluster hermetic`.
    pub scope: String,
    /// Ends the bring-up early.
    pub cancel: &'a CancellationToken,
}

impl Driver<'_> {
    /// Checks every step in order and does the work of those whose check fails.
    ///
    /// # Errors
    /// The first step that fails: its own `TestbedError`, or one with what is still missing, about its deadline, or about an
    /// interruption.
    pub async fn drive(&self, stages: &dyn Stages) -> Result<(), TestbedError> {
        for step in Step::ORDER.into_iter().filter(|step| stages.has(*step)) {
            self.run_step(stages, step).await?;
        }
        Ok(())
    }

    /// Only checks: returns the first step whose check fails, with the message. The checks after the cluster's do not depend
    /// on each other, so they run concurrently.
    ///
    /// # Errors
    /// A check that could not run.
    pub async fn survey(&self, stages: &dyn Stages) -> Result<Option<(Step, String)>, TestbedError> {
        let sequential = Step::ORDER.iter().position(|step| *step == Step::Cluster).map_or(0, |place| place + 1);
        let (first, rest) = Step::ORDER.split_at(sequential);
        let rest = rest.iter().filter(|step| stages.has(**step));
        for step in first {
            if let Some(lacking) = self.check_step(stages, *step).await? {
                return Ok(Some(lacking));
            }
        }
        let found = try_join_all(rest.map(|step| self.check_step(stages, *step))).await?;
        Ok(found.into_iter().flatten().next())
    }

    async fn check_step(&self, stages: &dyn Stages, step: Step) -> Result<Option<(Step, String)>, TestbedError> {
        let quiet: EventSink = Arc::new(|_| {});
        let notes = self.notes(step, &quiet);
        let found = self.bounded(step, &notes, stages.check(step, &notes)).await?;
        Ok(match found {
            Found::Good => None,
            Found::Lacking(what) => Some((step, what)),
        })
    }

    /// Runs one step with its events: checks it, does its work if the check fails, and checks it again.
    ///
    /// # Errors
    /// As [`Driver::drive`].
    pub async fn run_step(&self, stages: &dyn Stages, step: Step) -> Result<(), TestbedError> {
        let started = Instant::now();
        (self.events)(Event::StepStarted { scope: self.scope.clone(), step: step.name().to_owned() });
        let notes = self.notes(step, self.events);
        let outcome = self.bounded(step, &notes, ensure_step(stages, step, &notes)).await;
        (self.events)(Event::StepFinished {
            scope: self.scope.clone(),
            step: step.name().to_owned(),
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            error: outcome.as_ref().err().map(|fault| fault.cause()),
            unchanged: matches!(outcome, Ok(Outcome::Unchanged)),
        });
        outcome.map(|_| ())
    }

    fn notes(&self, step: Step, events: &EventSink) -> Notes {
        Notes { events: events.clone(), scope: self.scope.clone(), step: step.name(), last: Arc::default() }
    }

    async fn bounded<T>(
        &self,
        step: Step,
        notes: &Notes,
        work: impl Future<Output = Result<T, TestbedError>>,
    ) -> Result<T, TestbedError> {
        tokio::select! {
            done = within(step.deadline(), work) => done.unwrap_or_else(|| {
                let (seconds, last) = (step.deadline().as_secs(), notes.last());
                Err(TestbedError::new(step.name(), format!("not done after {seconds} s; last seen: {last}")))
            }),
            () = self.cancel.cancelled() => Err(TestbedError::new(step.name(), "interrupted")),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Made,
    Unchanged,
}

async fn ensure_step(stages: &dyn Stages, step: Step, notes: &Notes) -> Result<Outcome, TestbedError> {
    let Found::Lacking(what) = stages.check(step, notes).await? else { return Ok(Outcome::Unchanged) };
    notes.note(what);
    stages.make(step, notes).await?;
    match stages.check(step, notes).await? {
        Found::Good => Ok(Outcome::Made),
        Found::Lacking(what) => Err(TestbedError::new(step.name(), format!("still failing after the step: {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for a cluster: steps that are good from the start, that become good, or that never become good.
    #[derive(Default)]
    struct Fake {
        good: Mutex<Vec<Step>>,
        hopeless: Option<Step>,
        hangs: Option<Step>,
        done: Mutex<Vec<String>>,
    }

    impl Stages for Fake {
        fn check<'a>(&'a self, step: Step, _: &'a Notes) -> BoxFuture<'a, Result<Found, TestbedError>> {
            Box::pin(async move {
                let good = self.good.lock().unwrap().contains(&step);
                Ok(if good { Found::Good } else { Found::Lacking(format!("no {}", step.name())) })
            })
        }

        fn make<'a>(&'a self, step: Step, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>> {
            Box::pin(async move {
                self.done.lock().unwrap().push(step.name().to_owned());
                notes.note("making");
                if self.hangs == Some(step) {
                    std::future::pending::<()>().await;
                }
                if self.hopeless != Some(step) {
                    self.good.lock().unwrap().push(step);
                }
                Ok(())
            })
        }
    }

    fn recorder() -> (EventSink, Arc<Mutex<Vec<Event>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = seen.clone();
        (Arc::new(move |event| into.lock().unwrap().push(event)), seen)
    }

    async fn drive(fake: &Fake) -> (Result<(), TestbedError>, Vec<Event>) {
        let (events, seen) = recorder();
        let cancel = CancellationToken::new();
        let outcome = Driver { events: &events, scope: "cluster fake".into(), cancel: &cancel }.drive(fake).await;
        let events = seen.lock().unwrap().clone();
        (outcome, events)
    }

    #[tokio::test]
    async fn every_step_runs_once_and_in_order() {
        let fake = Fake::default();
        let (outcome, _) = drive(&fake).await;
        outcome.unwrap();
        let order: Vec<_> = Step::ORDER.iter().map(|s| s.name()).collect();
        assert_eq!(*fake.done.lock().unwrap(), order);
        let (outcome, events) = drive(&fake).await;
        outcome.unwrap();
        assert_eq!(fake.done.lock().unwrap().len(), order.len(), "a second run does no work");
        let unchanged = events.iter().filter(|e| matches!(e, Event::StepFinished { unchanged: true, .. })).count();
        assert_eq!(unchanged, order.len());
    }

    #[tokio::test]
    async fn a_step_whose_check_fails_after_its_work_is_an_error() {
        let fake = Fake { hopeless: Some(Step::Multus), ..Fake::default() };
        let (outcome, _) = drive(&fake).await;
        let fault = outcome.unwrap_err();
        assert_eq!(
            (fault.stage.as_str(), fault.cause().as_str()),
            ("install-multus", "still failing after the step: no install-multus")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_hangs_ends_at_its_deadline_with_its_last_note() {
        let fake = Fake { hangs: Some(Step::Bridges), ..Fake::default() };
        let (outcome, events) = drive(&fake).await;
        assert_eq!(outcome.unwrap_err().cause(), "not done after 90 s; last seen: making");
        assert!(matches!(events.last(), Some(Event::StepFinished { error: Some(_), .. })));
    }

    #[tokio::test]
    async fn a_survey_does_no_work_and_names_the_first_failing_step() {
        let fake = Fake { good: Mutex::new(vec![Step::Engine, Step::Images]), ..Fake::default() };
        let (events, _) = recorder();
        let cancel = CancellationToken::new();
        let driver = Driver { events: &events, scope: "cluster fake".into(), cancel: &cancel };
        assert_eq!(driver.survey(&fake).await.unwrap(), Some((Step::Cluster, "no cluster".to_owned())));
        assert!(fake.done.lock().unwrap().is_empty());
    }
}
