//! A kind of job: its name, its input and output, its rules, its work.

use std::time::Duration;

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::{
    Engines, Fault, JobContext, JobError, RetryPolicy,
    schema::{Schema, plain_numbers},
};

/// A kind of job. A new one is a folder with this implemented, and a line in the list of kinds.
///
/// An attempt may run more than once, and after a crash it does: running it twice must leave the same world.
pub trait JobKind: Send + Sync + 'static {
    /// Its name, `noun.verb`. It stands in rows and in clients, so it is kept for ever.
    const NAME: &'static str;
    /// What it does, in a sentence.
    const SUMMARY: &'static str;
    /// The queue its tasks wait in unless they ask for another.
    const QUEUE: &'static str = "default";
    /// How long an attempt may run unless the task says otherwise.
    const TIMEOUT: Duration = Duration::from_secs(300);
    /// How many attempts may fail unless the task says otherwise.
    const MAX_ATTEMPTS: u32 = 3;

    /// What it needs. Fields it does not know are errors: `#[serde(deny_unknown_fields)]`.
    type Input: Serialize + DeserializeOwned + JsonSchema + Send;
    /// What it gives.
    type Output: Serialize + JsonSchema + Send;

    /// An input that a reader of the documentation can submit as it is.
    fn example() -> Self::Input;

    /// Puts an input in order before it is checked and stored, for example by trimming white space.
    fn tidy(_input: &mut Value) {}

    /// Everything that is wrong with an input and that its schema cannot say. Pointers are relative to the input.
    fn check(_input: &Self::Input) -> Vec<Fault> {
        Vec::new()
    }

    /// How long an attempt with this input may run, unless the task says so itself.
    fn timeout(_input: &Self::Input) -> Duration {
        Self::TIMEOUT
    }

    /// Whether a worker with these engines can run it.
    fn runs_on(_engines: &Engines) -> bool {
        true
    }

    /// One attempt. Long work looks at `cx.cancel` between its steps.
    fn run(input: Self::Input, cx: &JobContext) -> impl Future<Output = Result<Self::Output, JobError>> + Send;
}

/// What there is to know about a kind without running it.
#[derive(Debug)]
pub struct KindSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The queue its tasks wait in.
    pub queue: &'static str,
    /// How long an attempt may run.
    pub timeout: Duration,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// What it needs.
    pub input: Schema,
    /// What it gives.
    pub output: Schema,
    /// An input that works.
    pub example: Value,
}

/// What a task of a kind has unless it says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// The queue it waits in.
    pub queue: String,
    /// Its priority, from 0 to 9.
    pub priority: u8,
    /// How long an attempt may run, whatever its input; none when the kind decides.
    pub timeout: Option<Duration>,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
}

impl KindSpec {
    /// What its tasks have by itself.
    #[must_use]
    pub fn defaults(&self) -> Defaults {
        Defaults {
            queue: self.queue.to_owned(),
            priority: 0,
            timeout: None,
            max_attempts: self.max_attempts,
            retry: RetryPolicy::default(),
        }
    }
}

/// An input that passed every check.
#[derive(Debug)]
pub struct CheckedInput {
    /// The input as it will be stored.
    pub json: Box<RawValue>,
    /// How long an attempt with it may run unless the task says so.
    pub timeout: Duration,
}

/// A kind whose types are forgotten, as the registry holds it.
pub trait AnyKind: Send + Sync {
    /// What there is to know about it.
    fn spec(&self) -> &KindSpec;

    /// Puts an input in order and checks it.
    ///
    /// # Errors
    /// All faults, with pointers relative to the input.
    fn check(&self, input: Value) -> Result<CheckedInput, Vec<Fault>>;

    /// Whether a worker with these engines can run it.
    fn runs_on(&self, engines: &Engines) -> bool;

    /// One attempt; gives the output as JSON.
    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a JobContext) -> BoxFuture<'a, Result<Box<RawValue>, JobError>>;
}

/// Carries a kind's type into [`AnyKind`].
pub(crate) struct Erased<K> {
    spec: KindSpec,
    kind: std::marker::PhantomData<fn() -> K>,
}

impl<K: JobKind> Erased<K> {
    pub(crate) fn new() -> Self {
        let example = match serde_json::to_value(K::example()) {
            Ok(example) => example,
            Err(error) => panic!("the example of {} is not JSON: {error}", K::NAME),
        };
        let spec = KindSpec {
            name: K::NAME,
            summary: K::SUMMARY,
            queue: K::QUEUE,
            timeout: K::TIMEOUT,
            max_attempts: K::MAX_ATTEMPTS,
            input: Schema::of::<K::Input>(),
            output: Schema::of_output::<K::Output>(),
            example,
        };
        Self { spec, kind: std::marker::PhantomData }
    }
}

impl<K: JobKind> AnyKind for Erased<K> {
    fn spec(&self) -> &KindSpec {
        &self.spec
    }

    fn check(&self, mut input: Value) -> Result<CheckedInput, Vec<Fault>> {
        K::tidy(&mut input);
        plain_numbers(&mut input);
        let faults = self.spec.input.check(&input);
        if !faults.is_empty() {
            return Err(faults);
        }
        let whole = |detail: String| vec![Fault::new("", detail)];
        let parsed: K::Input = serde_json::from_value(input).map_err(|error| whole(error.to_string()))?;
        let faults = K::check(&parsed);
        if !faults.is_empty() {
            return Err(faults);
        }
        let json = serde_json::value::to_raw_value(&parsed).map_err(|error| whole(error.to_string()))?;
        Ok(CheckedInput { json, timeout: K::timeout(&parsed) })
    }

    fn runs_on(&self, engines: &Engines) -> bool {
        K::runs_on(engines)
    }

    fn run<'a>(&'a self, input: &'a RawValue, cx: &'a JobContext) -> BoxFuture<'a, Result<Box<RawValue>, JobError>> {
        Box::pin(async move {
            // The API checked it; a newer or an older one may have had other rules.
            let input = serde_json::from_str(input.get()).map_err(|error| JobError::fail("input_invalid", error))?;
            let output = K::run(input, cx).await?;
            serde_json::value::to_raw_value(&output).map_err(|error| JobError::fail("output_invalid", error))
        })
    }
}
