//! From a judgement to a verdict.

use super::{Judgement, judge};
use crate::finding::{FindingCode, Severity};
use crate::observe::Observation;
use crate::plan::Plan;
use crate::verdict::Verdict;

/// Judges and folds in one step. `strict` makes warnings fail.
pub fn verdict(plan: &Plan, observation: &Observation, strict: bool) -> Verdict {
    fold(judge(plan, observation), strict)
}

/// The verdict of a judgement:
/// something unobserved is an error, since nothing can be said of it; a failure fails; with `strict` a warning fails too;
/// and when no fact was checked the verdict is an error: nothing was proven.
pub fn fold(judgement: Judgement, strict: bool) -> Verdict {
    let Judgement { checked, findings, unobserved, .. } = judgement;
    if !unobserved.is_empty() {
        return Verdict::Error { stage: "observe".to_owned(), cause: unobserved.join("; "), hint: None };
    }
    let fails = findings.iter().any(|finding| finding.is_failure() || strict && finding.severity == Severity::Warning);
    if fails {
        return Verdict::Fail { checked, findings };
    }
    if checked == 0 {
        return Verdict::Error {
            stage: "judge".to_owned(),
            cause: format!("{}: {}", FindingCode::PL901, FindingCode::PL901.title()),
            hint: Some("give the scenario an attachment or an expectation".to_owned()),
        };
    }
    Verdict::Pass { checked, warnings: findings }
}
