//! Starts a container engine on a bare host with apt, as root, and starts it again after it died. If an engine answers, it
//! changes nothing.
//!
//! `clusters/engine/engine.yaml` lists the packages. An engine that Plumbline started keeps running. It belongs to the machine
//! and not to a run, and only [`Setup::stop`] stops it.

mod daemon;
mod ensure;
mod host;
mod install;
mod plan;
mod record;
mod settings;

pub use daemon::DaemonPlace;
pub use ensure::{Needed, Setup};
pub use plan::{DaemonStart, SetupPlan};
pub use record::EngineRecord;
pub use settings::EngineSettings;
