//! Requirements that an operation shows: a change of Terway's chain on a cluster, by the same code as `plumbline chain`.
//!
//! `suites/chain-changes` holds changes that come into force on every node, and are taken back byte for byte;
//! `suites/chain-changes-negative` those that are refused with nothing touched, or fail and are put back.

use super::cases::{self, Metadata, listed};
use crate::chain::{self, ClusterRef, Ended};
use crate::select::Refused;
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::terway::{Access, Applied, CONFLIST, Usage, Version};
use plumbline_lanes::context::EventSink;
use plumbline_report::requirements::{Line, ProofStatus};
use plumbline_testbed::error::TestbedError;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// A case as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    metadata: Metadata,
    manifest: PathBuf,
    ends: Ends,
    #[serde(default)]
    usage: DeclaredUsage,
    #[serde(default)]
    findings: BTreeSet<FindingCode>,
}

/// What is said of the use of the cluster; what is not said is read from it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeclaredUsage {
    datapath_v2: Option<bool>,
    access: Option<Access>,
    terway_version: Option<Version>,
    portmap_version: Option<Version>,
}

/// How a change ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ends {
    /// On every node.
    InForce,
    /// Before anything is touched.
    Refused,
    /// With the old chain put back.
    PutBack,
}

/// A case that was read.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name; a negative case's begins with `negative/`.
    pub name: String,
    /// Its requirements.
    pub covers: Vec<String>,
    /// Whether it must not come into force.
    pub is_negative: bool,
    /// The file of the change.
    pub manifest: PathBuf,
    usage: Usage,
    ends: Ends,
    /// Codes of the failures, these and no others.
    findings: BTreeSet<FindingCode>,
}

/// What result of a case.
struct ChangeResult {
    ends: Ends,
    failures: BTreeSet<FindingCode>,
    checked: usize,
    millis: u64,
    /// What is not as it was, or as it must be.
    wrong: Vec<String>,
    /// What the bed did not do.
    error: Option<String>,
}

/// Reads every case below the project's folder.
///
/// # Errors
/// [`Refused`] with everything that is not as it must be.
pub fn read(root: &Path) -> Result<Vec<Case>, Refused> {
    cases::read(root, "suites/chain-changes", case)
}

fn case(folder: &Path, path: &Path, is_negative: bool) -> Result<Case, String> {
    let file: File = cases::file(path)?;
    cases::is_kind(&file.api_version, &file.kind, "ChainChange")?;
    cases::may_want(&file.findings, is_negative)?;
    if (file.ends == Ends::InForce) == is_negative {
        return Err("a change that ends `inForce` is not negative, and every other is".to_owned());
    }
    Ok(Case {
        name: file.metadata.name_of(folder, path, is_negative)?,
        covers: file.metadata.covers,
        is_negative,
        manifest: path.parent().unwrap_or(Path::new(".")).join(file.manifest),
        usage: Usage {
            datapath_v2: file.usage.datapath_v2,
            access: file.usage.access,
            terway_version: file.usage.terway_version,
            portmap_version: file.usage.portmap_version,
        },
        ends: file.ends,
        findings: file.findings,
    })
}

impl Case {
    /// Does the change on the cluster of a profile, which is up, and leaves the cluster as it was. Gives the table's line.
    pub async fn run(&self, profile: &str, events: &EventSink, cancel: &CancellationToken) -> Line {
        let mut line = cases::blank(&self.name, self.is_negative);
        match self.run_change(ClusterRef::Profile(profile), events, cancel).await {
            Err(error) => line.shown = ProofStatus::Error(plumbline_testbed::error::causes(error.as_ref())),
            Ok(ChangeResult { error: Some(why), .. }) => line.shown = ProofStatus::Error(why),
            Ok(result) => {
                let word = if result.ends == Ends::InForce { "PASS" } else { "FAIL" };
                let codes = (!result.failures.is_empty()).then(|| format!(", {}", listed(&result.failures)));
                line.verdict = format!("{word}{}", codes.unwrap_or_default());
                (line.checked, line.micros) = (result.checked, result.millis.saturating_mul(1000).max(1));
                let wrong = self.list_differences(&result);
                line.shown = if wrong.is_empty() { ProofStatus::Yes } else { ProofStatus::Failed(wrong.join("; ")) };
            }
        }
        line
    }

    /// Its line where the cluster can't be had.
    #[must_use]
    pub fn testbed_error(&self, error: &TestbedError) -> Line {
        Line { shown: ProofStatus::Error(error.to_string()), ..cases::blank(&self.name, self.is_negative) }
    }

