//! Golden texts of findings and reports, in files for review (`suites/golden/reports`).
//!
//! insta compares them. To accept a change: run the test with `INSTA_UPDATE=always`, or run `cargo insta review`.
//! There is one file per finding code. Its text comes from one scenario on one lane (see [`find_source`]); every other
//! test compares codes only. So a new check of every pod changes few files.

use crate::trials::{NEGATIVE, NOT_IN_EVERY_KERNEL, SCENARIOS};
use anyhow::Context as _;
use plumbline::expected::{Expected, Kind};
use plumbline::runner::meant_for;
use plumbline::select;
use plumbline_core::finding::{Finding, FindingCode, Severity};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use std::path::Path;

/// Where the files are, below the project's folder.
pub const FOLDER: &str = "suites/golden/reports";

/// The lanes, the cheapest first.
const LANES: [&str; 3] = ["netns", "vm", KIND];
const KIND: &str = "kind";

/// Values that differ in each run (of the kernel, an engine or the run), as regular expressions, and their replacements. Positions in
/// files are replaced too: a comment in a scenario must not change its text.
const REPLACED: [(&str, &str); 13] = [
    (r"fe80::[0-9a-f:]+", "fe80::OWN"),
    (r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC"),
    (r"\b[0-9a-f]{64}\b", "KEY"),
    (r"/\S+/entries/KEY", "CACHE/entries/KEY"),
    // portmap's chain of a pod ends with a hash of its network and its container's id.
    (r"\bCNI-DN-[0-9a-f]{21}\b", "CNI-DN-HASH"),
    (r"\br[0-9a-z]{9}-(\d+)\b", "RUN-$1"),
    (r"\biptables v[0-9.]+", "iptables vVERSION"),
    (r"\b\d+ (request|time)s?\b", "SOME $1"),
    (r"\b\d+ repl(?:y|ies)\b", "SOME reply"),
    // Plugins in Go write a time before each line.
    (r"\bstderr: \d{4}/\d\d/.*", "stderr: LOG"),
    // The kernel's own ports begin at 32768 (`net.ipv4.ip_local_port_range`).
    (r"\b(port |[sd]port=)(?:32[89]|3[3-9]\d|[4-6]\d\d)\d\d\b", "${1}OWN"),
    (r"(\.(?:yaml|json|conf|conflist)):\d+:\d+", "$1:LINE:COL"),
    (r"\bline \d+ column \d+", "line LINE column COL"),
];

/// Compares a text with the golden file `name`, a path below [`FOLDER`] without its ending.
///
/// # Panics
/// When they differ: insta prints both.
pub fn check_text(root: &Path, name: &str, description: &str, text: &str) {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(root.join(FOLDER).join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    if !description.is_empty() {
        settings.set_description(description);
    }
    for (found, replacement) in REPLACED {
        settings.add_filter(found, replacement);
    }
    settings.bind(|| insta::assert_snapshot!(file, text));
}

/// Compares the text of a code's first finding with the code's golden file.
///
/// # Errors
/// When there is no such finding.
pub fn check_finding(
    root: &Path,
    code: FindingCode,
    lane: &str,
    scenario: &str,
    all: &[Finding],
) -> anyhow::Result<()> {
    let finding = all.iter().find(|finding| finding.code == code);
    let finding = finding.with_context(|| format!("{scenario}: no finding {code}"))?;
    check_text(root, &format!("findings/{code}"), &format!("{scenario}, lane {lane}"), &finding_text(finding, lane));
    Ok(())
}

/// Compares the findings of a scenario with the golden files of those codes whose text comes from it.
///
/// # Errors
/// When the suite can't be read.
pub fn check_findings(
    root: &Path,
    expected: &Expected,
    lane: &str,
    scenario: &str,
    all: &[Finding],
) -> anyhow::Result<()> {
    let mut codes: Vec<FindingCode> = all.iter().map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    for code in codes {
        if find_source(root, expected, code)?.is_some_and(|source| source == (lane, scenario.to_owned())) {
            check_finding(root, code, lane, scenario, all)?;
        }
    }
    Ok(())
}

/// Lane and scenario from which a code's golden text comes: on the cheapest lane that shows the code on every host, the
/// negative scenario with the fewest codes, then the first by name. A scenario that passes with this warning follows
/// after all negative ones.
///
/// # Errors
/// When a scenario can't be read.
pub fn find_source(
    root: &Path,
    expected: &Expected,
    code: FindingCode,
) -> anyhow::Result<Option<(&'static str, String)>> {
    for lane in LANES {
        let mut candidates = Vec::new();
        for (name, wanted) in &expected.negative {
            let codes = wanted.codes(lane);
            if wanted.verdict == Kind::Fail && codes.contains(&code) {
                candidates.push((NEGATIVE, codes.len(), name));
            }
        }
        for name in expected.warnings.keys() {
            let codes = expected.warnings(lane, name);
            if codes.contains(&code) {
                candidates.push((SCENARIOS, codes.len(), name));
            }
        }
        // "suites/negative" comes before "suites/scenarios".
        candidates.sort();
        for (folder, _, name) in candidates {
            let plan = select::named(Some(root), Path::new(folder), name)?;
            let everywhere =
                lane != LANES[0] || !plan.requires.iter().any(|need| NOT_IN_EVERY_KERNEL.contains(&need.as_str()));
            if meant_for(&plan, lane) && everywhere {
                return Ok(Some((lane, name.clone())));
            }
        }
    }
    Ok(None)
}

/// The text of one finding as a report shows it.
fn finding_text(finding: &Finding, lane: &str) -> String {
    let mut finding = finding.clone();
    if lane == KIND {
        // Messages of the kubelet, Multus and the container runtime differ from run to run.
        finding.notes.retain(|note| !["state: ", "event ", "runtime log"].iter().any(|begin| note.starts_with(begin)));
    }
    let verdict = match finding.severity {
        Severity::Failure => Verdict::Fail { checked: 1, findings: vec![finding] },
        Severity::Warning | Severity::Info => Verdict::Pass { checked: 1, warnings: vec![finding] },
    };
    let report = ScenarioReport { verdict, ..ScenarioReport::blank(&Plan::default(), lane) };
    let text = paint::strip(&text::scenario(&report, Transcripts::Never));
    // The first line is the verdict, the last one a hint how to run it again.
    let lines: Vec<&str> = text.lines().skip(1).filter(|line| !line.starts_with("  rerun and keep: ")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{FOLDER, find_source};
    use plumbline::{expected, root};
    use std::collections::BTreeSet;

    #[test]
    fn every_code_that_a_scenario_shows_has_a_golden_file_and_every_file_a_page() -> anyhow::Result<()> {
        let root = root::find()?;
        std::env::set_current_dir(&root)?;
        let expected = expected::read(&root)?;
        let names = |folder: &str, ending: &str| -> anyhow::Result<BTreeSet<String>> {
            let mut found = BTreeSet::new();
            for entry in std::fs::read_dir(root.join(folder))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                found.extend(name.strip_suffix(ending).map(str::to_owned));
            }
            Ok(found)
        };
        let golden = names(&format!("{FOLDER}/findings"), ".snap")?;
        let pages = names("docs/findings", ".md")?;
        let mut shown = BTreeSet::new();
        for wanted in expected.negative.values() {
            shown.extend(wanted.codes.iter().chain(wanted.codes_on.values().flatten()).copied());
        }
        shown.extend(expected.warnings.values().flatten().copied());
        for code in &shown {
            assert!(find_source(&root, &expected, *code)?.is_some(), "{code}: no lane shows it on every host");
        }
        let shown: BTreeSet<String> = shown.iter().map(ToString::to_string).collect();
        assert_eq!(shown.difference(&golden).collect::<Vec<_>>(), Vec::<&String>::new(), "codes without a golden file");
        assert_eq!(golden.difference(&pages).collect::<Vec<_>>(), Vec::<&String>::new(), "golden files without a page");
        Ok(())
    }
}
