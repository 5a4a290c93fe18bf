//! The smallest kind: it waits, counts and answers what it was told. The template of a kind, and the one to test a set-up with.

use std::time::{Duration, Instant};

use jobs_core::{Fault, JobContext, JobError, JobKind, LogLevel, Progress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// See the module.
pub struct Echo;

/// What to do. Everything may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Comes back in the output.
    #[schemars(length(max = 10_000))]
    pub text: String,
    /// How long to take, in milliseconds.
    #[schemars(range(max = 3_600_000))]
    pub sleep_ms: u64,
    /// Into how many steps the time is divided; each is told as progress.
    #[schemars(range(max = 10_000))]
    pub steps: u32,
    /// So many lines are written to the task's log.
    #[schemars(range(max = 1_000))]
    pub log_lines: u32,
    /// Ends in another way than success, after the time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Misdeed>,
    /// The fault happens in the first so many attempts only; 0 is every one.
    #[schemars(range(max = 100))]
    pub fault_attempts: u32,
}

/// A way to end badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misdeed {
    /// Fail for good.
    Fail,
    /// Fail in a way that another attempt may mend.
    Retry,
    /// Panic.
    Panic,
    /// Take the whole worker process down; only where the operator allows it.
    Crash,
    /// Wait for ever, deaf to cancel.
    Hang,
    /// Compute for ever, deaf to cancel, without ever yielding; only where the operator allows it.
    Spin,
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The text of the input.
    pub text: String,
    /// Which attempt did it.
    pub attempt: u32,
    /// How long it took, in milliseconds.
    pub slept_ms: u64,
}

impl JobKind for Echo {
    const NAME: &'static str = "echo";
    const SUMMARY: &'static str = "Waits, counts and answers what it was told; can be told to fail";
    const TIMEOUT: Duration = Duration::from_secs(3_700);

    type Input = Input;
    type Output = Output;

    fn example() -> Input {
        Input { text: "hello".into(), sleep_ms: 1_000, steps: 10, ..Input::default() }
    }

    fn check(input: &Input) -> Vec<Fault> {
        if input.fault_attempts > 0 && input.fault.is_none() {
            return vec![Fault::new("/fault_attempts", "needs a fault")];
        }
        Vec::new()
    }

    async fn run(input: Input, cx: &JobContext) -> Result<Output, JobError> {
        let began = Instant::now();
        for line in 1..=input.log_lines {
            cx.log(LogLevel::Info, format!("line {line} of {}", input.log_lines));
        }
        count(&input, cx).await?;
        let faulty = input.fault_attempts == 0 || cx.attempt <= input.fault_attempts;
        if let Some(misdeed) = input.fault.filter(|_| faulty) {
            misbehave(misdeed, cx).await?;
        }
        let slept_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Output { text: input.text, attempt: cx.attempt, slept_ms })
    }
}

/// Sleeps the time away, step by step.
async fn count(input: &Input, cx: &JobContext) -> Result<(), JobError> {
    if input.sleep_ms == 0 && input.steps == 0 {
        return Ok(());
    }
    let steps = input.steps.max(1);
    let step = Duration::from_millis(input.sleep_ms) / steps;
    for done in 1..=steps {
        tokio::select! {
            () = tokio::time::sleep(step) => {}
            () = cx.cancel.cancelled() => return Err(JobError::retry("stopped", "asked to stop")),
        }
        if input.steps > 0 {
            cx.progress(Progress {
                percent: Some(100.0 * done as f32 / steps as f32),
                phase: Some("count".into()),
                current: Some(done.into()),
                total: Some(steps.into()),
                unit: Some("steps".into()),
                ..Progress::default()
            });
        }
    }
    Ok(())
}

async fn misbehave(misdeed: Misdeed, cx: &JobContext) -> Result<(), JobError> {
    let allowed = || {
        let refusal = "the operator does not allow this fault (LONGSHORE_WORKER_ECHO_FAULTS)";
        if cx.engines.may_crash { Ok(()) } else { Err(JobError::fail("fault_not_allowed", refusal)) }
    };
    match misdeed {
        Misdeed::Fail => Err(JobError::fail("asked_to_fail", "asked to fail")),
        Misdeed::Retry => Err(JobError::retry("asked_to_retry", "asked to fail, for now")),
        Misdeed::Panic => panic!("asked to panic"),
        Misdeed::Crash => {
            allowed()?;
            std::process::abort()
        }
        Misdeed::Hang => {
            std::future::pending::<()>().await;
            Ok(())
        }
        Misdeed::Spin => {
            allowed()?;
            loop {
                std::hint::spin_loop();
            }
        }
    }
}
