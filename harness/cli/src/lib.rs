//! The library of the `plumbline` command: for Rust tests of other projects, and for the command itself.
//!
//! Tests import [`prelude`]: open a lane once, stage a scenario or a plan, observe, judge. [`runner`] runs plans over lanes.
//! [`root`] finds the folder with `clusters/`, `images/` and `suites/`.
//!
//! Order of the modules; each uses only those before it. The last three are the command's:
//!
//! 1. `exit`: exit codes
//! 2. `fault`: panics, and the file that was being worked on
//! 3. `interrupt`: Ctrl-C and SIGTERM
//! 4. `root`: the project's folder, or the embedded data
//! 5. `select`: from files, folders and names to plans
//! 6. `registry`: lanes and default-network providers
//! 7. `entry`: the end of a command: messages, clean-up and exit code
//! 8. `session`: the context of lanes
//! 9. `capability`: the file with what each lane offers
//! 10. `releases`: releases of the plugins that the user gave
//! 11. `runner`: plans over lanes
//! 12. `expected`: expected findings of the suite
//! 13. `stored_evidence`: evidence of earlier runs
//! 14. `bench`: an open lane for tests
//! 15. `prelude`: imports for tests
//! 16. `chain`: Terway's chain in the user's files
//! 17. `lint`: users' files and a cluster's objects through the lint
//! 18. `bare`: users' files without a scenario file
//! 19. `requirements`: what proves each requirement
//! 20. `schema`: the schemas of Plumbline's own files
//! 21. `args`: the command line
//! 22. `options`: from the command line to the lanes' options
//! 23. `commands`: the subcommands

pub mod bare;
pub mod bench;
pub mod capability;
pub mod chain;
pub mod entry;
pub mod exit;
pub mod expected;
pub mod fault;
pub mod interrupt;
pub mod lint;
pub mod prelude;
pub mod registry;
pub mod releases;
pub mod requirements;
pub mod root;
pub mod runner;
pub mod schema;
pub mod select;
pub mod session;
pub mod stored_evidence;
