//! What this host is and has, found by looking and trying.

pub mod capability;
pub mod disk;
