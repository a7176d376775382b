//! The event stream from the runner to every reporter.

use crate::verdict::ScenarioReport;
use serde::{Deserialize, Serialize};

/// One event of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "event")]
pub enum Event {
    /// The run starts.
    RunStarted {
        /// Run id.
        run: String,
        /// Scenario and lane pairs to come.
        total: usize,
    },
    /// A step of a bring-up or an image build starts.
    StepStarted {
        /// What it belongs to, for example `cluster hermetic`.
        scope: String,
        /// The step, for example `install Multus`.
        step: String,
    },
    /// Progress within a step.
    StepNote {
        /// What it belongs to.
        scope: String,
        /// The step.
        step: String,
        /// The progress.
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
        /// `true` when the step had nothing to do.
        unchanged: bool,
    },
    /// A choice with its reason (profile, engine, user namespace).
    Chosen {
        /// What was chosen, for example `profile hermetic`.
        what: String,
        /// Why.
        reason: String,
    },
    /// A scenario starts on a lane.
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
    /// A scenario has its verdict.
    ScenarioFinished {
        /// Everything about it.
        report: Box<ScenarioReport>,
    },
    /// The run ended.
    RunFinished {
        /// Duration in milliseconds.
        millis: u64,
        /// Cleanup problems, one a line; empty when nothing leaked.
        left_behind: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_camel_case() {
        let event = Event::RunFinished { millis: 1, left_behind: vec![] };
        let json = serde_json::json!({ "event": "runFinished", "millis": 1, "leftBehind": [] });
        assert_eq!(serde_json::to_value(&event).ok(), Some(json));
    }
}
