//! Terway's own errors, in addition to the protocol's.

use plumbline_plugin::{Code, Failure};

/// The error of a failed ADD, with the message of Terway's `cmdAdd`.
pub fn not_added(details: impl Into<String>) -> Failure {
    Failure::with_details(Code::TryAgain, "failed to do add", format!("terway stand-in: {}", details.into()))
}
