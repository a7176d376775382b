//! An error: the bed's own fault, with the stage, the cause and what to do about it.

/// A fault of the test bed. It never says anything about a plugin.
///
/// The command maps it to exit code 3, a scenario to the verdict `TestbedError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: {cause}{}", .hint.as_deref().map(|r| format!("; {r}")).unwrap_or_default())]
pub struct TestbedError {
    /// The stage that broke, for example `install Multus`.
    pub stage: String,
    /// What happened, with path, argv or object name.
    pub cause: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl TestbedError {
    /// A fault at `stage`.
    pub fn new(stage: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { stage: stage.into(), cause: cause.into(), hint: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Turns any error into a [`TestbedError`] at a stage.
pub trait AtStage<T> {
    /// Names the stage at which the error happened.
    ///
    /// # Errors
    /// The same failure, as a [`TestbedError`].
    fn at_stage(self, stage: &str) -> Result<T, TestbedError>;
}

impl<T, E: std::fmt::Display> AtStage<T> for Result<T, E> {
    fn at_stage(self, stage: &str) -> Result<T, TestbedError> {
        self.map_err(|error| TestbedError::new(stage, format!("{error:#}")))
    }
}
/// An error with the whole chain of its causes, each once: many a crate's own text leaves out the system's words.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}
