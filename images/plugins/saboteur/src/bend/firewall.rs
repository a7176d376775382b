//! Packet filter rules, by the node's programs.

use crate::call::{Call, Done, Problem, run_program};

/// Adds a rule that drops some packets, by iptables or nft.
///
/// # Errors
/// [`Problem::Skipped`] where there is neither.
pub fn add_rule() -> Done {
    match run_program(&["iptables", "-A", "INPUT", "-s", "198.51.100.0/24", "-j", "DROP"], "") {
        Err(Problem::Skipped(_)) => {}
        result => return result.map(drop),
    }
    let rules =
        "table inet sabotage { chain input { type filter hook input priority 0; ip saddr 198.51.100.0/24 drop; } }";
    run_program(&["nft", "-f", "-"], rules).map(drop)
}

/// Writes the table nat of the node again, with its lines changed.
fn edit_nat(change: impl FnOnce(&mut Vec<String>)) -> Done {
    let saved = run_program(&["iptables-save", "-t", "nat"], "")?;
    let before: Vec<String> = saved.lines().map(str::to_owned).collect();
    let mut lines = before.clone();
    change(&mut lines);
    if lines == before {
        return Err(Problem::failed("the table nat has no rule to bend"));
    }
    run_program(&["iptables-restore", "-T", "nat"], &format!("{}\n", lines.join("\n"))).map(drop)
}

/// portmap leads to the next port of the pod.
pub fn map_other_port(_call: &mut Call) -> Done {
    edit_nat(|lines| {
        for line in lines.iter_mut().filter(|line| line.contains("--to-destination")) {
            let Some((start, port)) = line.rsplit_once(':') else { continue };
            let other = port.trim().parse::<u32>().unwrap_or_default() + 1;
            *line = format!("{start}:{other}");
        }
    })
}

/// portmap takes connections to every address of the node.
pub fn ignore_host_ip(_call: &mut Call) -> Done {
    edit_nat(|lines| {
        for line in lines.iter_mut().filter(|line| line.contains("--dport") && line.contains(" -d ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let Some(place) = words.iter().position(|word| *word == "-d") else { continue };
            *line = [&words[..place], &words[place + 2..]].concat().join(" ");
        }
    })
}

/// The rule that masquerades the pod's traffic is missing.
pub fn drop_masquerade(_call: &mut Call) -> Done {
    edit_nat(|lines| lines.retain(|line| !(line.starts_with("-A") && line.contains("MASQUERADE"))))
}

/// The last rule of POSTROUTING is before all others.
pub fn insert_first(_call: &mut Call) -> Done {
    edit_nat(|lines| {
        let jumps = |line: &String| line.starts_with("-A POSTROUTING");
        let (first, last) = (lines.iter().position(jumps), lines.iter().rposition(jumps));
        if let (Some(first), Some(last)) = (first, last) {
            let moved = lines.remove(last);
            lines.insert(first, moved);
        }
    })
}
