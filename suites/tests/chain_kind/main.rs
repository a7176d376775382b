//! Changing Terway's chain on a real cluster, the profile `terway`: it arrives on every node; when anything fails, is
//! interrupted or killed, the old one is back byte for byte. Each test ends with the cluster as it was.

mod apply;
mod bed;
mod restore;

use bed::{Bed, with};
use libtest_mimic::{Arguments, Trial};

/// The steps of an apply, in order.
const STEPS: [&str; 6] = ["keep", "write", "restart", "await", "compare", "prove"];

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("apply/the_chain_arrives_on_every_node_and_the_old_one_comes_back", || with(apply::arrives)),
        Trial::test("apply/a_chain_that_fails_pods_is_put_back", || with(apply::failing)),
        Trial::test("apply/what_is_not_fit_touches_nothing", || with(apply::refused)),
        Trial::test("apply/a_context_wants_a_yes", || with(apply::foreign)),
        Trial::test("apply/interrupted_it_puts_the_old_chain_back", || with(apply::interrupted)),
        Trial::test("restore/what_somebody_else_wrote_is_left_alone", || with(restore::anothers)),
        Trial::test("apply/what_somebody_writes_meanwhile_is_no_pass", || with(apply::meanwhile)),
        Trial::test("restore/nodes_that_nobody_could_read_are_no_pass", || with(restore::blind)),
        Trial::test("restore/killed_while_canaries_come_up", || with(restore::canaries)),
        Trial::test("restore/gc_undoes_what_a_killed_one_left", || with(restore::undone)),
        Trial::test("restore/what_was_left_open_is_over_with_the_next_scenarios_chain", || with(restore::over)),
        Trial::test("restore/gc_leaves_alone_what_was_seen_to_elsewhere", || with(restore::elsewhere)),
    ];
    trials.extend(STEPS.map(|step| {
        Trial::test(format!("restore/killed_after_{step}"), move || {
            with(async |bed: &Bed| restore::killed(bed, step).await)
        })
    }));
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
