//! Golden texts: what a report must read like, in files that people review.

use anyhow::Context as _;
use plumbline_core::verdict::{ScenarioReport, Timing, Verdict};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use std::path::Path;

/// Set to write what is found into the golden files; the difference is then reviewed like code.
pub const BLESS: &str = "PLUMBLINE_BLESS";

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
            finding.notes = heard(&finding.code.0, &finding.notes);
        }
    }
    settled(&uncounted(&paint::strip(&text::scenario(&report, Transcripts::Never))))
}

/// A text without what a kernel decides anew on each run: how often it asks again, and the ports it chooses (from
/// 32768 on, `net.ipv4.ip_local_port_range`).
fn uncounted(text: &str) -> String {
    const COUNTED: [&str; 5] = ["question", "questions", "answer", "answers", "times"];
    let words: Vec<&str> = text.split(' ').collect();
    let bare = |word: &str| word.trim_end_matches([',', ':', ';', '\n']).to_owned();
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map(|next| bare(next)).unwrap_or_default();
        let number = bare(word).parse::<u32>().ok();
        out.push(match number {
            Some(_) if COUNTED.contains(&next.as_str()) => "SOME".to_owned(),
            Some(port) if port >= 32768 && at > 0 && words[at - 1] == "port" => word.replace(&bare(word), "OWN"),
            _ if out.last().is_some_and(|last| last == "SOME") => {
                word.replacen("questions", "question", 1).replacen("answers", "answer", 1)
            }
            _ => (*word).to_owned(),
        });
    }
    out.join(" ")
}

/// Whether it is a plugin's log with the time before each line, as Go's logger writes it (`2026/11/21`).
fn is_dated(found: &str) -> bool {
    let text = found.strip_prefix("stderr: ").unwrap_or_default().as_bytes();
    text.get(4) == Some(&b'/') && text.get(7) == Some(&b'/')
}

/// Notes without what others wrote at their own pace: of events, logs and states only who spoke is kept, each once.
/// The words themselves hold times, ids and counts of attempts.
fn heard(code: &str, notes: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for note in notes {
        // Whether a line may be a neighbour's depends on the neighbours: of a node's log only what the kernel refused
        // to route is kept, which one scenario alone provokes, and without the doubt whose it is.
        if let Some((who, words)) = note.split_once(": ")
            && who.starts_with("plugin stderr")
        {
            let kept_words = format!("plugin stderr: {words}");
            if code == "PL202" && words.contains("failed to add route") && !kept.contains(&kept_words) {
                kept.push(kept_words);
            }
            continue;
        }
        let speaker = match note.split_once(": ") {
            Some((who, _)) if who == "state" || who == "runtime log" || who.starts_with("event ") => {
                format!("{who}: ...")
            }
            _ => note.clone(),
        };
        if !kept.contains(&speaker) {
            kept.push(speaker);
        }
    }
    kept
}

/// A text with the parts that the kernel or the cache chose replaced: link-local addresses, MAC addresses, the
/// cache's folder and keys.
fn settled(text: &str) -> String {
    let cache = plumbline_bed::folders::cache().map(|path| path.display().to_string()).unwrap_or_default();
    let text = if cache.is_empty() { text.to_owned() } else { text.replace(&cache, "CACHE") };
    let mut out = String::with_capacity(text.len());
    // Words end where a character can't be part of an address or a key.
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '.');
    for word in text.split_inclusive(ends) {
        let (body, end) = match word.chars().last() {
            Some(last) if ends(last) => word.split_at(word.len() - last.len_utf8()),
            _ => (word, ""),
        };
        out.push_str(stable(body).unwrap_or(body));
        out.push_str(end);
    }
    out
}

fn stable(word: &str) -> Option<&'static str> {
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = word.split(':').collect();
    if word.starts_with("fe80::") {
        return Some("fe80::OWN");
    }
    if parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && hex(part)) {
        return Some("MAC");
    }
    (word.len() == 64 && hex(word)).then_some("KEY")
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
    use super::{settled, uncounted};

    #[test]
    fn what_a_kernel_counts_is_left_out_and_what_was_asked_for_stays() {
        let text =
            "4 questions out, no answer in; 1.2.3.4 port 51422 to 1.2.3.5 port 8080, TCP\nasked 4 times, 2 facts";
        let wanted =
            "SOME question out, no answer in; 1.2.3.4 port OWN to 1.2.3.5 port 8080, TCP\nasked SOME times, 2 facts";
        assert_eq!(uncounted(text), wanted);
    }

    #[test]
    fn what_the_kernel_chose_is_replaced_and_nothing_else() {
        let key = "0123456789abcdef".repeat(4);
        let text = format!("fe80::1:2/64, 32:e5:94:a7:22:a5 at /x/{key}; 10.0.0.0/8 via 2001:db8::1\n");
        assert_eq!(settled(&text), "fe80::OWN/64, MAC at /x/KEY; 10.0.0.0/8 via 2001:db8::1\n");
    }
}
