//! The testbed on this host: processes, waiting, the journal, leases, the cache, images and the container engine.
//!
//! It has no Kubernetes client. The journal stores only names of Kubernetes objects.
//!
//! Order of the modules; each uses only those before it:
//!
//! 1. [`error`]: the error of the testbed
//! 2. [`ids`]: names that do not clash, and labels
//! 3. [`cpio`]: archives that the kernel unpacks
//! 4. [`inputs`]: files, folders and archives that users name
//! 5. [`probe`]: the properties of this host
//! 6. [`wait`]: deadlines and waits
//! 7. [`folders`]: the cache and the state folder
//! 8. [`agent_client`]: requests to the agent
//! 9. [`exec`]: processes that run to their end, and long-lived ones
//! 10. [`packages`]: packages of the host's distribution
//! 11. [`lease`]: clusters and names that one scenario holds or several share
//! 12. [`journal`]: intended side effects, and their cleanup
//! 13. [`build_error`]: the error of builds and of the cache
//! 14. [`cache`]: build results, by the hash of their inputs
//! 15. `document`: YAML files of `images/` and `clusters/`
//! 16. [`engine`]: the container engine
//! 17. [`images`]: images and tools
//! 18. [`context`]: the context of every lane

pub mod agent_client;
pub mod build_error;
pub mod cache;
pub mod context;
pub mod cpio;
pub(crate) mod document;
pub mod engine;
pub mod error;
pub mod exec;
pub mod folders;
pub mod ids;
pub mod images;
pub mod inputs;
pub mod journal;
pub mod lease;
pub mod packages;
pub mod probe;
pub mod wait;
