//! What was seen, and what is judged of it.

use anyhow::Context as _;
use plumbline_core::finding::FindingCode;
use plumbline_core::judge;
use plumbline_core::observe::{Link, Observation, PodObservation, Route};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};

/// One observation of a staged plan.
#[must_use = "an unjudged observation proves nothing"]
#[derive(Debug, Clone)]
pub struct Seen {
    plan: Plan,
    observation: Observation,
}

impl Seen {
    pub(super) fn new(plan: Plan, observation: Observation) -> Self {
        Self { plan, observation }
    }

    /// Everything, as data.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// One pod.
    ///
    /// # Errors
    /// When the plan has no pod of that name.
    pub fn pod(&self, name: &str) -> anyhow::Result<&PodObservation> {
        self.observation.pods.iter().find(|pod| pod.pod == name).with_context(|| format!("no pod {name} was observed"))
    }

    /// One interface of a pod.
    ///
    /// # Errors
    /// When the pod, its kernel state or the interface is not there: names those that are.
    pub fn link(&self, pod: &str, interface: &str) -> anyhow::Result<&Link> {
        let kernel = self.kernel(pod)?;
        kernel.links.iter().find(|link| link.name == interface).with_context(|| {
            let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
            format!("pod {pod} has no interface {interface}; it has {}", names.join(", "))
        })
    }

    /// Routes of a pod's main table that go out of one interface.
    ///
    /// # Errors
    /// When the pod or its kernel state is not there.
    pub fn routes(&self, pod: &str, interface: &str) -> anyhow::Result<Vec<&Route>> {
        const MAIN: u32 = 254;
        let out =
            |route: &&Route| route.table == MAIN && route.hops.iter().any(|hop| hop.dev.as_deref() == Some(interface));
        Ok(self.kernel(pod)?.routes.iter().filter(out).collect())
    }

    fn kernel(&self, pod: &str) -> anyhow::Result<&plumbline_core::observe::KernelState> {
        let seen = self.pod(pod)?;
        seen.kernel.as_ref().with_context(|| format!("pod {pod} did not come up: {:?}", seen.state))
    }

    /// Judges it against the plan's expectations. The result is always `Ok`: so that it can end a closure.
    ///
    /// # Errors
    /// None; a failing scenario is a verdict.
    pub fn judge(self) -> anyhow::Result<Judged> {
        let judgement = judge::judge(&self.plan, &self.observation);
        let notes = judgement.notes.clone();
        let verdict = judge::fold(judgement, false);
        Ok(Judged { plan: self.plan, observation: self.observation, verdict, notes })
    }
}

/// A verdict with what led to it.
#[must_use = "read the verdict: without it a failure goes unnoticed"]
#[derive(Debug, Clone)]
pub struct Judged {
    plan: Plan,
    observation: Observation,
    verdict: Verdict,
    notes: Vec<String>,
}

impl Judged {
    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The codes of all findings, in the judge's order, each once.
    #[must_use]
    pub fn codes(&self) -> Vec<FindingCode> {
        let (Verdict::Pass { warnings: findings, .. } | Verdict::Fail { findings, .. }) = &self.verdict else {
            return Vec::new();
        };
        let mut codes = Vec::new();
        for finding in findings {
            if !codes.contains(&finding.code) {
                codes.push(finding.code);
            }
        }
        codes
    }

    /// Wants a Pass.
    ///
    /// # Errors
    /// The report's text for any other verdict.
    pub fn passes(self) -> anyhow::Result<()> {
        match self.verdict {
            Verdict::Pass { .. } => Ok(()),
            _ => anyhow::bail!("wanted a pass\n{}", self.text()),
        }
    }

    /// Wants a Fail with just these finding codes among its findings, in any order; warnings count too.
    ///
    /// # Errors
    /// The report's text for any other verdict or any other codes.
    pub fn fails_with(self, codes: &[FindingCode]) -> anyhow::Result<()> {
        let mut found = self.codes();
        found.sort();
        let mut wanted = codes.to_vec();
        wanted.sort();
        match self.verdict {
            Verdict::Fail { .. } if found == wanted => Ok(()),
            _ => anyhow::bail!("wanted a fail with {wanted:?}, got {found:?}\n{}", self.text()),
        }
    }

    /// The report as text, without colours.
    #[must_use]
    pub fn text(&self) -> String {
        let report = ScenarioReport {
            verdict: self.verdict.clone(),
            notes: self.notes.clone(),
            transcripts: self.observation.pods.iter().flat_map(|pod| pod.transcripts.clone()).collect(),
            ..ScenarioReport::blank(&self.plan, "-")
        };
        paint::strip(&text::scenario(&report, Transcripts::OnFailure))
    }
}
