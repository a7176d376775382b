//! Starting a container engine on a bare host, as root, where apt is there; starting it again after it died;
//! touching nothing where one answers.
//!
//! What is installed is in `clusters/engine/engine.yaml`. An engine that we started is left running, belongs to the
//! machine and not to a run, and is ended by [`Setup::stop`] alone.

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
