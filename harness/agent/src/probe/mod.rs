//! What this host and kernel can do, learnt by trying: [`links`] and [`rules`] in a throwaway namespace, [`host`] for all
//! of it.

pub mod host;
pub mod links;
pub mod rules;
