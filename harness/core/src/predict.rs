//! Predictions: what a plugin's configuration, the runtime's arguments and the node say about the state after a call. What
//! differs from it is a finding of the plugin.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `expected`: what is expected of one fact, and why
//! 2. `model`: what a model answers
//! 3. `result`: CNI results, predicted and reported
//! 4. `world`: the predicted state while a model works
//! 5. `sysctls`: the sysctls of devices
//! 6. `firewall`: rules of iptables with their order
//! 7. `kernel`: what the kernel does by itself
//! 8. `case`: one call as its model sees it
//! 9. `settings`: settings that several plugins read alike
//! 10. `masquerade`: rules of masquerading
//! 11. `ipam`: IPAM plugins, and what main plugins do with their answer
//! 12. `plugins`: the models
//! 13. `compare`: prediction against observed changes
//! 14. `compare_result`: predicted against reported results
//! 15. `attached`: prediction against the state after all chains

mod attached;
mod case;
mod compare;
mod compare_result;
mod expected;
mod firewall;
mod ipam;
mod kernel;
mod masquerade;
mod model;
mod plugins;
mod result;
mod settings;
mod sysctls;
mod world;

pub use attached::judge_attached;
pub use compare::{Coverage, Difference};
pub use compare_result::{ResultDifference, ResultFact};
pub use expected::{Cause, Expected};
pub use model::Unpredicted;
pub use plugins::{fails_at_second_del, modelled};
pub use world::Predicted;

use crate::cni::{ChainOutcome, CniCommand, Exit, PluginCall, StateBefore};
use crate::state::{Change, FactKey, PodAndNode, Subject};
use case::PluginCase;
use std::collections::{BTreeMap, BTreeSet};
use world::World;

/// What a call's changes are against its prediction.
#[derive(Debug)]
pub struct JudgedCall<'a> {
    /// The call.
    pub call: &'a PluginCall,
    /// How many plugins the chain has.
    pub plugins: usize,
    /// What differs in the state of pod and node.
    pub differences: Vec<Difference>,
    /// What differs in the result.
    pub result_differences: Vec<ResultDifference>,
    /// How much was predicted.
    pub coverage: Coverage,
    /// What could not be predicted; then nothing was compared.
    pub unpredicted: Option<Unpredicted>,
    /// Whether the state was read right before and after the call; else only after all calls.
    pub is_observed: bool,
}

/// Follows the chains of one pod, in their order.
#[derive(Debug, Default)]
pub struct Predictor {
    state: PodAndNode,
    /// ADDs that could not be predicted, and why: what their DELs take away can't be predicted either.
    unpredicted: BTreeMap<CallKey, Unpredicted>,
    /// DELs that did not do what was predicted: a second one may do the rest.
    incomplete: BTreeSet<CallKey>,
}

/// Network, interface and position of a call.
type CallKey = (String, String, usize);

fn key_of(call: &PluginCall) -> CallKey {
    (call.network.clone(), call.ifname.clone(), call.position)
}

impl<'a> JudgedCall<'a> {
    fn new(call: &'a PluginCall, plugins: usize) -> Self {
        Self {
            call,
            plugins,
            differences: Vec::new(),
            result_differences: Vec::new(),
            coverage: Coverage::default(),
            unpredicted: None,
            is_observed: true,
        }
    }
}

impl Predictor {
    /// Takes over the state before a chain; false if it was not read.
    fn start_chain(&mut self, outcome: &ChainOutcome) -> bool {
        match &outcome.before {
            Some(StateBefore::Whole(state)) => self.state = state.clone(),
            Some(StateBefore::Since(changes)) => self.state.apply(changes),
            None => return false,
        }
        true
    }

    /// Judges the calls of one chain whose state was read. A call that failed is not compared: its failure is reported
    /// elsewhere, and what it leaves is not predicted.
    pub fn judge_chain<'a>(&mut self, outcome: &'a ChainOutcome) -> Vec<JudgedCall<'a>> {
        if !self.start_chain(outcome) {
            return Vec::new();
        }
        let plugins = outcome.calls.iter().map(|call| call.position + 1).max().unwrap_or(0);
        let mut judged = Vec::new();
        for call in &outcome.calls {
            let Some(changes) = &call.changes else { continue };
            if call.exit == Exit::Code(0) {
                judged.push(self.judge_call(call, plugins));
            }
            self.state.apply(changes);
        }
        judged
    }

    /// Judges the calls of a chain's second DEL, which must change nothing.
    pub fn judge_second_del<'a>(&mut self, outcome: &'a ChainOutcome) -> Vec<JudgedCall<'a>> {
        if !self.start_chain(outcome) {
            return Vec::new();
        }
        let plugins = outcome.calls.iter().map(|call| call.position + 1).max().unwrap_or(0);
        let mut judged = Vec::new();
        for call in &outcome.calls {
            let Some(changes) = &call.changes else { continue };
            let mut again = JudgedCall::new(call, plugins);
            if call.exit == Exit::Code(0) && !self.incomplete.contains(&key_of(call)) {
                (again.differences, _) = compare::compare(&self.state, &BTreeMap::new(), changes);
            }
            judged.push(again);
            self.state.apply(changes);
        }
        judged
    }

    fn judge_call<'a>(&mut self, call: &'a PluginCall, plugins: usize) -> JudgedCall<'a> {
        let mut judged = JudgedCall::new(call, plugins);
        let key = key_of(call);
        if call.command == CniCommand::Del && self.unpredicted.contains_key(&key) {
            judged.unpredicted = self.unpredicted.get(&key).cloned();
            return judged;
        }
        let Some(case) = PluginCase::read(call) else { return judged };
        if call.command == CniCommand::Add
            && let Some(error) = compare_result::error_instead(&case)
        {
            judged.result_differences.push(error);
            return judged;
        }
        let mut world = World::new(&self.state);
        match plugins::predict(&case, &mut world) {
            Ok(()) => {
                let changes = call.changes.as_deref().unwrap_or_default();
                let (facts, result) = world.into_predicted();
                (judged.differences, judged.coverage) = compare::compare(&self.state, &facts, changes);
                if call.command == CniCommand::Del && !judged.differences.is_empty() {
                    self.incomplete.insert(key);
                }
                if let Some(result) = result.filter(|_| call.command == CniCommand::Add) {
                    let mac_of = |subject, link: &str| self.mac_after(changes, subject, link);
                    let parts;
                    (judged.result_differences, parts) = compare_result::compare_result(&case, &result, mac_of);
                    judged.coverage.exact += parts;
                }
            }
            Err(reason) => {
                if !matches!(reason, Unpredicted::Violated { .. }) {
                    self.unpredicted.insert(key, reason.clone());
                }
                judged.unpredicted = Some(reason);
            }
        }
        judged
    }

    /// The MAC address of a link after changes.
    fn mac_after(&self, changes: &[Change], subject: Subject, link: &str) -> Option<String> {
        let key = FactKey::link(link, "mac");
        match changes.iter().find(|change| change.subject == subject && change.key == key) {
            Some(change) => change.after.clone(),
            None => self.state.of(subject).get(&key).map(str::to_owned),
        }
    }
}
