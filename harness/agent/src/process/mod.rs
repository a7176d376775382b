//! Processes: how one starts ([`start`]), and how several run side by side with deadlines and output limits ([`run`]).

pub mod run;
pub mod start;

pub use run::{Job, ProcessResult, Processes};
