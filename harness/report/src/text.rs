//! One scenario's report as text. Pure: the same report gives the same text, whatever the terminal.
//!
//! The text has colour sequences of [`crate::paint`]; the writer of a file strips them.

use crate::escape;
use crate::paint::{BAD, DOUBT, ERROR, GOOD, QUIET, paint};
use plumbline_core::finding::{Finding, Severity};
use plumbline_core::observe::Transcript;
use plumbline_core::plan::split_case;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use std::fmt::Write as _;

/// When the transcripts (`ip a`, `ip route`) are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transcripts {
    /// With every verdict.
    Always,
    /// With a verdict that is neither Pass nor Skip.
    #[default]
    OnFailure,
    /// Never.
    Never,
}

/// The report of one scenario on one lane: transcripts, the verdict line, findings, and details of the verdict. Ends
/// with a newline.
pub fn scenario(report: &ScenarioReport, transcripts: Transcripts) -> String {
    let mut out = String::new();
    if shows_transcripts(transcripts, &report.verdict) {
        for transcript in &report.transcripts {
            out.push_str(&self::transcript(transcript, &report.lane));
        }
    }
    write_verdict_line(&mut out, report);
    match &report.verdict {
        Verdict::Pass { warnings, .. } => findings(&mut out, warnings),
        Verdict::Fail { findings: all, .. } => findings(&mut out, all),
        Verdict::Skip { .. } => {}
        Verdict::Error { cause, hint, .. } => testbed_error(&mut out, cause, hint.as_deref()),
    }
    write_details(&mut out, report);
    if matches!(report.verdict, Verdict::Fail { .. } | Verdict::Error { .. }) {
        let _ = writeln!(
            out,
            "  rerun and keep: plumbline run {} --lane {} --keep always",
            escape::line(&argument(report)),
            report.lane
        );
    }
    out
}

/// What names the scenario on the command line: its file, with its case in quotes, because shells replace brackets.
fn argument(report: &ScenarioReport) -> String {
    match split_case(&report.scenario).1 {
        Some(case) => format!("'{}[{case}]'", report.file),
        None => report.file.clone(),
    }
}

/// The verdict as text: `PASS, 14 facts checked, 2 warnings: PL601 management-net`.
pub fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass { checked, warnings } => {
            let mut text = format!("{}, {}", paint(GOOD, "PASS"), count(*checked, "fact checked", "facts checked"));
            if !warnings.is_empty() {
                let _ = write!(text, "{}: {}", severities(warnings), names(warnings));
            }
            text
        }
        Verdict::Fail { checked, findings } => {
            let (failures, others): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|f| f.is_failure());
            let head = format!("{}, {}", paint(BAD, "FAIL"), count(*checked, "fact checked", "facts checked"));
            if failures.is_empty() {
                // Only with --strict: warnings alone make the scenario fail.
                return format!("{head}{} under --strict: {}", severities(others.iter().copied()), names(others));
            }
            format!("{head}{}: {}{}", severities(failures.iter().copied()), names(failures), severities(others))
        }
        Verdict::Skip { reason } => format!("{}, {}", paint(DOUBT, "SKIP"), escape::line(reason)),
        Verdict::Error { stage, .. } => format!("{} at {}", paint(ERROR, "ERROR"), escape::line(stage)),
    }
}

/// `, 1 failure, 2 warnings`: each severity that occurs, with its number.
pub fn severities<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let findings: Vec<&Finding> = findings.into_iter().collect();
    let mut text = String::new();
    for severity in Severity::ALL {
        let (n, word) = (findings.iter().filter(|f| f.severity == severity).count(), severity.as_str());
        if n > 0 {
            let plural = if severity == Severity::Info { word.to_owned() } else { format!("{word}s") };
            let _ = write!(text, ", {}", count(n, word, &plural));
        }
    }
    text
}

/// A number with its noun.
pub fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A duration for people: microseconds in; `850 us`, `12 ms`, `1.2 s`, `3 min 5 s` out.
pub fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", micros / 1_000_000, micros % 1_000_000 / 100_000),
        _ => format!("{} min {} s", micros / 60_000_000, micros % 60_000_000 / 1_000_000),
    }
}

fn shows_transcripts(transcripts: Transcripts, verdict: &Verdict) -> bool {
    match transcripts {
        Transcripts::Always => true,
        Transcripts::OnFailure => matches!(verdict, Verdict::Fail { .. } | Verdict::Error { .. }),
        Transcripts::Never => false,
    }
}

