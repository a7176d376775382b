//! Reading what `ip` prints: JSON of iproute2 (6.1 and newer are in the golden files), texts of iproute2 and BusyBox.
//!
//! Pods are strangers: whatever these functions are given, they give a value or an error, never a panic.

mod json;
mod outputs;
mod parts;
mod text_links;
mod text_routes;

pub use json::{links as links_from_json, routes as routes_from_json, rules as rules_from_json};
pub use outputs::{Coverage, kernel_state};
pub use parts::ParseError;
pub use text_links::links as links_from_text;
pub use text_routes::{routes as routes_from_text, rules as rules_from_text};