    async fn run_change(
        &self,
        at: ClusterRef<'_>,
        events: &EventSink,
        cancel: &CancellationToken,
    ) -> anyhow::Result<ChangeResult> {
        let before = chain::now(at).await?;
        let begun = std::time::Instant::now();
        let ended = chain::apply(&self.manifest, Some(at), &self.usage, false, events, cancel, None).await?;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut result = match ended {
            Ended::Nothing(_) => anyhow::bail!("the chain is in force already, so nothing can be shown of it"),
            Ended::Refused(planned) => ChangeResult {
                ends: Ends::Refused,
                failures: failures(planned.lint.findings.iter().chain(&planned.beside)),
                checked: planned.lint.checked,
                millis,
                wrong: Vec::new(),
                error: None,
            },
            Ended::Applied(applied) => read_result(&applied),
        };
        if result.ends == Ends::InForce {
            let file = chain::read(&self.manifest)?;
            if chain::now(at).await?.data.get(CONFLIST).map(String::as_str) != file.text(CONFLIST) {
                result.wrong.push("the ConfigMap has another chain".to_owned());
            }
            if chain::restore(Some(at), false, events).await?.1.is_none() {
                result.wrong.push("the old chain was not kept".to_owned());
            }
        }
        let after = chain::now(at).await?;
        if after.data != before.data {
            result.wrong.push("the ConfigMap is not as it was".to_owned());
        }
        if result.ends == Ends::Refused && after.generation != before.generation {
            result.wrong.push("Terway was restarted for what was refused".to_owned());
        }
        Ok(result)
    }

    fn list_differences(&self, result: &ChangeResult) -> Vec<String> {
        let mut wrong = result.wrong.clone();
        if result.ends != self.ends {
            wrong.push(format!("it ended {:?}, wanted {:?}", result.ends, self.ends));
        }
        if result.failures != self.findings {
            wrong.push(format!("{}, wanted {}", listed(&result.failures), listed(&self.findings)));
        }
        if result.checked == 0 {
            wrong.push("nothing was checked".to_owned());
        }
        wrong
    }
}

fn read_result(applied: &Applied) -> ChangeResult {
    let ends = if applied.failed.is_some() { Ends::PutBack } else { Ends::InForce };
    let put_back = applied.put_back.as_ref().map_or(0, |back| back.rollout.checked);
    let mut wrong: Vec<String> = applied.left.iter().map(|left| format!("not put back: {left}")).collect();
    wrong.extend(applied.interrupted.then(|| "interrupted".to_owned()));
    ChangeResult {
        ends,
        failures: failures(&applied.rollout.findings),
        checked: applied.rollout.checked + put_back,
        millis: applied.millis,
        wrong,
        error: applied.failed.clone().filter(|_| applied.error),
    }
}

fn failures<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeSet<FindingCode> {
    findings.into_iter().filter(|finding| finding.is_failure()).map(|finding| finding.code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(ends: Ends, findings: &[FindingCode]) -> Case {
        Case {
            name: "a".into(),
            covers: vec!["R10".into()],
            is_negative: ends != Ends::InForce,
            manifest: PathBuf::new(),
            usage: Usage::default(),
            ends,
            findings: findings.iter().copied().collect(),
        }
    }

    #[test]
    fn a_change_that_ends_otherwise_than_wanted_shows_nothing() {
        let fine = || ChangeResult {
            ends: Ends::InForce,
            failures: BTreeSet::new(),
            checked: 6,
            millis: 1,
            wrong: vec![],
            error: None,
        };
        let good = case(Ends::InForce, &[]);
        assert!(good.list_differences(&fine()).is_empty());
        assert!(good.list_differences(&ChangeResult { ends: Ends::PutBack, ..fine() })[0].contains("PutBack"));
        assert!(good.list_differences(&ChangeResult { checked: 0, ..fine() })[0].contains("nothing was checked"));
        assert_eq!(
            good.list_differences(&ChangeResult { wrong: vec!["not put back: x".into()], ..fine() }),
            ["not put back: x"]
        );
        let negative = case(Ends::Refused, &[FindingCode::PL623]);
        let refused = |codes: &[FindingCode]| ChangeResult {
            ends: Ends::Refused,
            failures: codes.iter().copied().collect(),
            ..fine()
        };
        assert!(negative.list_differences(&refused(&[FindingCode::PL623])).is_empty());
        assert!(negative.list_differences(&refused(&[FindingCode::PL621]))[0].contains("PL621, wanted PL623"));
        assert_eq!(negative.list_differences(&fine()).len(), 2);
    }

    #[test]
    fn what_was_not_put_back_is_told() {
        let applied = Applied { failed: Some("x".into()), left: Some("y".into()), ..Applied::default() };
        assert_eq!(read_result(&applied).wrong, ["not put back: y"]);
        assert_eq!(read_result(&applied).ends, Ends::PutBack);
        assert_eq!(read_result(&applied).error, None);
        assert_eq!(read_result(&Applied { error: true, ..applied }).error.as_deref(), Some("x"));
    }
}
