//! The requirements: what proves each, on which lane, and whether that is shown.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. [`wanted`]: `suites/requirements.yaml`, the lanes of each requirement
//! 2. [`cases`]: cases of Terway's chain, for the lint and for changes on a cluster
//! 3. [`suite`]: scenarios, negative scenarios and cases by requirement
//! 4. [`outcome`]: from reports to the table
//!
//! A requirement without a proof on one of its lanes is missing, and missing is never green.

pub mod cases;
pub mod outcome;
pub mod suite;
pub mod wanted;
