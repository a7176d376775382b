//! From events to reporters, for every subcommand alike.

use crate::args::Colour;
use plumbline_lanes::context::EventSink;
use plumbline_report::reporter::{Reporter, Reporters};
use plumbline_report::terminal::{ColourChoice, Settings, Terminal};
use plumbline_report::text::Transcripts;
use std::sync::Arc;

/// Settings of the terminal for `--color`.
pub fn settings(colour: Colour, transcripts: Transcripts) -> Settings {
    let choice = match colour {
        Colour::Auto => ColourChoice::Auto,
        Colour::Always => ColourChoice::Always,
        Colour::Never => ColourChoice::Never,
    };
    Settings::from_environment(choice, transcripts)
}

/// Readers of one stream, and the sink that feeds them.
pub fn reporters(readers: Vec<Box<dyn Reporter>>) -> (Arc<Reporters>, EventSink) {
    let reporters = Arc::new(Reporters::new(readers));
    let told = Arc::clone(&reporters);
    (reporters, Arc::new(move |event| told.event(&event)))
}

/// Progress on the terminal alone.
pub fn progress(colour: Colour) -> (Arc<Reporters>, EventSink) {
    reporters(vec![Box::new(Terminal::new(settings(colour, Transcripts::Never)))])
}
