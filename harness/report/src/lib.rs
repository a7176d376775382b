//! Readers of the one event stream ([`plumbline_core::event::Event`]).
//!
//! Each reader is a [`reporter::Reporter`]: the terminal ([`terminal`]), JUnit ([`junit`]) and JSON lines
//! ([`json`]). What they print of one scenario is made in [`text`], which is pure, so that its words can be
//! golden files. No reader opens a network connection or looks at a cluster: what is not in the event is not
//! in the report.

pub mod chain;
pub mod escape;
pub mod graph;
pub mod json;
pub mod junit;
pub mod paint;
pub mod reporter;
pub mod requirements;
pub mod terminal;
pub mod text;
