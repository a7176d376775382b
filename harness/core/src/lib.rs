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
//! 3. `cni`: plugin calls and their outcomes
//! 4. `chain`: chains of plugins
//! 5. `finding`: finding codes, severities and findings
//! 6. `plan`: what a lane has to do, and what is expected
//! 7. `rules`: rules about configurations
//! 8. `wire`: probes, captures and their results
//! 9. `observe`: what was observed of pods and nodes
//! 10. `script`: the probes that a plan needs
//! 11. `record`: recording of plugin calls
//! 12. `guest`: the channel to a virtual machine
//! 13. `protocol`: requests to the agent and its replies
//! 14. `verdict`: verdicts and the report of a scenario
//! 15. `judge`: from plan and observation to findings
//! 16. `event`: the event stream of a run
//! 17. `scenario`: scenario files and templates
//! 18. `terway`: Terway's configuration
//! 19. `lint`: users' texts against the rules, without a run

pub mod chain;
pub mod cni;
pub mod event;
pub mod finding;
pub mod guest;
pub mod judge;
#[cfg(feature = "files")]
pub mod lint;
pub mod observe;
pub mod plan;
pub mod protocol;
pub mod record;
pub mod rules;
#[cfg(feature = "files")]
pub mod scenario;
pub mod script;
pub mod source;
mod suggestion;
#[cfg(feature = "files")]
pub mod terway;
pub mod verdict;
pub mod wire;
