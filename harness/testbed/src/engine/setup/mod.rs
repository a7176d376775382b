//! Getting a container engine going on a bare host, as root, where apt is there; starting it again after it died;
//! touching nothing where one answers.
//!
//! What is installed is in `clusters/engine/engine.yaml`. An engine that we started is left running, belongs to the
//! machine and not to a run, and is ended by [`Setup::stop`] alone.

mod daemon;
mod ensure;
mod ground;
mod install;
mod pins;
mod plan;
mod record;

pub use daemon::Place;
pub use ensure::{Needed, Setup};
pub use pins::Pins;
pub use plan::{Plan, Start};
pub use record::Record;
