//! The pure part of Plumbline: scenarios, plans, observations and the judge.
//!
//! One path leads through the crate:
//! scenario file -> [`scenario`] -> [`plan`] -> (a lane) -> [`observe`] -> [`judge`] -> [`verdict`].
//! No module reads files, clocks, the environment or the network.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `source`: places in files
//! 2. `suggestion`: suggestions for misspelt words
//! 3. `release`: released versions
//! 4. `keys`: the configuration keys of each plugin, by release
//! 5. `state`: the state of a namespace as facts
//! 6. `cni`: plugin calls and their outcomes
//! 7. `chain`: chains of plugins
//! 8. `finding`: finding codes, severities and findings
//! 9. `plan`: what a lane has to do, and what is expected
//! 10. `rules`: rules about configurations
//! 11. `wire`: probes, captures and their results
//! 12. `observe`: what was observed of pods and nodes
//! 13. `script`: the probes that a plan needs
//! 14. `record`: recording of plugin calls
//! 15. `guest`: the channel to a virtual machine
//! 16. `protocol`: requests to the agent and its replies
//! 17. `verdict`: verdicts and the report of a scenario
//! 18. `predict`: what configurations say about the state after a call
//! 19. `judge`: from plan and observation to findings
//! 20. `event`: the event stream of a run
//! 21. `schema`: JSON Schema documents for editors
//! 22. `scenario`: scenario files and templates
//! 23. `terway`: Terway's configuration
//! 24. `lint`: users' texts against the rules, without a run
//! 25. `bare`: plans of users' texts without a scenario file

#[cfg(feature = "files")]
pub mod bare;
pub mod chain;
pub mod cni;
pub mod event;
pub mod finding;
pub mod guest;
#[cfg(feature = "files")]
pub mod judge;
#[cfg(feature = "files")]
pub mod keys;
#[cfg(feature = "files")]
pub mod lint;
pub mod observe;
pub mod plan;
#[cfg(feature = "files")]
pub mod predict;
pub mod protocol;
pub mod record;
pub mod release;
#[cfg(feature = "files")]
pub mod rules;
#[cfg(feature = "files")]
pub mod scenario;
#[cfg(feature = "files")]
pub mod schema;
pub mod script;
pub mod source;
pub mod state;
#[cfg(feature = "files")]
mod suggestion;
#[cfg(feature = "files")]
pub mod terway;
pub mod verdict;
pub mod wire;
