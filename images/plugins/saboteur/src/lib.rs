//! A stand-in for any CNI plugin that breaks its results on purpose: it runs the real plugin, then bends the kernel, the
//! result, or both, as a mutant of [`table::MUTANTS`] says.
//!
//! It tests tests: what a run does not notice of a mutant, it would not notice of a real plugin either. A mutant that
//! can't be applied makes the call fail with a message that begins with [`settings::NOT_APPLIED`] or [`settings::SKIPPED`],
//! so that it is never taken for one that was missed or caught.
//!
//! | module | content |
//! |---|---|
//! | [`settings`] | the file beside the program: which real plugin, which mutant, for which calls |
//! | [`call`] | one call: the real plugin, its result, the namespaces of pod and node |
//! | [`bend`] | what mutants do, one file for each family |
//! | [`table`] | the mutants |
//! | [`program`] | the program: reads the settings, runs the call, prints the result |

pub mod bend;
pub mod call;
pub mod program;
pub mod settings;
pub mod table;
