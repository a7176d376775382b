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
//! 5. [`go_build`]: the build information of Go programs
//! 6. [`probe`]: the properties of this host
//! 7. [`wait`]: deadlines and waits
//! 8. [`folders`]: the cache and the state folder
//! 9. [`agent_client`]: requests to the agent
//! 10. [`exec`]: processes that run to their end, and long-lived ones
//! 11. [`packages`]: packages of the host's distribution
//! 12. [`lease`]: clusters and names that one scenario holds or several share
//! 13. [`journal`]: intended side effects, and their cleanup
//! 14. [`build_error`]: the error of builds and of the cache
//! 15. [`cache`]: build results, by the hash of their inputs
//! 16. `document`: YAML files of `images/` and `clusters/`
//! 17. [`engine`]: the container engine
//! 18. [`images`]: images and tools
//! 19. [`context`]: the context of every lane

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
pub mod go_build;
pub mod ids;
pub mod images;
pub mod inputs;
pub mod journal;
pub mod lease;
pub mod packages;
pub mod probe;
pub mod wait;
