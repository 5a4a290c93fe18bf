//! The law under an exhaustive search: two workers, a scheduler, a Redis that forgets, and what may go wrong between any two
//! of their steps. What moves a row is [`jobs_core::State::on`] itself.
//!
//! A fault is a crash, a silence that is taken for one, a lost answer, a lost push, an empty Redis. How many of them meet on
//! one way decides how far the search goes: `LONGSHORE_MODEL_FAULTS=3` takes minutes.

mod rules;
mod scheduler;
mod search;
mod workers;
mod world;

use rules::Rules;
use search::search;

/// So many more faults than usual, if somebody has the time.
#[expect(clippy::disallowed_methods, reason = "this variable is for this test, not for the programs")]
fn faults(usual: u8) -> u8 {
    std::env::var("LONGSHORE_MODEL_FAULTS").ok().and_then(|faults| faults.parse().ok()).unwrap_or(usual)
}

/// Searches, and says how far.
fn holds(rules: Rules) {
    match search(&rules) {
        Ok(seen) => println!(
            "{} task(s), {} fault(s): {} states, {} steps, the farthest after {}",
            rules.tasks, rules.faults, seen.states, seen.steps, seen.depth
        ),
        Err(found) => panic!("{found}"),
    }
}

/// Searches without one of the safeguards, and gives what that leads to.
fn fault(rules: Rules) -> &'static str {
    let Err(found) = search(&rules) else { panic!("nothing is found with {rules:?}") };
    println!("{found}");
    found.fault
}

#[test]
fn a_task_ends_once_and_always_can_whatever_goes_wrong() {
    holds(Rules::new(1, faults(2)));
}

#[test]
fn two_tasks_do_not_stand_in_each_other_s_way() {
    holds(Rules::new(2, faults(0)));
}

#[test]
fn without_the_fence_a_worker_that_was_taken_for_dead_is_believed() {
    let found = fault(Rules { fence: false, ..Rules::new(1, 1) });
    assert_eq!(found, "a word was believed of an attempt that does not hold the task");
}

#[test]
fn each_of_the_other_safeguards_is_needed_for_everything_to_end() {
    let all = Rules::new(1, 1);
    for without in [Rules { dispatcher: false, ..all }, Rules { audit: false, ..all }, Rules { reaper: false, ..all }] {
        assert_eq!(fault(without), "nothing that may happen brings this to its end", "{without:?}");
    }
}
