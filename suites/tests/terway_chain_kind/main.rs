//! Changing Terway's chain on a real cluster, the profile `terway`: it reaches every node. When a step fails, is
//! interrupted or killed, the old chain is restored byte for byte. Each test restores the cluster's state.

mod apply;
mod restore;
mod testbed;

use libtest_mimic::{Arguments, Trial};
use testbed::{ChainTestbed, run_with_testbed};

/// The steps of an apply, in order.
const STEPS: [&str; 6] = ["keep", "write", "restart", "await", "compare", "prove"];

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("apply/a_new_chain_reaches_every_node_and_restore_brings_the_old_one_back", || {
            run_with_testbed(apply::check_arrival)
        }),
        Trial::test("apply/a_chain_that_fails_pods_is_restored", || run_with_testbed(apply::check_failing_chain)),
        Trial::test("apply/a_refused_chain_changes_nothing", || run_with_testbed(apply::check_refusals)),
        Trial::test("apply/a_context_requires_yes", || run_with_testbed(apply::check_context)),
        Trial::test("apply/an_interrupted_apply_restores_the_old_chain", || {
            run_with_testbed(apply::check_interruption)
        }),
        Trial::test("restore/a_chain_written_by_others_is_kept", || run_with_testbed(restore::check_chain_of_others)),
        Trial::test("apply/a_chain_written_by_others_meanwhile_is_an_error", || {
            run_with_testbed(apply::check_change_by_others)
        }),
        Trial::test("restore/unreadable_nodes_are_an_error", || run_with_testbed(restore::check_unreadable_nodes)),
        Trial::test("restore/killed_while_canaries_come_up", || run_with_testbed(restore::check_kill_during_canaries)),
        Trial::test("restore/gc_undoes_a_killed_restore", || run_with_testbed(restore::check_gc)),
        Trial::test("restore/the_next_scenarios_chain_closes_an_open_change", || {
            run_with_testbed(restore::check_open_change)
        }),
        Trial::test("restore/gc_ignores_a_change_that_was_closed_elsewhere", || {
            run_with_testbed(restore::check_closed_elsewhere)
        }),
    ];
    trials.extend(STEPS.map(|step| {
        Trial::test(format!("restore/killed_after_{step}"), move || {
            run_with_testbed(async |testbed: &ChainTestbed| restore::check_kill_after(testbed, step).await)
        })
    }));
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
