//! The search: every state that can be reached, the nearest first, and whether all can still come to a good end.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
};

/// What is searched.
pub(crate) trait Model {
    /// A state of everything.
    type State: Copy + Eq + Hash + fmt::Display;
    /// One thing that happens.
    type Step: Copy + fmt::Debug;

    /// The same for states that differ in nothing but names: their futures differ in nothing else.
    fn key(&self, state: &Self::State) -> Self::State;
    /// Where everything begins.
    fn start(&self) -> Self::State;
    /// Everything that can happen in a state, and the state after it.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Step, Self::State)>;
    /// What must never be, if this step made it so.
    fn fault(&self, before: &Self::State, step: Self::Step, after: &Self::State) -> Option<&'static str>;
    /// Whether this is one of the things that happen when everything is well and nobody interferes.
    fn is_calm(&self, step: Self::Step) -> bool;
    /// Whether everything has come to a good end.
    fn is_good(&self, state: &Self::State) -> bool;
}

/// What a search saw.
pub(crate) struct Seen {
    /// How many states can be reached.
    pub(crate) states: usize,
    /// How many steps lead from one to another.
    pub(crate) steps: usize,
    /// How many steps the farthest state is away from the start.
    pub(crate) depth: usize,
}

/// The shortest way to something that must not be.
pub(crate) struct Counterexample {
    /// What must not be.
    pub(crate) fault: &'static str,
    /// The steps that lead there, each with the state after it.
    pub(crate) trace: Vec<(String, String)>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.fault)?;
        for (nth, (step, state)) in self.trace.iter().enumerate() {
            write!(f, "\n{:3}. {step:32} {state}", nth + 1)?;
        }
        Ok(())
    }
}

/// What is known of a state that was reached.
struct Reached<S, P> {
    state: S,
    /// The step that led here first, and where from.
    from: Option<(usize, P)>,
    depth: usize,
    /// From where calm steps lead here.
    calm_from: Vec<u32>,
}

/// Looks at everything that can be reached.
///
/// # Errors
/// The shortest way to a step that makes a fault, or to a state from which calm steps lead to no good one.
pub(crate) fn search<M: Model>(model: &M) -> Result<Seen, Counterexample> {
    let start = model.start();
    let mut known = HashMap::from([(model.key(&start), 0)]);
    let mut reached = vec![Reached { state: start, from: None, depth: 0, calm_from: Vec::new() }];
    let (mut at, mut steps) = (0, 0);
    while at < reached.len() {
        let before = reached[at].state;
        let depth = reached[at].depth + 1;
        for (step, after) in model.steps(&before) {
            steps += 1;
            let to = *known.entry(model.key(&after)).or_insert_with(|| {
                reached.push(Reached { state: after, from: Some((at, step)), depth, calm_from: Vec::new() });
                reached.len() - 1
            });
            if let Some(fault) = model.fault(&before, step, &after) {
                let mut trace = trace(&reached, at);
                trace.push((format!("{step:?}"), after.to_string()));
                return Err(Counterexample { fault, trace });
            }
            if model.is_calm(step) {
                reached[to].calm_from.push(u32::try_from(at).expect("fewer states than that"));
            }
        }
        at += 1;
    }
    if let Some(lost) = hopeless(model, &reached) {
        return Err(Counterexample {
            fault: "nothing that may happen brings this to its end",
            trace: trace(&reached, lost),
        });
    }
    let depth = reached.last().map_or(0, |last| last.depth);
    Ok(Seen { states: reached.len(), steps, depth })
}

/// The nearest state from which calm steps lead to no good one, found by going back from all good ones.
fn hopeless<M: Model>(model: &M, reached: &[Reached<M::State, M::Step>]) -> Option<usize> {
    let mut hopeful: Vec<bool> = reached.iter().map(|reached| model.is_good(&reached.state)).collect();
    let mut next: VecDeque<usize> = (0..reached.len()).filter(|at| hopeful[*at]).collect();
    while let Some(at) = next.pop_front() {
        for from in &reached[at].calm_from {
            let from = *from as usize;
            if !std::mem::replace(&mut hopeful[from], true) {
                next.push_back(from);
            }
        }
    }
    hopeful.iter().position(|hopeful| !hopeful)
}

fn trace<S: fmt::Display, P: Copy + fmt::Debug>(reached: &[Reached<S, P>], mut at: usize) -> Vec<(String, String)> {
    let mut trace = Vec::new();
    while let Some((from, step)) = reached[at].from {
        trace.push((format!("{step:?}"), reached[at].state.to_string()));
        at = from;
    }
    trace.reverse();
    trace
}
