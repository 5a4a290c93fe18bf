//! Random sequences of calls against a store on a real Postgres: after each, the rows, their history and the answer are those of
//! a reference in memory. A sequence that goes wrong is shrunk to a short one.
//!
//! `LONGSHORE_MACHINE_CASES` asks for more sequences, `LONGSHORE_MACHINE_SEED` for those of an earlier run.

mod reference;
mod subject;

use std::sync::atomic::Ordering::Relaxed;

use e2e::{Database, Servers};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;
use reference::Reference;
use subject::Subject;

/// So many sequences take some ten seconds.
const CASES: u32 = 80;
/// So many calls at most are in one of them.
const CALLS: usize = 60;

#[expect(clippy::disallowed_methods, reason = "these variables are for this test, not for the programs")]
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[test]
fn any_sequence_of_calls_leaves_the_rows_the_history_and_the_answers_that_the_law_foretells() {
    let seed: u64 = variable("LONGSHORE_MACHINE_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let cases = variable("LONGSHORE_MACHINE_CASES").unwrap_or(CASES);
    println!("LONGSHORE_MACHINE_SEED={seed} LONGSHORE_MACHINE_CASES={cases}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let sequences = Reference::sequential_strategy(1..CALLS);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let database = runtime.block_on(Database::new(&Servers::shared()));
    runtime.block_on(subject::prepare(&database));
    let store = runtime.block_on(async { database.store() });
    let outcome = runner.run(&sequences, |(mut reference, calls, begun)| {
        runtime.block_on(async {
            let mut subject = Subject::begin(&database, &store, &reference).await;
            for call in calls {
                // What was not begun is the first to be left out of a sequence that went wrong.
                if let Some(begun) = &begun {
                    begun.fetch_add(1, Relaxed);
                }
                reference = Reference::apply(reference, &call);
                subject.apply(&reference, &call).await;
            }
        });
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("with LONGSHORE_MACHINE_SEED={seed}: {error}");
    }
}
