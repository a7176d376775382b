//! The reporters of a command's events.

use plumbline_lanes::context::EventSink;
use plumbline_report::reporter::{Reporter, Reporters};
use plumbline_report::terminal::{Settings, Terminal};
use plumbline_report::text::Transcripts;
use std::sync::Arc;

/// Reporters, and the sink that gives them each event.
pub fn start(reporters: Vec<Box<dyn Reporter>>) -> (Arc<Reporters>, EventSink) {
    let reporters = Arc::new(Reporters::new(reporters));
    let readers = Arc::clone(&reporters);
    (reporters, Arc::new(move |event| readers.event(&event)))
}

/// Progress on the terminal alone.
pub fn progress() -> (Arc<Reporters>, EventSink) {
    start(vec![Box::new(Terminal::new(Settings::from_environment(Transcripts::Never)))])
}
