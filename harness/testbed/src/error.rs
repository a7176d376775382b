//! The error of the testbed: the stage, the cause with its whole chain, and a hint.

use std::error::Error;
use std::sync::Arc;

/// A fault of the testbed. It says nothing about a plugin.
///
/// The command maps it to exit code 3, a scenario to the verdict `Error`. Its text is one line: the stage, each cause of
/// the chain once, and the hint.
#[derive(Debug, Clone)]
pub struct TestbedError {
    /// The stage that failed, for example `install Multus`.
    pub stage: String,
    /// How to fix it, if known.
    pub hint: Option<String>,
    cause: Arc<dyn Error + Send + Sync>,
}

impl TestbedError {
    /// A fault at `stage`, with another error or a text as cause.
    pub fn new(stage: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { stage: stage.into(), hint: None, cause: Arc::from(cause.into()) }
    }

    /// Adds a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a remark after the cause. The chain of causes stays.
    pub fn with_remark(mut self, remark: &str) -> Self {
        self.cause = Arc::new(Remarked { remark: remark.to_owned(), cause: self.cause });
        self
    }

    /// The chain of causes, each once, with path, command line or object name.
    pub fn cause(&self) -> String {
        causes(&*self.cause)
    }
}

impl std::fmt::Display for TestbedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.stage, self.cause())?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

// Not derived: with thiserror the source would be the `Arc`, and a downcast could not find the error inside it.
impl Error for TestbedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// A cause with a remark after its text.
#[derive(Debug)]
struct Remarked {
    remark: String,
    cause: Arc<dyn Error + Send + Sync>,
}

impl std::fmt::Display for Remarked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", causes(&*self.cause), self.remark)
    }
}

impl Error for Remarked {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// Turns any error into a [`TestbedError`] at a stage.
pub trait AtStage<T> {
    /// Names the stage at which the error happened. The error stays as the source.
    ///
    /// # Errors
    /// The same error, as a [`TestbedError`].
    fn at_stage(self, stage: &str) -> Result<T, TestbedError>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> AtStage<T> for Result<T, E> {
    fn at_stage(self, stage: &str) -> Result<T, TestbedError> {
        self.map_err(|error| TestbedError::new(stage, error))
    }
}

/// The text of an error with the whole chain of its causes, each once. Many errors omit the system's message, and others
/// repeat it.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn missing() -> Result<(), io::Error> {
        Err(io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    #[test]
    fn the_source_is_kept_and_each_cause_is_printed_once() {
        let inner = missing().at_stage("read a").unwrap_err().with_hint("make a");
        let outer = Err::<(), _>(inner).at_stage("open the cache").unwrap_err();
        assert_eq!(outer.to_string(), "open the cache: read a: no such file; make a");
        let read = outer.source().unwrap();
        assert_eq!(read.downcast_ref::<TestbedError>().unwrap().stage, "read a");
        let io = read.source().unwrap().downcast_ref::<io::Error>();
        assert_eq!(io.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_remark_follows_the_cause_and_the_chain_stays() {
        let error = missing().at_stage("wait").unwrap_err().with_remark("last seen: nothing");
        assert_eq!(error.to_string(), "wait: no such file; last seen: nothing");
        assert_eq!(error.clone().cause(), "no such file; last seen: nothing");
    }
}
