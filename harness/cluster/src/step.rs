//! Bring-up as an ordered list of steps, each with a check of its own, a deadline, and events.
//!
//! What a step does lives elsewhere, behind [`Stages`]; here is only the way through them: check, make what is
//! wanting, check again. So every step is idempotent, and none is believed without having been looked at.

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
    /// The images of the profile are at hand.
    Images,
    /// The cluster is there, is ours, and answers.
    Cluster,
    /// Every node has its default network, and routes to the others' pods.
    DefaultNetwork,
    /// The plugins are on every node, byte for byte.
    Plugins,
    /// Every node has the profile's bridges.
    Bridges,
    /// Multus is installed and in force on every node.
    Multus,
    /// A pod came up on every node by the default network of a provider.
    ProveDefaultNetwork,
}

impl Step {
    /// The order. Plugins come before Multus, since its canary needs them.
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

    /// How long it may take in all, building included where it builds.
    pub fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::Engine => 600,
            Self::Images => 3000,
            Self::Cluster => 420,
            Self::Bridges => 90,
            // A provider copies an image to every node, and waits for its pods.
            Self::DefaultNetwork | Self::ProveDefaultNetwork => 180,
            // Those of ours are built when they are first looked at.
            Self::Plugins => 900,
            Self::Multus => 240,
        })
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As it should be.
    Good,
    /// Not so: what is wanting, in words.
    Wanting(String),
}

/// Tells signs of life of a step, and keeps the last one for the case that the deadline passes.
#[derive(Clone)]
pub struct Notes {
    events: EventSink,
    scope: String,
    step: &'static str,
    last: Arc<Mutex<String>>,
}

