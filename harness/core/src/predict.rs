//! Predictions: what a plugin's configuration, the runtime's arguments and the node say about the state after a call. What
//! differs from it is a finding of the plugin.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `expected`: what is expected of one fact, and why
//! 2. `model`: what a model answers
//! 3. `world`: the predicted state while a model works
//! 4. `sysctls`: the sysctls of devices
//! 5. `kernel`: what the kernel does by itself
//! 6. `case`: one call as its model sees it
//! 7. `settings`: settings that several plugins read alike
//! 8. `masquerade`: rules of masquerading
//! 9. `ipam`: IPAM plugins, and what main plugins do with their answer
//! 10. `plugins`: the models
//! 11. `compare`: prediction against observed changes
//! 12. `attached`: prediction against the state after all chains

mod attached;
mod case;
mod compare;
mod expected;
mod ipam;
mod kernel;
mod masquerade;
mod model;
mod plugins;
mod settings;
mod sysctls;
mod world;

pub use attached::judge_attached;
pub use compare::{Coverage, Difference};
pub use expected::{Cause, Expected};
pub use model::Unpredicted;
pub use plugins::modelled;
pub use world::Predicted;

use crate::cni::{ChainOutcome, CniCommand, Exit, PluginCall, StateBefore};
use crate::state::PodAndNode;
use case::PluginCase;
use std::collections::BTreeMap;
use world::World;

/// What a call's changes are against its prediction.
#[derive(Debug)]
pub struct JudgedCall<'a> {
    /// The call.
    pub call: &'a PluginCall,
    /// How many plugins the chain has.
    pub plugins: usize,
    /// What differs.
    pub differences: Vec<Difference>,
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
}

/// Network, interface and position of a call.
type CallKey = (String, String, usize);

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

    fn judge_call<'a>(&mut self, call: &'a PluginCall, plugins: usize) -> JudgedCall<'a> {
        let mut judged = JudgedCall {
            call,
            plugins,
            differences: Vec::new(),
            coverage: Coverage::default(),
            unpredicted: None,
            is_observed: true,
        };
        let key = (call.network.clone(), call.ifname.clone(), call.position);
        if call.command == CniCommand::Del && self.unpredicted.contains_key(&key) {
            judged.unpredicted = self.unpredicted.get(&key).cloned();
            return judged;
        }
        let Some(case) = PluginCase::read(call) else { return judged };
        let mut world = World::new(&self.state);
        match plugins::predict(&case, &mut world) {
            Ok(()) => {
                let changes = call.changes.as_deref().unwrap_or_default();
                (judged.differences, judged.coverage) = compare::compare(&self.state, &world.into_predicted(), changes);
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
}
