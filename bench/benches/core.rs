//! The hot functions of the core, alone: what every submission and every move of a task costs before any server is asked.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jobs_core::{Event, State};
use serde_json::json;

/// The check of an input by the schema and the rules of its kind.
fn check(criterion: &mut Criterion) {
    let registry = jobs_kinds::registry();
    for name in ["echo", "video.generate"] {
        let Some(kind) = registry.get(name) else { panic!("there is no kind {name}") };
        let example = kind.spec().example.clone();
        criterion.bench_function(&format!("check the input of {name}"), |bencher| {
            bencher.iter(|| kind.check(black_box(example.clone())));
        });
    }
    let Some(echo) = registry.get("echo") else { panic!("there is no kind echo") };
    let faulty = json!({ "sleep_ms": -1, "unknown": true, "steps": "many" });
    criterion.bench_function("check an input with three faults", |bencher| {
        bencher.iter(|| echo.check(black_box(faulty.clone())));
    });
}

/// The law, for a life without incidents.
fn law(criterion: &mut Criterion) {
    criterion.bench_function("three moves of a task", |bencher| {
        bencher.iter(|| {
            let moves = [Event::Due, Event::Start, Event::Succeed];
            moves.into_iter().try_fold(black_box(State::Scheduled), |state, event| state.on(black_box(event)))
        });
    });
}

criterion_group!(core, check, law);
criterion_main!(core);
