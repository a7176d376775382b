//! Verdicts, and the report of one scenario on one lane.

use crate::finding::Finding;
use crate::observe::Transcript;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

pub use crate::plan::Adaptation;

/// The result of a scenario on a lane.
#[must_use = "an unread verdict may hide a failure"]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// Every checked fact was as expected.
    Pass {
        /// How many facts were checked; never 0.
        checked: usize,
        /// Findings that do not fail it.
        warnings: Vec<Finding>,
    },
    /// At least one finding is a failure.
    Fail {
        /// How many facts were checked.
        checked: usize,
        /// Failures first, then warnings.
        findings: Vec<Finding>,
    },
    /// The lane lacks what the scenario needs.
    Skip {
        /// What is missing, in words.
        reason: String,
    },
    /// A fault of the testbed, never of the plugin.
    Error {
        /// The stage that failed, for example `install-multus`.
        stage: String,
        /// What happened.
        cause: String,
        /// How to fix it, where that is known.
        hint: Option<String>,
    },
}

/// How long the parts of a scenario took, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// From start to the verdict on the running pods. Leaks are checked after the pods are deleted, within `total_us`;
    /// they can only make the verdict worse.
    pub verdict_us: u64,
    /// From start until everything was deleted (0 when kept or awaited later).
    pub total_us: u64,
    /// The sum of all plugins' own times, the default network's included.
    pub plugins_us: u64,
    /// From create until the pod was Ready (lanes with a cluster; else 0).
    pub ready_us: u64,
}

/// Everything that reporters need about one scenario on one lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioReport {
    /// Scenario name, for example `openshift/chain-example`.
    pub scenario: String,
    /// The scenario's one-line summary.
    pub summary: String,
    /// The scenario's file.
    pub file: String,
    /// Lane name.
    pub lane: String,
    /// Cluster profile, on lanes that have one.
    pub profile: Option<String>,
    /// Requirements that it covers, for example `R01`.
    pub covers: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Adaptations made.
    pub adaptations: Vec<Adaptation>,
    /// What was made or chosen because the user's files need it and do not have it, each a line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// How the scenario was isolated from others, for example `namespace chain-example-7f3a of its own`.
    pub isolation: Option<String>,
    /// What the judge could not observe here, and other remarks: neither pass nor fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Parts that are not what users run, each named, for example `route-override: plumbline's, not upstream's`.
    pub stand_ins: Vec<String>,
    /// The human transcripts, in order.
    pub transcripts: Vec<Transcript>,
    /// Durations.
    pub timing: Timing,
    /// The evidence folder, where one was written.
    pub evidence: Option<String>,
}

impl ScenarioReport {
    /// The report of a plan on a lane before it runs. Its verdict is an error, so that a scenario without a verdict never
    /// counts as passed.
    pub fn blank(plan: &Plan, lane: &str) -> Self {
        Self {
            scenario: plan.name.clone(),
            summary: plan.summary.clone(),
            file: plan.file.clone(),
            lane: lane.to_owned(),
            profile: None,
            covers: plan.covers.clone(),
            verdict: Verdict::Error { stage: "run".into(), cause: "no verdict was reached".into(), hint: None },
            adaptations: plan.adaptations.clone(),
            assumed: plan.assumed.clone(),
            isolation: None,
            notes: Vec::new(),
            stand_ins: Vec::new(),
            transcripts: Vec::new(),
            timing: Timing::default(),
            evidence: None,
        }
    }
}
