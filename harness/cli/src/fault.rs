//! A panic is a fault of Plumbline. It is caught where a scenario, a lane or the command ends, so that clean-up still
//! runs, and the command ends with exit code 5.

use futures::FutureExt as _;
use plumbline_testbed::error::TestbedError;
use std::any::Any;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

/// A panic that the hook recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The panic's message and its place in the source.
    pub message: String,
    /// The scenario or manifest that was being worked on, if that is known.
    pub file: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What users should do about a fault.
pub const HINT: &str = "report this as a bug, with the file; RUST_BACKTRACE=1 shows where it happened";

/// The stage of an error that is a fault of Plumbline and not of the testbed.
pub const STAGE: &str = "a fault of Plumbline";

static FAULTS: Mutex<Vec<Fault>> = Mutex::new(Vec::new());

thread_local! {
    static FILE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Records every panic of the process. The standard message and backtrace are printed only if RUST_BACKTRACE is set.
pub fn install_hook() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = message_of(info.payload());
        let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        let file = FILE.try_with(|file| file.try_borrow().ok().and_then(|file| file.clone())).ok().flatten();
        let fault = Fault { message: format!("{message}{place}"), file };
        FAULTS.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            standard(info);
        }
    }));
}

/// The faults that were recorded since the last call.
pub fn take_recorded() -> Vec<Fault> {
    std::mem::take(&mut *FAULTS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Names the file that `work` reads in the fault of a panic.
pub fn name_file<T>(file: &str, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<String>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            FILE.with(|file| *file.borrow_mut() = before);
        }
    }
    let _restore = Restore(FILE.with(|current| current.borrow_mut().replace(file.to_owned())));
    work()
}

/// Runs `work` to its end; a panic becomes its fault, which names `file`.
///
/// # Errors
/// The fault.
pub async fn catch<T>(file: &str, work: impl Future<Output = T>) -> Result<T, Fault> {
    let mut work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
    let done = std::future::poll_fn(|cx| name_file(file, || work.as_mut().poll(cx))).await;
    done.map_err(|payload| Fault { message: message_of(payload.as_ref()), file: Some(file.to_owned()) })
}

/// Runs a whole command to its end; a panic becomes its fault.
///
/// # Errors
/// The fault. The hook has recorded it with the file that was being worked on.
pub async fn catch_any<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|payload| Fault { message: message_of(payload.as_ref()), file: None })
}

/// The error that a report shows for a fault.
pub fn error_of(fault: &Fault) -> TestbedError {
    TestbedError::new(STAGE, fault.to_string()).with_hint(HINT)
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_fault_that_names_the_file() {
        let done: Result<(), Fault> = catch("a.yaml", async { panic!("index {}", 7) }).await;
        assert_eq!(done.unwrap_err(), Fault { message: "index 7".into(), file: Some("a.yaml".into()) });
        assert_eq!(catch("a.yaml", async { 1 }).await, Ok(1));
    }

    #[test]
    fn the_file_is_known_only_during_the_work() {
        let current = || FILE.with(|file| file.borrow().clone());
        let inner = name_file("a.yaml", || (name_file("b.yaml", current), current()));
        assert_eq!(inner, (Some("b.yaml".into()), Some("a.yaml".into())));
        assert_eq!(current(), None);
    }
}