impl Notes {
    /// Tells one.
    pub fn note(&self, text: impl Into<String>) {
        let note = text.into();
        note.clone_into(&mut self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        (self.events)(Event::StepNote { scope: self.scope.clone(), step: self.step.to_owned(), note });
    }

    fn last(&self) -> String {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// What each step looks at and does.
pub trait Stages: Send + Sync {
    /// Whether there is such a step at all.
    fn has(&self, step: Step) -> bool {
        let _ = step;
        true
    }
    /// Looks, and changes nothing.
    fn check<'a>(&'a self, step: Step, notes: &'a Notes) -> BoxFuture<'a, Result<Found, TestbedError>>;
    /// Makes it so. May be called on a half-made thing.
    fn make<'a>(&'a self, step: Step, notes: &'a Notes) -> BoxFuture<'a, Result<(), TestbedError>>;
}

/// Leads [`Stages`] through the steps.
pub struct Driver<'a> {
    /// Event stream.
    pub events: &'a EventSink,
    /// What the steps belong to, for example `cluster hermetic`.
    pub scope: String,
    /// Ends it early.
    pub cancel: &'a CancellationToken,
}

impl Driver<'_> {
    /// Checks every step in order and makes what is wanting, until all are good.
    ///
    /// # Errors
    /// The first step that can't be made good: its own `TestbedError`, or one that says what is still wanting, that its
    /// deadline passed, or that the run was interrupted.
    pub async fn drive(&self, stages: &dyn Stages) -> Result<(), TestbedError> {
        for step in Step::ORDER.into_iter().filter(|step| stages.has(*step)) {
            self.step(stages, step).await?;
        }
        Ok(())
    }

    /// Only looks: the first step in order that is wanting, with what is. The steps after the cluster's do not rest on
    /// each other when they are only looked at, so they are looked at side by side.
    ///
    /// # Errors
    /// A check that could not be made.
    pub async fn survey(&self, stages: &dyn Stages) -> Result<Option<(Step, String)>, TestbedError> {
        let alone = Step::ORDER.iter().position(|step| *step == Step::Cluster).map_or(0, |place| place + 1);
        let (first, rest) = Step::ORDER.split_at(alone);
        let rest = rest.iter().filter(|step| stages.has(**step));
        for step in first {
            if let Some(wanting) = self.look(stages, *step).await? {
                return Ok(Some(wanting));
            }
        }
        let found = try_join_all(rest.map(|step| self.look(stages, *step))).await?;
        Ok(found.into_iter().flatten().next())
    }

    async fn look(&self, stages: &dyn Stages, step: Step) -> Result<Option<(Step, String)>, TestbedError> {
        let quiet: EventSink = Arc::new(|_| {});
        let notes = self.notes(step, &quiet);
        let found = self.bounded(step, &notes, stages.check(step, &notes)).await?;
        Ok(match found {
            Found::Good => None,
            Found::Wanting(what) => Some((step, what)),
        })
    }

    /// One step: checks, makes what is wanting, checks again, with its events.
    ///
    /// # Errors
    /// As [`Driver::drive`].
    pub async fn step(&self, stages: &dyn Stages, step: Step) -> Result<(), TestbedError> {
        let begun = Instant::now();
        (self.events)(Event::StepStarted { scope: self.scope.clone(), step: step.name().to_owned() });
        let notes = self.notes(step, self.events);
        let outcome = self.bounded(step, &notes, good(stages, step, &notes)).await;
        (self.events)(Event::StepFinished {
            scope: self.scope.clone(),
            step: step.name().to_owned(),
            millis: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
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

async fn good(stages: &dyn Stages, step: Step, notes: &Notes) -> Result<Outcome, TestbedError> {
    let Found::Wanting(what) = stages.check(step, notes).await? else { return Ok(Outcome::Unchanged) };
    notes.note(what);
    stages.make(step, notes).await?;
    match stages.check(step, notes).await? {
        Found::Good => Ok(Outcome::Made),
        Found::Wanting(what) => Err(TestbedError::new(step.name(), format!("made, and still: {what}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the bed: steps that are good from the start, that can be made good, or that never are.
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
                Ok(if good { Found::Good } else { Found::Wanting(format!("no {}", step.name())) })
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
    async fn everything_is_made_once_and_in_order() {
        let fake = Fake::default();
        let (outcome, _) = drive(&fake).await;
        outcome.unwrap();
        let order: Vec<_> = Step::ORDER.iter().map(|s| s.name()).collect();
        assert_eq!(*fake.done.lock().unwrap(), order);
        let (outcome, events) = drive(&fake).await;
        outcome.unwrap();
        assert_eq!(fake.done.lock().unwrap().len(), order.len(), "a second time nothing is made");
        let unchanged = events.iter().filter(|e| matches!(e, Event::StepFinished { unchanged: true, .. })).count();
        assert_eq!(unchanged, order.len());
    }

    #[tokio::test]
    async fn what_is_made_and_still_not_good_is_an_error_at_that_step() {
        let fake = Fake { hopeless: Some(Step::Multus), ..Fake::default() };
        let (outcome, _) = drive(&fake).await;
        let fault = outcome.unwrap_err();
        assert_eq!(
            (fault.stage.as_str(), fault.cause().as_str()),
            ("install-multus", "made, and still: no install-multus")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_hangs_ends_at_its_deadline_with_what_was_last_seen() {
        let fake = Fake { hangs: Some(Step::Bridges), ..Fake::default() };
        let (outcome, events) = drive(&fake).await;
        assert_eq!(outcome.unwrap_err().cause(), "not done after 90 s; last seen: making");
        assert!(matches!(events.last(), Some(Event::StepFinished { error: Some(_), .. })));
    }

    #[tokio::test]
    async fn a_survey_makes_nothing_and_names_the_first_want() {
        let fake = Fake { good: Mutex::new(vec![Step::Engine, Step::Images]), ..Fake::default() };
        let (events, _) = recorder();
        let cancel = CancellationToken::new();
        let driver = Driver { events: &events, scope: "cluster fake".into(), cancel: &cancel };
        assert_eq!(driver.survey(&fake).await.unwrap(), Some((Step::Cluster, "no cluster".to_owned())));
        assert!(fake.done.lock().unwrap().is_empty());
    }
}
