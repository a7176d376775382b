//! Rules of iptables with their order in a chain.

use super::expected::Expected;
use super::world::World;
use crate::state::format::{firewall_line, firewall_order};
use crate::state::{FactKey, FactKind, Subject};

/// The table of masquerading and port mappings.
const TABLE: &str = "nat";

/// Where a rule is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the rules of the chain.
    First,
    /// After them.
    Last,
}

/// Adds a chain of the node's table nat.
pub fn add_chain(world: &mut World<'_>, family: &str, chain: &str) {
    world.set_value(Subject::Node, firewall_line(&format!("chain {chain}"), family, TABLE), "");
}

/// Adds a rule to a chain of the node's table nat, unless the chain has it already.
pub fn add_rule(world: &mut World<'_>, family: &str, chain: &str, rule: &str, place: Place) {
    let order = rules_in_order(world, family, chain);
    let key = firewall_line(&format!("-A {chain} {rule}"), family, TABLE);
    let is_new = world.expected(Subject::Node, &key) == Expected::Absent;
    world.set_value(Subject::Node, key, "");
    let Some(mut order) = order.filter(|_| is_new) else { return };
    match place {
        Place::First => order.insert(0, rule.to_owned()),
        Place::Last => order.push(rule.to_owned()),
    }
    set_order(world, firewall_order(chain, family, TABLE), &order);
}

/// Removes the chains and rules of the node whose text fits, and the rules from the orders of their chains.
pub fn remove(world: &mut World<'_>, fits: impl Fn(&str) -> bool) {
    for key in world.keys_of_kind(Subject::Node, FactKind::Firewall) {
        if fits(&key.item) {
            world.remove(Subject::Node, key);
        } else if let Some((chain, of)) = key.item.strip_prefix("order of ").and_then(|text| text.split_once(" of "))
            && let Some(order) = world.text(Subject::Node, &key)
        {
            let stays = |rule: &&str| !fits(&format!("-A {chain} {rule} of {of}"));
            let left: Vec<String> = order.lines().filter(stays).map(str::to_owned).collect();
            if left.len() != order.lines().count() {
                set_order(world, key, &left);
            }
        }
    }
}

/// The rules of a chain in their order; none where it was not read.
fn rules_in_order(world: &World<'_>, family: &str, chain: &str) -> Option<Vec<String>> {
    if let Some(order) = world.text(Subject::Node, &firewall_order(chain, family, TABLE)) {
        return Some(order.lines().map(str::to_owned).collect());
    }
    let (start, end) = (format!("-A {chain} "), format!(" of {family} {TABLE}"));
    let keys = world.keys_of_kind(Subject::Node, FactKind::Firewall);
    let rules = keys.iter().filter_map(|key| Some(key.item.strip_prefix(&start)?.strip_suffix(&end)?.to_owned()));
    let rules: Vec<String> = rules.collect();
    (rules.len() < 2).then_some(rules)
}

fn set_order(world: &mut World<'_>, key: FactKey, rules: &[String]) {
    let order = if rules.len() < 2 { Expected::Absent } else { Expected::IfAny(rules.join("\n")) };
    world.set(Subject::Node, key, order);
}
