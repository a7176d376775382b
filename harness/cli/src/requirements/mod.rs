//! The requirements: what proves each, on which lane, and whether that is shown.
//!
//! | module | what is in it |
//! |---|---|
//! | [`wanted`] | `suites/requirements.yaml`: which lanes each requirement wants |
//! | [`suite`] | scenarios and their negative scenarios, by requirement |
//! | [`cases`] | what cases have in common that are no scenarios |
//! | [`chains`] | cases of the lint of Terway's chain, for requirements that need no cluster |
//! | [`chain_changes`] | changes of Terway's chain on a cluster |
//! | [`outcome`] | from reports to the table, and whether all of it is shown |
//!
//! A requirement that nothing proves on a lane that it wants is missing, and missing is never green.

pub mod cases;
pub mod chain_changes;
pub mod chains;
pub mod outcome;
pub mod suite;
pub mod wanted;
