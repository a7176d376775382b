//! The end of a chain change, as text. Pure.

use super::{stand_ins, unknowns};
use crate::escape;
use crate::paint::{BAD, GOOD, paint};
use crate::text::{count, duration, findings};
use plumbline_core::terway::{Applied, PutBack};
use std::fmt::Write as _;

/// The end of an applied change. Ends with a newline.
pub fn applied(applied: &Applied) -> String {
    let mut out = String::new();
    let cluster = escape::line(&applied.cluster);
    let nodes = count(applied.rollout.checked, "look at a node", "looks at nodes");
    match &applied.failed {
        None => {
            let took = duration(applied.millis.saturating_mul(1000));
            let _ = writeln!(out, "{}, the new chain is in force   {cluster}   {nodes}   {took}", paint(GOOD, "PASS"));
        }
        Some(why) => {
            let word = match (applied.interrupted, applied.error) {
                (true, _) => "INTERRUPTED",
                (false, true) => "ERROR",
                (false, false) => "FAIL",
            };
            let _ = writeln!(out, "{}, the new chain is not in force   {cluster}", paint(BAD, word));
            let _ = writeln!(out, "  why: {}", escape::line(why));
        }
    }
    let steps = applied.steps.iter();
    let steps: Vec<String> =
        steps.map(|(step, millis)| format!("{step} {}", duration(millis.saturating_mul(1000)))).collect();
    let _ = writeln!(out, "  steps: {}", steps.join(", "));
    findings(&mut out, &applied.rollout.findings);
    unknowns(&mut out, &applied.rollout.untold);
    stand_ins(&mut out, &applied.stand_ins);
    match (&applied.failed, &applied.put_back, &applied.left) {
        (None, _, _) => {
            let _ = writeln!(
                out,
                "  the old one is kept in ConfigMap kube-system/{}; `plumbline chain restore` puts it back",
                escape::line(&applied.kept)
            );
        }
        (Some(_), Some(back), _) => out.push_str(&put_back(&applied.cluster, Some(back))),
        (Some(_), None, left) => {
            let why = left.as_deref().map(escape::line).unwrap_or_default();
            let _ = writeln!(out, "  {}: {why}", paint(BAD, "the old chain is not back"));
            let _ = writeln!(
                out,
                "  it is kept in ConfigMap kube-system/{}; `plumbline chain restore`, or `plumbline gc`, tries again",
                escape::line(&applied.kept)
            );
        }
    }
    out
}

/// The report of a restored chain. Ends with a newline.
pub fn put_back(cluster: &str, back: Option<&PutBack>) -> String {
    let Some(back) = back else {
        return format!(
            "nothing is kept in {}: no chain was changed here, or it was put back\n",
            escape::line(cluster)
        );
    };
    let mut out = format!("{} in {}, byte for byte", paint(GOOD, "the old chain is back"), escape::line(cluster));
    let done = match (back.written, back.restarted) {
        (true, true) => "the ConfigMap was written and Terway restarted",
        (true, false) => "the ConfigMap was written; no node had the new one",
        (false, true) => "the ConfigMap was so already; Terway was restarted",
        (false, false) => "nothing had to be done",
    };
    let _ = writeln!(out, "; {done}; {} compared", count(back.rollout.checked, "node", "nodes"));
    if !back.others.is_empty() {
        let _ = writeln!(out, "  changed by others since, and not restored: {}", escape::line(&back.others.join(", ")));
    }
    unknowns(&mut out, &back.rollout.untold);
    out
}
