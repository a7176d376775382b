//! Exit codes, one meaning each.

/// Everything that ran passed.
pub const PASS: u8 = 0;
/// At least one scenario failed.
pub const FAILED: u8 = 1;
/// Wrong usage, or a scenario file that is not as it must be. Nothing was touched.
pub const USAGE: u8 = 2;
/// The bed broke, or this host can't do it.
pub const ERROR: u8 = 3;
/// Nothing was selected, so nothing ran.
pub const NOTHING: u8 = 4;
/// A fault of Plumbline itself.
pub const INTERNAL: u8 = 5;
/// Ended by Ctrl-C or SIGTERM.
pub const INTERRUPTED: u8 = 130;

/// The table that `--help` shows.
pub const TABLE: &str = "\
Exit codes:
  0    pass
  1    at least one scenario failed
  2    wrong usage or a bad scenario file; nothing was touched
  3    the bed is error, or this host can't do it
  4    nothing was selected, so nothing ran
  5    a fault of plumbline itself
  130  interrupted";
