//! Exit codes, one meaning each.

/// Everything that ran passed.
pub const PASS: u8 = 0;
/// At least one scenario failed.
pub const FAILED: u8 = 1;
/// Wrong usage, or an invalid file. Nothing was changed.
pub const USAGE: u8 = 2;
/// The testbed does not work, or something was left behind.
pub const ERROR: u8 = 3;
/// No scenario was selected, or none could run.
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
  2    wrong usage or an invalid scenario file; nothing was changed
  3    error: the testbed does not work, or something was left behind
  4    no scenario was selected or none could run
  5    a fault of Plumbline (a bug)
  130  interrupted";
