//! The private node: namespaces of its own, a root of its own, and this program as its PID 1.
//!
//! [`outer`] runs on the host: it makes the user namespace (where needed) and the PID namespace, and starts [`init`] in
//! it. `init` makes the rest and serves the protocol. Nothing is mounted, linked or named outside; so when PID 1 ends,
//! by whatever cause, the kernel takes everything away (`pid_namespaces(7)`).
//!
//! A bed may have more than the one node ([`nodes`]), and hosts outside ([`hosts`]): [`topology`] makes them all, in the
//! same program.

pub mod arguments;
pub mod borrowed;
pub mod bridges;
pub mod etc;
pub mod firewall;
pub mod hosts;
pub mod init;
pub mod links;
pub mod mounts;
pub mod nodes;
pub mod outer;
pub mod pods;
pub mod ports;
pub mod root;
pub mod rung;
pub mod settle;
pub mod spaces;
pub mod sysctls;
pub mod terway;
pub mod topology;
