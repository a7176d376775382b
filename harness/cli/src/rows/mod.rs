//! The rows of the demand: what proves each, on which lane, and whether that is shown.
//!
//! | module | what is in it |
//! |---|---|
//! | [`wanted`] | `suites/rows.yaml`: which lanes each row wants |
//! | [`suite`] | scenarios and their negative scenarios, by row |
//! | [`cases`] | what cases have in common that are no scenarios |
//! | [`chains`] | cases of the lint of Terway's chain, for rows that need no cluster |
//! | [`rollouts`] | changes of Terway's chain on a cluster |
//! | [`outcome`] | from reports to the table, and whether all of it is shown |
//!
//! A row that nothing proves on a lane that it wants is missing, and missing is never green.

pub mod cases;
pub mod chains;
pub mod outcome;
pub mod rollouts;
pub mod suite;
pub mod wanted;