fn transcript(transcript: &Transcript, lane: &str) -> String {
    let mut out = format!(
        "{} lane {lane}, pod {}: {}\n",
        paint(QUIET, "----"),
        escape::line(&transcript.pod),
        escape::line(&transcript.command)
    );
    for line in escape::block(&transcript.text).trim_end().lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

fn write_verdict_line(out: &mut String, report: &ScenarioReport) {
    let _ = write!(out, "{}   {}   lane {}", verdict(&report.verdict), escape::line(&report.scenario), report.lane);
    if let Some(profile) = &report.profile {
        let _ = write!(out, "   profile {profile}");
    }
    let timing = &report.timing;
    if timing.verdict_us > 0 {
        let _ = write!(out, "   {}", duration(timing.verdict_us));
        if timing.plugins_us > 0 {
            let _ = write!(out, " (plugins {})", duration(timing.plugins_us));
        }
        if timing.ready_us > 0 {
            let _ = write!(out, " (pods ready after {})", duration(timing.ready_us));
        }
    }
    out.push('\n');
}

/// Findings under a line for each pod and interface they concern, in the judge's order.
pub(crate) fn findings(out: &mut String, findings: &[Finding]) {
    let mut last = None;
    for finding in findings {
        let place = describe_place(finding);
        if last.as_ref() != Some(&place) && !place.is_empty() {
            let _ = writeln!(out, "  {place}");
        }
        last = Some(place);
        self::finding(out, finding);
    }
}

/// `pod client   eth1   network sip-net`, as far as the finding has these.
fn describe_place(finding: &Finding) -> String {
    let mut parts = Vec::new();
    if let Some(pod) = &finding.pod {
        parts.push(format!("pod {}", escape::line(pod)));
    }
    if let Some(interface) = &finding.interface {
        parts.push(escape::line(interface));
    }
    if let Some(network) = &finding.network {
        parts.push(format!("network {}", escape::line(network)));
    }
    parts.join("   ")
}

fn finding(out: &mut String, finding: &Finding) {
    let style = if finding.is_failure() { BAD } else { DOUBT };
    let (code, word) = (finding.code, finding.severity.as_str());
    let _ = writeln!(out, "    {} {code}: {}", paint(style, word), escape::line(&finding.message));
    let at_source = if code.is_outside_a_list() { "the exact list is at" } else { "requested at" };
    let wanted_at = finding
        .source
        .as_ref()
        .filter(|s| !s.file.is_empty())
        .map(|s| format!("{at_source} {}", escape::line(&s.to_string())));
    let expected = finding.expected.as_deref().map(escape::line);
    let found = finding.found.as_deref().map(escape::line);
    // The fate of a packet is no candidate for the expected value: the two are not aligned.
    let is_event = finding.code.is_about_packets();
    let side_by_side = if is_event { [&expected, &None] } else { [&expected, &found] };
    let width = side_by_side.iter().filter_map(|t| t.as_ref().map(|t| t.chars().count())).max().unwrap_or(0);
    match (&expected, &wanted_at) {
        (Some(text), Some(at)) => {
            let _ = writeln!(out, "      {} {text:width$}   {at}", paint(GOOD, "- expected"));
        }
        (Some(text), None) => {
            let _ = writeln!(out, "      {} {text}", paint(GOOD, "- expected"));
        }
        (None, _) => {}
    }
    match (&found, &expected) {
        (Some(text), Some(_)) if !is_event => {
            let _ = writeln!(out, "      {} {text:width$}   nearest to it", paint(BAD, "+ found   "));
        }
        (Some(text), _) => {
            let _ = writeln!(out, "      {} {text}", paint(BAD, "+ found   "));
        }
        (None, Some(_)) if finding.is_failure() => {
            let nothing = if is_event { "no packet" } else { "none" };
            let _ = writeln!(out, "      {} {nothing}", paint(BAD, "+ found   "));
        }
        (None, _) => {}
    }
    if expected.is_none()
        && let Some(at) = wanted_at
    {
        let _ = writeln!(out, "      {at}");
    }
    for note in &finding.notes {
        let _ = writeln!(out, "      {}", escape::line(note));
    }
    let _ = writeln!(out, "      {}", paint(QUIET, &format!("plumbline explain {code}")));
}

fn testbed_error(out: &mut String, cause: &str, hint: Option<&str>) {
    for line in escape::block(cause).lines() {
        let _ = writeln!(out, "    {line}");
    }
    if let Some(hint) = hint {
        for line in escape::block(hint).lines() {
            let _ = writeln!(out, "    fix: {line}");
        }
    }
}

/// Writes the details of the verdict: adaptations, isolation, notes, stand-ins, evidence.
fn write_details(out: &mut String, report: &ScenarioReport) {
    for a in &report.adaptations {
        let from = a.from.as_deref().map_or_else(|| "absent".to_owned(), escape::line);
        let _ = writeln!(
            out,
            "  adapted: {} {}: {from} -> {}, because {}",
            escape::line(&a.object),
            escape::line(&a.field),
            escape::line(&a.to),
            escape::line(&a.reason)
        );
    }
    for assumed in &report.assumed {
        let _ = writeln!(out, "  assumed: {}", escape::line(assumed));
    }
    if let Some(isolation) = &report.isolation {
        let _ = writeln!(out, "  own: {}", escape::line(isolation));
    }
    for note in &report.notes {
        let _ = writeln!(out, "  note: {}", escape::line(note));
    }
    for stand_in in &report.stand_ins {
        let _ = writeln!(out, "  stand-in: {}", escape::line(stand_in));
    }
    if let Some(evidence) = &report.evidence
        && !matches!(report.verdict, Verdict::Skip { .. })
    {
        let _ = writeln!(out, "  evidence: {}", escape::line(evidence));
    }
}

/// Distinct codes with what they concern: `PL601 management-net, PL601 sip-net`.
fn names<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let mut seen = Vec::new();
    for f in findings {
        let what = f.network.as_deref().or(f.interface.as_deref()).or(f.pod.as_deref());
        let name = what.map_or_else(|| f.code.to_string(), |w| format!("{} {}", f.code, escape::line(w)));
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    let rest = seen.len().saturating_sub(6);
    seen.truncate(6);
    let mut text = seen.join(", ");
    if rest > 0 {
        let _ = write!(text, " and {rest} more");
    }
    text
}
