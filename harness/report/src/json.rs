//! Events as JSON, one object a line, for programs.

use crate::reporter::Reporter;
use plumbline_core::event::Event;
use std::io::Write;

/// Writes each event at once as one line of JSON.
pub struct JsonLines<W: Write + Send>(pub W);

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()?;
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.0.flush()?;
        Ok(())
    }
}
