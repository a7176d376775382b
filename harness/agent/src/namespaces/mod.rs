//! Network namespaces of a node: creating and entering them, and their sysctls.
//!
//! | module | what is in it |
//! |---|---|
//! | [`sysctls`] | the sysctls that decide what a packet does |
//! | [`named`] | namespaces with a name: paths, creation, entering |
//! | [`target`] | the namespace that a request names |

pub mod named;
pub mod sysctls;
pub mod target;
