//! What the kernel's command line says to us.

use std::time::Duration;

use plumbline_core::guest::{CHANNELS, IDLE};

/// Where nothing else is said.
const USUAL_IDLE: Duration = Duration::from_secs(120);

/// The settings of this boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long the machine stays on without a session.
    pub idle: Duration,
    /// How many channels there are.
    pub channels: usize,
}

impl Settings {
    /// Reads the command line.
    ///
    /// # Errors
    /// The word that can't be read.
    pub fn read(line: &str) -> Result<Self, String> {
        let mut settings = Self { idle: USUAL_IDLE, channels: 1 };
        for word in line.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else { continue };
            let wrong = |_| format!("{word} is no number");
            match name {
                IDLE => settings.idle = Duration::from_secs(value.parse().map_err(wrong)?),
                CHANNELS => settings.channels = value.parse().map_err(wrong)?,
                _ => {}
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_others_are_left_alone() {
        let read = Settings::read("console=ttyS0 quiet plumbline.idle=7 plumbline.channels=3 panic=-1\n").unwrap();
        assert_eq!(read, Settings { idle: Duration::from_secs(7), channels: 3 });
        assert!(Settings::read("plumbline.idle=soon").is_err());
    }
}
