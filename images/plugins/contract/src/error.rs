//! The error of the CNI protocol: a code, a message, details (CNI specification 1.0.0, section "Error").

use serde_json::{Value, json};

/// The specification's codes that our plugins return, and 999, which the Go libraries return for everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The plugin does not support the configuration's version.
    Version = 1,
    /// The container id is missing.
    Container = 3,
    /// An environment variable is missing or wrong.
    Environment = 4,
    /// Standard input could not be read.
    Io = 5,
    /// The configuration, or `CNI_ARGS`, can't be read.
    Decoding = 6,
    /// The configuration is invalid.
    Config = 7,
    /// The network namespace is the plugin's own.
    Namespace = 8,
    /// Try again later.
    TryAgain = 11,
    /// Anything else.
    Internal = 999,
}

/// An error. The plugin prints it on standard output and exits with code 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The kind of error.
    pub code: Code,
    /// What went wrong.
    pub message: String,
    /// Details; left out if empty.
    pub details: String,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: String::new() }
    }

    /// A failure with details.
    pub fn with_details(code: Code, message: &str, details: impl Into<String>) -> Self {
        Self { code, message: message.to_owned(), details: details.into() }
    }

    /// The object of the protocol.
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "code": self.code as u32, "msg": self.message });
        if !self.details.is_empty() {
            object["details"] = Value::from(self.details.as_str());
        }
        object
    }
}
