//! The lanes: how a plan becomes an observation.
//!
//! A lane is one folder here and one entry in the registry of the command. Verdicts are not decided here.
//!
//! The order of the modules, lowest first. A module uses only modules above it in this list:
//!
//! 1. [`host`]: capabilities, and checks of this host
//! 2. [`lane`]: the interface of a lane
//! 3. [`agent`]: an agent with its own node
//! 4. [`traces`]: traces of pods on nodes
//! 5. [`wire`]: running probes
//! 6. [`netns`]: the lane netns
//! 7. [`vm`]: the lane vm, which is netns in a virtual machine
//! 8. [`kind`]: the lane kind

pub mod agent;
pub mod host;
pub mod kind;
pub mod lane;
pub mod netns;
pub mod traces;
pub mod vm;
pub mod wire;

pub use plumbline_testbed::context;
