//! Readers of the one event stream ([`plumbline_core::event::Event`]).
//!
//! Each reader is a [`reporter::Reporter`]: the terminal ([`terminal`]), JUnit ([`junit`]) and JSON lines ([`json`]). [`text`]
//! is pure, so that golden files can contain its output. No reader opens a network connection or reads a cluster: the report has
//! only the content of the event.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. `escape`: control characters of untrusted text
//! 2. `paint`: colours
//! 3. `text`: the report of one scenario
//! 4. `reporter`: a reader of events, and several readers of one stream
//! 5. `json`: events as lines of JSON
//! 6. `junit`: JUnit files
//! 7. `terminal`: results and progress
//! 8. `requirements`: the table of requirements
//! 9. `lint`: findings of a lint
//! 10. `chain`: Terway's chain
//! 11. `graph`: drawings of a scenario

pub mod chain;
pub mod escape;
pub mod graph;
pub mod json;
pub mod junit;
pub mod lint;
pub mod paint;
pub mod reporter;
pub mod requirements;
pub mod terminal;
pub mod text;
