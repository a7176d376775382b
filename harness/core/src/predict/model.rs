//! What a model answers.

/// Why the rest of a call can't be predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpredicted {
    /// There is no model of this plugin.
    Plugin(String),
    /// The model does not know this key, or this value of it.
    Key(String),
    /// The value of this key can't be read; the plugin is expected to refuse it.
    Value(String),
    /// What the plugin reports can't be right, whatever the rest is.
    Violated {
        /// What the configuration admits.
        expected: String,
        /// What was reported.
        found: String,
        /// The key that says so.
        key: String,
    },
}

impl Unpredicted {
    /// There is no model of a plugin.
    pub fn plugin(name: &str) -> Self {
        Self::Plugin(name.to_owned())
    }

    /// A key that the model does not know.
    pub fn key(key: &str) -> Self {
        Self::Key(key.to_owned())
    }

    /// A value that can't be read.
    pub fn value(key: &str) -> Self {
        Self::Value(key.to_owned())
    }
}
