//! Texts without what a kernel, an engine or a run chose anew.

/// A text without the addresses of nodes: such as are told with a node's number, and others of the same /16.
pub(super) fn without_nodes(text: &str) -> String {
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
pub(super) fn uncounted(text: &str) -> String {
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

pub(super) fn without_numbers(words: &str) -> String {
    words.split(' ').map(|w| if w.parse::<u32>().is_ok() { "N" } else { w }).collect::<Vec<_>>().join(" ")
}

/// Without the address that the default network happened to give.
pub(super) fn without_address(words: &str) -> String {
    match (words.split_once('['), words.split_once(']')) {
        (Some((begin, _)), Some((_, end))) => format!("{begin}[ADDRESS]{end}"),
        _ => words.to_owned(),
    }
}

/// Without the names that a run or Kubernetes chose: of namespaces, nodes, pods' UIDs.
pub(super) fn without_names(words: &str) -> String {
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
pub(super) fn settled(text: &str) -> String {
    let cache = plumbline_testbed::folders::cache().map(|path| path.display().to_string()).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::{settled, uncounted, without_nodes};

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
