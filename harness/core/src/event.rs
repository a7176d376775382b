//! The one event stream: what the runner tells, and every reporter reads.

use crate::verdict::ScenarioReport;
use serde::{Deserialize, Serialize};

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Event {
    /// The run begins.
    RunStarted {
        /// Run id.
        run: String,
        /// Scenario and lane pairs to come.
        total: usize,
    },
    /// A step of bring-up or of an image build begins.
    StepStarted {
        /// What it belongs to, for example `cluster hermetic`.
        scope: String,
        /// The step, for example `install Multus`.
        step: String,
    },
    /// A sign of life within a step.
    StepNote {
        /// What it belongs to.
        scope: String,
        /// The step.
        step: String,
        /// What is going on.
        note: String,
    },
    /// A step ended.
    StepFinished {
        /// What it belongs to.
        scope: String,
        /// The step.
        step: String,
        /// Duration in milliseconds.
        millis: u64,
        /// Why it failed, where it did.
        error: Option<String>,
        /// `true` when there was nothing to do.
        unchanged: bool,
    },
    /// A choice made by probing, with its reason (profile, engine, user namespace).
    Chosen {
        /// What was chosen, for example `profile hermetic`.
        what: String,
        /// Why.
        reason: String,
    },
    /// A scenario begins on a lane.
    ScenarioStarted {
        /// Scenario name.
        scenario: String,
        /// Lane name.
        lane: String,
    },
    /// A scenario enters a phase: `create`, `wait`, `observe`, `judge`, `clean up`.
    ScenarioPhase {
        /// Scenario name.
        scenario: String,
        /// Lane name.
        lane: String,
        /// Phase.
        phase: String,
    },
    /// A scenario's verdict is there.
    ScenarioFinished {
        /// Everything about it.
        report: Box<ScenarioReport>,
    },
    /// The run ended.
    RunFinished {
        /// Duration in milliseconds.
        millis: u64,
        /// Clean-up problems, each a line; empty when nothing was left behind.
        left_behind: Vec<String>,
    },
}
