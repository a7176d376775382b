//! Golden texts: what a report must read like, in files that people review.

use anyhow::Context as _;
use plumbline_core::finding::FindingCode;
use plumbline_core::verdict::{ScenarioReport, Timing, Verdict};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use std::path::Path;

mod stable;

use stable::{settled, uncounted, without_address, without_names, without_nodes, without_numbers};

/// Set to write what is found into the golden files; the difference is then reviewed like code.
pub const BLESS: &str = "PLUMBLINE_BLESS";

/// The lane whose nodes have addresses that the container engine chose.
const KIND: &str = "kind";

/// A report's text without what differs from run to run: times, folders, the run's own namespace.
#[must_use]
pub fn report(report: &ScenarioReport) -> String {
    let mut report = report.clone();
    report.timing = Timing::default();
    report.evidence = None;
    report.isolation = None;
    report.profile = None;
    report.adaptations.clear();
    report.stand_ins.clear();
    if let Verdict::Fail { findings, .. } = &mut report.verdict {
        for finding in findings {
            if finding.found.as_deref().is_some_and(is_dated) {
                finding.found = Some("stderr: ...".to_owned());
            }
            finding.notes = heard(finding.code, &finding.notes);
        }
    }
    let text = settled(&uncounted(&paint::strip(&text::scenario(&report, Transcripts::Never))));
    if report.lane == KIND { without_nodes(&text) } else { text }
}

/// Whether it is a plugin's log with the time before each line, as Go's logger writes it (`2026/11/21`).
fn is_dated(found: &str) -> bool {
    let text = found.strip_prefix("stderr: ").unwrap_or_default().as_bytes();
    text.get(4) == Some(&b'/') && text.get(7) == Some(&b'/')
}

/// Notes with as much of others' own words as is the same in every run, each once.
fn heard(code: FindingCode, notes: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for note in notes {
        let stable = match note.split_once(": ") {
            // Whether a line may be a neighbour's depends on the neighbours: of a node's log only what the kernel
            // refused to route is kept, which one scenario alone provokes, and without the doubt whose it is.
            Some((who, words)) if who.starts_with("plugin stderr") => {
                let provoked = code == FindingCode::PL202 && words.contains("failed to add route");
                provoked.then(|| format!("plugin stderr: {words}"))
            }
            // How long and how often is the machine's; what was last seen follows as an event of its own.
            Some(("state", words)) => {
                let begin = words.split_once(": ").map_or(words, |(begin, _)| begin);
                Some(format!("state: {}", without_numbers(begin)))
            }
            Some(("event AddedInterface", words)) => Some(format!("event AddedInterface: {}", without_address(words))),
            Some((who, words)) if who == "runtime log" || who.starts_with("event ") => {
                let words = last(words);
                // What stands before is the runtime's: a time, and its own words for the same.
                let own = words.find("plugin type=").filter(|_| who == "runtime log").map_or(words, |at| &words[at..]);
                Some(format!("{who}: {}", settled(&without_names(own))))
            }
            _ => Some(note.clone()),
        };
        kept.extend(stable.filter(|note| !kept.contains(note)));
    }
    // Events come in any order: the scheduler, Multus and the kubelet write them on their own.
    let event = |note: &String| note.starts_with("event ");
    let mut events: Vec<String> = kept.iter().filter(|note| event(note)).cloned().collect();
    events.sort();
    for (place, sorted) in kept.iter_mut().filter(|note| event(note)).zip(events) {
        *place = sorted;
    }
    kept
}

/// Of words that were cut in the middle, the end: what comes before it moves with the length of a time. The first word
/// of the end may be half a one.
fn last(words: &str) -> &str {
    let end = words.split_once(" [cut] ").map_or(words, |(_, end)| end);
    if end.len() == words.len() { words } else { end.split_once(' ').map_or(end, |(_, rest)| rest) }
}

/// Compares a text with the golden file `name` below `suites/golden/reports`.
///
/// # Errors
/// When they differ: shows both, line by line.
pub fn compare(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join("suites/golden/reports").join(format!("{name}.txt"));
    if std::env::var_os(BLESS).is_some() {
        let folder = path.parent().context("a golden file has a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text)?;
        return Ok(());
    }
    let wanted = std::fs::read_to_string(&path)
        .with_context(|| format!("no golden text {}; {BLESS}=1 writes it, for review", path.display()))?;
    if wanted == text {
        return Ok(());
    }
    let mut difference = String::new();
    let (mut left, mut right) = (wanted.lines(), text.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => difference.push_str(&format!("  {}\n", a.unwrap_or_default())),
            (a, b) => {
                difference.extend(a.map(|line| format!("- {line}\n")));
                difference.extend(b.map(|line| format!("+ {line}\n")));
            }
        }
    }
    anyhow::bail!("the text is not that of {} (- golden, + now):\n{difference}", path.display())
}

#[cfg(test)]
mod tests {
    use super::heard;
    use plumbline_core::finding::FindingCode;

    #[test]
    fn of_others_words_only_what_changes_is_replaced() {
        let end = "failed (add): incompatible CNI versions";
        let notes = [
            "state: waited 13 s for pod client to be Ready; given up after 2 attempts; last seen: event X: y"
                .to_owned(),
            "event Scheduled: Successfully assigned a-b-r7v1nab3ta-1/client to plumbline-hermetic-7424311a-worker2"
                .into(),
            "event AddedInterface: Add eth0 [100.64.0.5/24] from plumbline-default".into(),
            "event AddedInterface: Add eth0 [100.64.0.9/24] from plumbline-default".into(),
            format!(
                "event F: \"{}\" [a-b-r7v1nab3ta-1/client/a0226951-4224-4ab2-af6f-413ff385b78b:n]: {end}",
                "0a".repeat(32)
            ),
            format!(
                "event F: \"{}\" [a-b-r7v1nab3ta-1/client/a0226951-4224-4ab2-af6f-413ff385b78b:n]: {end}",
                "0b".repeat(32)
            ),
            format!("runtime log: time=\"2026-11-21T12:36:31.38Z\" level=error [cut] 51-4224 plugin {end}"),
            "plugin stderr, of this pod or of another: whatever".into(),
        ];
        assert_eq!(
            heard(FindingCode::PL101, &notes),
            [
                "state: waited N s for pod client to be Ready; given up after N attempts; last seen".to_owned(),
                "event AddedInterface: Add eth0 [ADDRESS] from plumbline-default".into(),
                format!("event F: \"KEY\" [a-b-RUN/client/UID:n]: {end}"),
                "event Scheduled: Successfully assigned a-b-RUN/client to NODE".into(),
                format!("runtime log: plugin {end}"),
            ]
        );
    }
}
