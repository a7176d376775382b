//! What Terway answers, beside the protocol's own errors.

use plumbline_plugin::{Code, Failure};

/// An ADD that came to nothing, in the words of Terway's `cmdAdd`.
pub fn not_added(details: impl Into<String>) -> Failure {
    Failure::with_details(Code::TryAgain, "failed to do add", format!("terway stand-in: {}", details.into()))
}
