//! Changing Terway's chain on a real cluster, the profile `terway`: it arrives on every node; when anything fails, is
//! interrupted or killed, the old one is back byte for byte. Each test ends with the cluster as it was.

mod apply;
mod restore;
mod testbed;

use libtest_mimic::{Arguments, Trial};
use testbed::{ChainTestbed, with};

/// The steps of an apply, in order.
const STEPS: [&str; 6] = ["keep", "write", "restart", "await", "compare", "prove"];

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("apply/a_new_chain_reaches_every_node_and_restore_brings_the_old_one_back", || {
            with(apply::arrives)
        }),
        Trial::test("apply/a_chain_that_fails_pods_is_restored", || with(apply::failing)),
        Trial::test("apply/a_refused_chain_changes_nothing", || with(apply::refused)),
        Trial::test("apply/a_context_requires_yes", || with(apply::foreign)),
        Trial::test("apply/an_interrupted_apply_restores_the_old_chain", || with(apply::interrupted)),
        Trial::test("restore/a_chain_written_by_others_is_kept", || with(restore::anothers)),
        Trial::test("apply/a_chain_written_by_others_meanwhile_is_an_error", || with(apply::meanwhile)),
        Trial::test("restore/unreadable_nodes_are_an_error", || with(restore::blind)),
        Trial::test("restore/killed_while_canaries_come_up", || with(restore::canaries)),
        Trial::test("restore/gc_undoes_a_killed_restore", || with(restore::undone)),
        Trial::test("restore/the_next_scenarios_chain_closes_an_open_change", || with(restore::over)),
        Trial::test("restore/gc_ignores_a_change_that_was_closed_elsewhere", || with(restore::elsewhere)),
    ];
    trials.extend(STEPS.map(|step| {
        Trial::test(format!("restore/killed_after_{step}"), move || {
            with(async |testbed: &ChainTestbed| restore::killed(testbed, step).await)
        })
    }));
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
