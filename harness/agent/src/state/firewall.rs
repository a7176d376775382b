//! The packet filter rules of a namespace. Listing them needs a program, so they are listed only when they changed: nftables
//! counts its changes, and the older iptables names the tables that are loaded.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use plumbline_core::state::format::{firewall_line, firewall_order};
use plumbline_core::state::{FactKey, FactKind, NamespaceState};
use plumbline_netlink::netfilter::Netfilter;

use crate::error::RequestError;
use crate::process::{Job, ProcessResult, Processes};

/// An emulated processor is slow.
const DEADLINE: Duration = Duration::from_secs(20);
const LISTING_BYTES: usize = 4 * 1024 * 1024;

/// The tables that the older iptables has loaded, one a line; empty where there is none.
const LOADED_TABLES: [&str; 2] = ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"];

/// The generation of a namespace whose rules were never changed.
const FIRST_GENERATION: u32 = 1;

/// The programs that list rules, and the family that each is for.
const SAVERS: [(&str, &str); 2] = [("iptables-save", "ip"), ("ip6tables-save", "ip6")];
const NFT: [&str; 3] = ["nft", "list", "ruleset"];

/// The rules of one namespace, as last read.
pub struct FirewallReader {
    netfilter: Option<Netfilter>,
    loaded_tables: Vec<File>,
    generation: u32,
    facts: Vec<(FactKey, String)>,
}

impl FirewallReader {
    /// Starts to watch the rules of the current namespace.
    pub fn open() -> Self {
        Self {
            // A kernel without nftables has no such rules.
            netfilter: Netfilter::open().ok(),
            loaded_tables: LOADED_TABLES.iter().filter_map(|path| File::open(path).ok()).collect(),
            generation: FIRST_GENERATION,
            facts: Vec::new(),
        }
    }

    /// Whether the rules may differ from those last read.
    pub fn has_changed(&mut self) -> bool {
        let generation = self.netfilter.as_mut().and_then(|netfilter| netfilter.ruleset_generation().ok());
        let counted = generation.is_some_and(|now| std::mem::replace(&mut self.generation, now) != now);
        let mut byte = [0_u8; 1];
        counted || self.loaded_tables.iter().any(|file| file.read_at(&mut byte, 0).is_ok_and(|length| length > 0))
    }

    /// Lists the rules of the current namespace by the programs of the node.
    ///
    /// # Errors
    /// The lane hung up.
    pub fn list(&mut self, processes: &mut Processes) -> Result<(), RequestError> {
        let jobs: Vec<Job> = SAVERS.iter().map(|(program, _)| job(&[program])).chain([job(&NFT)]).collect();
        let started = processes.start(&jobs)?;
        let results = processes.finish(started)?;
        self.facts.clear();
        for ((_, family), result) in SAVERS.iter().zip(&results) {
            saved_rules(family, &output(result), &mut self.facts);
        }
        if let Some(listing) = results.last() {
            nft_rules(&output(listing), &mut self.facts);
        }
        if results.iter().all(|result| result.start_error.is_some()) {
            let key = FactKey::new(FactKind::Firewall, "", "rules that no program of this host lists");
            self.facts.push((key, format!("generation {}", self.generation)));
        }
        Ok(())
    }

    /// Adds the rules last read.
    pub fn add_to(&self, state: &mut NamespaceState) {
        self.facts.iter().for_each(|(key, value)| state.add(key.clone(), value.clone()));
    }
}

fn job(argv: &[&str]) -> Job {
    Job::new(argv.iter().map(|&word| word.to_owned()).collect(), None, DEADLINE, LISTING_BYTES)
}

fn output(result: &ProcessResult) -> String {
    String::from_utf8_lossy(&result.stdout).into_owned()
}

/// Chains that the kernel has in each table by itself; `iptables-save` prints them once the table is loaded.
const BUILT_IN: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// Adds the chains and rules of `iptables-save`, and the order of the rules of each chain.
fn saved_rules(family: &str, text: &str, facts: &mut Vec<(FactKey, String)>) {
    let mut table = "";
    let mut orders: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        let (key, value) = match line.split_at_checked(1) {
            Some(("*", name)) => {
                table = name;
                continue;
            }
            Some((":", chain)) => {
                let mut words = chain.split(' ');
                let (name, policy) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                if BUILT_IN.contains(&name) && policy == "ACCEPT" {
                    continue;
                }
                let key = firewall_line(&format!("chain {name}"), family, table);
                (key, if policy == "-" { "" } else { policy })
            }
            Some(("-", _)) => {
                if let Some((chain, rule)) = line.strip_prefix("-A ").and_then(|rule| rule.split_once(' ')) {
                    orders.entry((table, chain)).or_default().push(rule);
                }
                (firewall_line(line, family, table), "")
            }
            _ => continue,
        };
        facts.push((key, value.to_owned()));
    }
    for ((table, chain), rules) in orders.into_iter().filter(|(_, rules)| rules.len() > 1) {
        facts.push((firewall_order(chain, family, table), rules.join("\n")));
    }
}

/// Tables of nftables that iptables keeps; `iptables-save` shows them.
const OF_IPTABLES: [&str; 5] = ["nat", "filter", "mangle", "raw", "security"];

/// Adds the rules of `nft list ruleset`.
fn nft_rules(text: &str, facts: &mut Vec<(FactKey, String)>) {
    let (mut table, mut chain) = (String::new(), String::new());
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["table", family, name, "{"] => {
                table = if OF_IPTABLES.contains(name) && *family != "inet" {
                    String::new()
                } else {
                    format!("{family} {name}")
                };
                chain.clear();
                if !table.is_empty() {
                    facts.push((FactKey::new(FactKind::Firewall, "", format!("table {table}")), String::new()));
                }
            }
            ["chain" | "set" | "map", name, "{"] => chain = format!("{} {name}", words[0]),
            [] | ["}"] | ["counter", ..] => {}
            _ if line.starts_with('#') || table.is_empty() => {}
            _ => {
                let of = if chain.is_empty() { String::new() } else { format!("{chain} ") };
                facts.push((FactKey::new(FactKind::Firewall, "", format!("{line} of {of}in {table}")), String::new()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_rules_are_facts_of_their_table() {
        let mut facts = Vec::new();
        saved_rules("ip", "*nat\n:OUTPUT ACCEPT [0:0]\n:CNI-X - [0:0]\n-A OUTPUT -j CNI-X\nCOMMIT\n", &mut facts);
        nft_rules(
            "table ip nat {\n chain X {\n  a\n }\n}\ntable inet t {\n chain c {\n  ip saddr 10.0.0.1 drop\n }\n}\n",
            &mut facts,
        );
        let items: Vec<_> = facts.iter().map(|(key, _)| key.item.as_str()).collect();
        assert_eq!(
            items,
            [
                "chain CNI-X of ip nat",
                "-A OUTPUT -j CNI-X of ip nat",
                "table inet t",
                "ip saddr 10.0.0.1 drop of chain c in inet t"
            ]
        );
    }

    #[test]
    fn the_order_of_several_rules_of_a_chain_is_a_fact() {
        let mut facts = Vec::new();
        saved_rules("ip", "*nat\n-A OUTPUT -j X\n-A INPUT -j Z\n-A OUTPUT -j A\nCOMMIT\n", &mut facts);
        let orders: Vec<_> = facts.iter().filter(|(key, _)| key.item.starts_with("order of ")).collect();
        let [(key, value)] = orders[..] else { panic!("{orders:?}") };
        assert_eq!((key.item.as_str(), value.as_str()), ("order of OUTPUT of ip nat", "-j X\n-j A"));
    }
}
