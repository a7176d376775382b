//! What mutants do. Each function bends one call, after the real plugin ran unless it says otherwise, and fails where it finds
//! nothing to bend.

pub mod address;
pub mod firewall;
pub mod life_cycle;
pub mod link;
pub mod node;
pub mod pod;
pub mod result;
pub mod route;
pub mod rule;
