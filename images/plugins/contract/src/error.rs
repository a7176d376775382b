//! The error of the CNI protocol: a code, a message, details (CNI specification 1.0.0, section "Error").

use serde_json::{Value, json};

/// The specification's codes that our plugins give, and 999, which the Go libraries give for everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The configuration's version is not one of ours.
    Version = 1,
    /// The container id is missing.
    Container = 3,
    /// An environment variable is missing or wrong.
    Environment = 4,
    /// Standard input could not be read.
    Io = 5,
    /// The configuration, or `CNI_ARGS`, can't be read.
    Decoding = 6,
    /// The configuration can't be worked with.
    Config = 7,
    /// The network namespace is the plugin's own.
    Namespace = 8,
    /// Try again later.
    TryAgain = 11,
    /// Anything else.
    Internal = 999,
}

/// A refusal, as it goes to standard output with exit code 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which kind it is.
    pub code: Code,
    /// What went wrong.
    pub message: String,
    /// More on it; left out where empty.
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
