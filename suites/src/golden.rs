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
    let text = settled(&uncounted(&paint::strip(&text::scenario(&report, Transcripts::Never))));
    if report.lane == KIND { without_nodes(&text) } else { text }
}

/// The lane whose nodes have addresses that the container engine chose.
const KIND: &str = "kind";

/// A text without the addresses of nodes: such as are told with a node's number, and others of the same /16.
fn without_nodes(text: &str) -> String {
    let mut nets: Vec<String> = Vec::new();
    for (at, _) in text.match_indices(" of node ").chain(text.match_indices(" from node ")) {
        let told = text[at..].split_once('(').and_then(|(before, rest)| Some((before, rest.split_once(')')?.0)));
        let Some((before, address)) = told else { continue };
        if before.len() < " from node 10 ".len() && address.parse::<std::net::Ipv4Addr>().is_ok() {
            let net: Vec<&str> = address.split('.').take(2).collect();
            nets.push(format!("{}.", net.join(".")));
        }
    }
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '.');
    let mut out = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        let body = word.trim_end_matches(ends);
        let node = body.parse::<std::net::Ipv4Addr>().is_ok() && nets.iter().any(|net| body.starts_with(net));
        out.push_str(if node { "NODE" } else { body });
        out.push_str(&word[body.len()..]);
    }
    out
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

/// Notes with as much of others' own words as is the same in every run, each once.
fn heard(code: &str, notes: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for note in notes {
        let stable = match note.split_once(": ") {
            // Whether a line may be a neighbour's depends on the neighbours: of a node's log only what the kernel
            // refused to route is kept, which one scenario alone provokes, and without the doubt whose it is.
            Some((who, words)) if who.starts_with("plugin stderr") => {
                let provoked = code == "PL202" && words.contains("failed to add route");
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

fn without_numbers(words: &str) -> String {
    words.split(' ').map(|w| if w.parse::<u32>().is_ok() { "N" } else { w }).collect::<Vec<_>>().join(" ")
}

/// Without the address that the default network happened to give.
fn without_address(words: &str) -> String {
    match (words.split_once('['), words.split_once(']')) {
        (Some((begin, _)), Some((_, end))) => format!("{begin}[ADDRESS]{end}"),
        _ => words.to_owned(),
    }
}

/// Without the names that a run or Kubernetes chose: of namespaces, nodes, pods' UIDs.
fn without_names(words: &str) -> String {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let mut out = String::with_capacity(words.len());
    for word in words.split_inclusive(ends) {
        let body = word.trim_end_matches(ends);
        out.push_str(&chosen(body).unwrap_or_else(|| body.to_owned()));
        out.push_str(&word[body.len()..]);
    }
    out
}

fn chosen(word: &str) -> Option<String> {
    let parts: Vec<&str> = word.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex) {
        return Some("UID".to_owned());
    }
    if word.len() == 64 && hex(&word) {
        // A sandbox; the same words about the next attempt's are the same then.
        return Some("KEY".to_owned());
    }
    if word.starts_with("plumbline-") && (word.ends_with("-control-plane") || word.contains("-worker")) {
        return Some("NODE".to_owned());
    }
    // A namespace of the run's own ends with the run's id and the scenario's number (`bed::ids`, `kind/isolation`).
    let [begin @ .., id, number] = parts.as_slice() else { return None };
    let run = id.len() == 10 && id.starts_with('r') && number.parse::<u32>().is_ok();
    run.then(|| format!("{}-RUN", begin.join("-")))
}

/// A text with the parts that the kernel or the cache chose replaced: link-local addresses, MAC addresses, the
/// cache's folder and keys.
fn settled(text: &str) -> String {
    let cache = plumbline_bed::folders::cache().map(|path| path.display().to_string()).unwrap_or_default();
    let text = if cache.is_empty() { text.to_owned() } else { text.replace(&cache, "CACHE") };
    let text = without_version(&text);
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

/// A text without the version that iptables tells of itself: `iptables v1.8.9 (nf_tables)`.
fn without_version(text: &str) -> String {
    const BEGIN: &str = "iptables v";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, after) = rest.split_at(at + BEGIN.len());
        out.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if !rest.starts_with("VERSION") {
            out.push_str("VERSION");
        }
    }
    out + rest
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
    // portmap's chain of a pod ends with a hash of its network and its container's id, which begins with the run's.
    if word.len() == 21 && hex(word) {
        return Some("HASH");
    }
    if word.len() == 10 && word.starts_with('r') && word.bytes().any(|b| b.is_ascii_digit()) {
        return Some("RUN");
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
    use super::{heard, settled, uncounted, without_nodes};

    #[test]
    fn what_a_kernel_counts_is_left_out_and_what_was_asked_for_stays() {
        let text =
            "4 questions out, no answer in; 1.2.3.4 port 51422 to 1.2.3.5 port 8080, TCP\nasked 4 times, 2 facts";
        let wanted =
            "SOME question out, no answer in; 1.2.3.4 port OWN to 1.2.3.5 port 8080, TCP\nasked SOME times, 2 facts";
        assert_eq!(uncounted(text), wanted);
    }

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
            heard("PL101", &notes),
            [
                "state: waited N s for pod client to be Ready; given up after N attempts; last seen".to_owned(),
                "event AddedInterface: Add eth0 [ADDRESS] from plumbline-default".into(),
                format!("event F: \"KEY\" [a-b-RUN/client/UID:n]: {end}"),
                "event Scheduled: Successfully assigned a-b-RUN/client to NODE".into(),
                format!("runtime log: plugin {end}"),
            ]
        );
    }

    #[test]
    fn what_the_kernel_chose_is_replaced_and_nothing_else() {
        let key = "0123456789abcdef".repeat(4);
        let text = format!("fe80::1:2/64, 32:e5:94:a7:22:a5 at /x/{key}; 10.0.0.0/8 via 2001:db8::1\n");
        assert_eq!(settled(&text), "fe80::OWN/64, MAC at /x/KEY; 10.0.0.0/8 via 2001:db8::1\n");
        let rule =
            "iptables v1.8.9 (nf_tables): CNI-DN-db2ffd36fcf285a0d0a32 id \"r7vp5q07la-0\" of a registered v1.8.9\n";
        let told = "iptables vVERSION (nf_tables): CNI-DN-HASH id \"RUN-0\" of a registered v1.8.9\n";
        assert_eq!(settled(rule), told);
    }
    #[test]
    fn addresses_of_nodes_are_the_engines() {
        let text =
            "TCP port 8080 of node 1 (172.18.0.4) from node 2: 172.18.0.6 port OWN, 203.0.113.9 and 172.17.0.4\n";
        let told = "TCP port 8080 of node 1 (NODE) from node 2: NODE port OWN, 203.0.113.9 and 172.17.0.4\n";
        assert_eq!(without_nodes(text), told);
        let plain = "10.0.0.1 of node 1: saw (172.18.0.4)\n";
        assert_eq!(without_nodes(plain), plain);
    }
}
