//! The trait of readers of events, and several readers of one stream.

use plumbline_core::event::Event;
use std::io::ErrorKind;
use std::sync::Mutex;

/// A reader of events.
pub trait Reporter: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// When its output can't be written.
    fn event(&mut self, event: &Event) -> anyhow::Result<()>;

    /// The stream has ended: writes the rest.
    ///
    /// # Errors
    /// When that can't be written.
    fn finish(&mut self) -> anyhow::Result<()>;
}

/// All readers of one run. The first error of a reader is kept and given at the end, so that a full disk under
/// the JUnit file is neither lost nor ends the run.
#[derive(Default)]
pub struct Reporters {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    readers: Vec<Box<dyn Reporter>>,
    error: Option<anyhow::Error>,
}

impl Reporters {
    /// Readers in the order in which they get each event.
    pub fn new(readers: Vec<Box<dyn Reporter>>) -> Self {
        Self { inner: Mutex::new(Inner { readers, error: None }) }
    }

    /// Passes the event to every reader.
    pub fn event(&self, event: &Event) {
        self.call_each(|reader| reader.event(event));
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// The first error that any reader had, from the beginning on.
    pub fn finish(&self) -> anyhow::Result<()> {
        self.call_each(|reader| reader.finish());
        match self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn call_each(&self, mut act: impl FnMut(&mut dyn Reporter) -> anyhow::Result<()>) {
        // A reader that panicked has damaged only its own state, so the others go on.
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Inner { readers, error } = &mut *inner;
        for reader in readers.iter_mut() {
            if let Err(e) = act(reader.as_mut())
                && !is_closed(&e)
            {
                error.get_or_insert(e);
            }
        }
    }
}

/// Whether an error says that the output does not fit on its disk.
pub fn is_full(error: &anyhow::Error) -> bool {
    let full = |e: &std::io::Error| matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(full))
}

/// Whether an error means that the reader of the output closed the pipe (`plumbline run ... | head`). That is no error:
/// the exit code still gives the result.
pub fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |e: &std::io::Error| e.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(closed))
}
