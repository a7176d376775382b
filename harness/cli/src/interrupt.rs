//! Ctrl-C and SIGTERM: the first cancels, so that everything made is taken away in reverse; the second leaves at
//! once and names `plumbline gc`.

use crate::exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Watches for both signals until the program ends.
///
/// # Errors
/// When the signals can't be listened to.
pub fn watch(cancel: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => "interrupted",
                _ = terminate.recv() => "terminated",
            }
        };
        let how = next().await;
        say(&format!("{how}: cleaning up; once more leaves at once"));
        cancel.cancel();
        next().await;
        say("left at once; `plumbline gc` takes away what is left behind");
        leave();
    });
    Ok(())
}

fn say(text: &str) {
    use std::io::Write as _;
    // Standard error may be closed, and there is no other place for the message.
    let _ = writeln!(anstream::stderr(), "plumbline: {text}");
}

#[expect(clippy::disallowed_methods, reason = "the second signal asks for leaving without clean-up")]
fn leave() -> ! {
    std::process::exit(i32::from(exit::INTERRUPTED))
}
