//! Shared by the tests of this folder: scenarios as tests, golden report texts, and the check that enough tests ran.
//!
//! Tests are in `tests/`, one binary per lane; scenarios that must pass in `scenarios/`, negative scenarios and cases that
//! must not pass in `negative/`, and the expected result of each in `expected.yaml`.

pub mod chain;
pub mod command;
pub mod context;
pub mod golden;
pub mod host;
pub mod must_run;
pub mod nextest_config;
pub mod own_cluster;
pub mod ran;
pub mod reference;
pub mod trials;

pub use plumbline::expected;
