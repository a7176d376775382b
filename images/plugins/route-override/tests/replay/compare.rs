//! Compares an observed call with the recorded one.

use serde_json::Value;

use super::node::Observed;
use super::recording::Case;

/// Messages that may differ, and the words that both the recorded and the observed message must have. All other messages
/// must be equal.
const ALIKE: &[(&str, &[&str])] = &[
    // Each has the message of its own JSON parser.
    ("bad-json", &["error unmarshall network config:"]),
    ("del-bad-json", &["error unmarshall network config:"]),
    ("bad-type", &["failed to load netconf:", "addroutes"]),
    ("bad-dst", &["failed to load netconf:", "invalid CIDR address: 10.0.0.0"]),
    ("bad-gw", &["failed to load netconf:", "invalid IP address: gateway"]),
    // Upstream formats the missing namespace, and names the system call.
    ("no-netns", &["failed to override routes: failed to open netns", "/run/netns/none", "no such file or directory"]),
    // A list of routes, each with fields that are never set.
    (
        "check-two-defaults",
        &["route-override: got multiple routes: [{Ifindex: 2", "Gw: 10.244.0.1", "{Ifindex: 3", "Gw: 192.168.100.1"],
    ),
];

/// The CNI error code that is required where upstream panics (CNI specification: 7, invalid network configuration).
const PANIC_CODE: u64 = 7;

/// All differences, one line each; empty if there are none.
pub fn differences(case: &Case, seen: &Observed, foreign: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, recorded: String, seen: String| {
        if recorded != seen {
            found.push(format!("{what}\n  recorded: {recorded}\n  observed: {seen}"));
        }
    };
    differ("routes removed", sorted(&case.routes_removed), sorted(&seen.removed));
    differ("routes added", sorted(&case.routes_added), sorted(&seen.added));
    if case.panics() {
        let panicked = foreign && seen.exit == Some(2) && seen.stderr.starts_with("panic: ");
        if !panicked {
            found.extend(check_refusal(seen));
        }
    } else {
        differ("exit code", format!("{:?}", Some(case.exit)), format!("{:?}", seen.exit));
        differ("standard error", lines(&case.stderr), lines(&seen.stderr));
        let (recorded, seen) = (json(&case.stdout), json(&Value::from(seen.stdout.as_str())));
        match (recorded.get("code").is_some(), seen.get("code").is_some()) {
            (true, true) => found.extend(compare_errors(case, &recorded, &seen)),
            _ => differ("standard output", recorded.to_string(), seen.to_string()),
        }
    }
    if !found.is_empty() {
        found.insert(0, format!("{}: {}", case.id, case.what));
    }
    found
}

fn compare_errors(case: &Case, recorded: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["code", "details"] {
        if recorded.get(key) != seen.get(key) {
            found.push(format!("CNI error, {key}\n  recorded: {recorded}\n  observed: {seen}"));
        }
    }
    let words = ALIKE.iter().find(|(id, _)| *id == case.id).map(|(_, words)| *words);
    for (which, error) in [("recorded", recorded), ("observed", seen)] {
        let message = error["msg"].as_str().unwrap_or_default();
        let missing = words.unwrap_or_default().iter().filter(|word| !message.contains(**word));
        found.extend(missing.map(|word| format!("the {which} message lacks {word:?}: {message}")));
    }
    if words.is_none() && recorded.get("msg") != seen.get("msg") {
        found.push(format!("CNI error, message\n  recorded: {recorded}\n  observed: {seen}"));
    }
    found
}

/// The differences from the required error for a configuration on which upstream panics.
fn check_refusal(seen: &Observed) -> Vec<String> {
    let error = json(&Value::from(seen.stdout.as_str()));
    let clear = error["msg"].as_str().is_some_and(|message| message.len() > 20);
    if seen.exit == Some(1) && error["code"] == PANIC_CODE && clear && seen.stderr.is_empty() {
        return Vec::new();
    }
    let (out, err) = (&seen.stdout, &seen.stderr);
    vec![format!(
        "upstream panics here: expected exit code 1, CNI code 7 and a clear message\n  observed: {:?} {out} {err}",
        seen.exit
    )]
}

fn sorted(routes: &[String]) -> String {
    let mut routes = routes.to_vec();
    routes.sort();
    routes.join("; ")
}

/// Standard error without blank lines and trailing spaces, which upstream does not print.
fn lines(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The output as JSON if it is JSON, else as a string.
fn json(output: &Value) -> Value {
    match output {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| output.clone()),
        value => value.clone(),
    }
}
