//! The only module that waits: with a deadline, the awaited state, and the last observed state.

use crate::error::TestbedError;
use serde::{Deserialize as _, Deserializer};
use std::time::{Duration, Instant};

/// The end of a wait.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    start: Instant,
    length: Duration,
}

impl Deadline {
    /// `length` from now.
    pub fn after(length: Duration) -> Self {
        Self { start: Instant::now(), length }
    }

    /// `length` from now, but never later than this one.
    pub fn child(&self, length: Duration) -> Self {
        Self::after(length.min(self.remaining()))
    }

    /// The remaining time, zero after the deadline.
    pub fn remaining(&self) -> Duration {
        self.length.saturating_sub(self.start.elapsed())
    }

    /// Whether the deadline has passed.
    pub fn over(&self) -> bool {
        self.remaining().is_zero()
    }

    /// The time since the deadline was created.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Reads a duration of a settings file, in seconds.
///
/// # Errors
/// The error of the deserializer, if it is not a number.
pub fn read_seconds<'de, D: Deserializer<'de>>(number: D) -> Result<Duration, D::Error> {
    u64::deserialize(number).map(Duration::from_secs)
}

/// The result of a check.
pub enum Look<T> {
    /// The awaited state.
    There(T),
    /// Not yet; the observed state.
    NotYet(String),
}

/// Repeats a check until it finds the awaited state. Only for states without events; otherwise use a watch.
///
/// `every` is the pause between two checks.
///
/// # Errors
/// [`TestbedError`] at `stage` after the deadline, with the awaited state, the time and the last observed state; and any error
/// of `look`.
pub async fn until<T, F>(
    stage: &str,
    what: &str,
    deadline: Deadline,
    every: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, TestbedError>
where
    // Not `AsyncFnMut`: the compiler can't prove that a future that awaits one is `Send`.
    F: Future<Output = Result<Look<T>, TestbedError>>,
{
    let mut seen = "nothing (the first check did not finish)".to_owned();
    loop {
        match within(deadline.remaining(), look()).await {
            Some(Ok(Look::There(found))) => return Ok(found),
            Some(Ok(Look::NotYet(now))) => seen = now,
            Some(Err(error)) => return Err(error),
            // The deadline ended a check, so the last observed state is that of the previous check.
            None => return Err(late(stage, what, deadline, &seen)),
        }
        if deadline.remaining() < every {
            return Err(late(stage, what, deadline, &seen));
        }
        pause(every).await;
    }
}

/// Awaits a future, at most until the deadline.
///
/// # Errors
/// [`TestbedError`] at `stage` when the deadline passes first, with the last observed state from `seen`.
pub async fn by<T>(
    stage: &str,
    what: &str,
    deadline: Deadline,
    work: impl Future<Output = T>,
    seen: impl Fn() -> String,
) -> Result<T, TestbedError> {
    within(deadline.remaining(), work).await.ok_or_else(|| late(stage, what, deadline, &seen()))
}

/// Awaits a future, at most for `length`; none if the time passes first. For callers with their own error; [`by`] returns the
/// usual one.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sets a time limit")]
pub async fn within<T>(length: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(length, work).await.ok()
}

/// Ends at the deadline: for the last arm of a `select!` with a watch.
pub async fn over(deadline: Deadline) {
    pause(deadline.remaining()).await;
}

/// The error of a wait that ended without the awaited state.
pub fn late(stage: &str, what: &str, deadline: Deadline, seen: &str) -> TestbedError {
    TestbedError::new(stage, format!("waited {:.0} s for {what}; last seen: {seen}", deadline.elapsed().as_secs_f64()))
}

/// Sleeps for `length`. No other code sleeps.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_names_what_was_awaited_and_last_seen() {
        let deadline = Deadline::after(Duration::from_millis(30));
        let look = async || Ok(Look::<()>::NotYet("ContainerCreating".into()));
        let error =
            until("pods", "pod client to be Ready", deadline, Duration::from_millis(5), look).await.unwrap_err();
        assert_eq!(error.stage, "pods");
        assert!(
            error.cause().contains("for pod client to be Ready; last seen: ContainerCreating"),
            "{}",
            error.cause()
        );
    }

    #[tokio::test]
    async fn a_check_that_the_deadline_ends_does_not_hide_the_previous_one() {
        let mut looks = 0;
        let look = || {
            looks += 1;
            let first = looks == 1;
            async move {
                if !first {
                    std::future::pending::<()>().await;
                }
                Ok(Look::<()>::NotYet("not in force".into()))
            }
        };
        let (deadline, every) = (Deadline::after(Duration::from_millis(60)), Duration::from_millis(5));
        let error = until("pods", "Multus", deadline, every, look).await.unwrap_err();
        assert!(error.cause().ends_with("last seen: not in force"), "{}", error.cause());
    }

    #[tokio::test]
    async fn a_future_is_awaited_to_its_end_or_to_the_limit() {
        let short = Duration::from_millis(10);
        assert_eq!(within(Duration::from_secs(60), async { 7 }).await, Some(7));
        assert_eq!(within(short, std::future::pending::<()>()).await, None);
        let deadline = Deadline::after(short);
        over(deadline).await;
        assert!(deadline.over());
    }

    #[tokio::test]
    async fn a_child_ends_no_later_than_its_parent() {
        let parent = Deadline::after(Duration::from_millis(10));
        assert!(parent.child(Duration::from_secs(60)).remaining() <= Duration::from_millis(10));
    }
}
