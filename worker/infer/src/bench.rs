//! How fast a model is.

use std::{path::PathBuf, time::Instant};

use anyhow::Context;
use clap::Args;
use futures::future::join_all;
use jobs_core::port::model::{
    Completion, GenerateRequest, GenerationSink, ModelEngine, Prompt, ResponseFormat, Sampling,
};
use tokio_util::sync::CancellationToken;

use crate::{NAME, engine};

/// What to measure.
#[derive(Args)]
pub(crate) struct Bench {
    /// Its directory, or its GGUF file
    model: PathBuf,
    #[arg(long, default_value = "as_stored")]
    dtype: String,
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Words of the prompt
    #[arg(long, default_value_t = 128)]
    prompt: usize,
    /// Tokens of each answer
    #[arg(long, default_value_t = 32)]
    answer: u32,
    /// Answers that are written at once
    #[arg(long, default_value_t = 1)]
    at_once: u32,
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

struct Nowhere;

impl GenerationSink for Nowhere {
    fn text(&self, _delta: &str, _tokens: u32) {}
}

impl Bench {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (engine, _) = engine(&self.model, &self.dtype, self.at_once, self.threads)?;
        let ask = |prompt: String, max_tokens: u32| GenerateRequest {
            model: NAME.to_owned(),
            group: String::new(),
            prompt: Prompt::Text(prompt),
            sampling: Sampling::GREEDY,
            response_format: ResponseFormat::Text,
            max_tokens,
            stop: Vec::new(),
            logprobs: None,
        };
        let started = Instant::now();
        engine.generate(ask("a".to_owned(), 1), &Nowhere, CancellationToken::new()).await?;
        println!("load {:.2} s", started.elapsed().as_secs_f64());
        for round in 0..self.rounds {
            // A beginning of its own for each prompt, so that none is remembered.
            let prompt = |at: u32| {
                let word = |word: usize| format!(" {}", (word * 37 + 11) % 97 + at as usize + 10 * round as usize);
                (0..self.prompt).map(word).collect::<String>()
            };
            let (read, read_time) = self.measure(&engine, |at| ask(prompt(at), 1)).await?;
            let read = read.iter().map(|answer| answer.usage.prompt_tokens - answer.usage.cached_tokens).sum();
            // The same prompts again are remembered, so that only the answers are computed.
            let (written, time) = self.measure(&engine, |at| ask(prompt(at), self.answer)).await?;
            let written = written.iter().map(|answer| answer.usage.completion_tokens).sum();
            println!("read {}; write {}", read_time.rate(read), time.rate(written));
        }
        Ok(())
    }

    async fn measure(
        &self,
        engine: &impl ModelEngine,
        request: impl Fn(u32) -> GenerateRequest,
    ) -> anyhow::Result<(Vec<Completion>, Spent)> {
        let (started, cpu) = (Instant::now(), cpu_seconds()?);
        let answers = (0..self.at_once).map(|at| engine.generate(request(at), &Nowhere, CancellationToken::new()));
        let answers: Result<Vec<_>, _> = join_all(answers).await.into_iter().collect();
        let spent = Spent { seconds: started.elapsed().as_secs_f64(), cpu_seconds: cpu_seconds()? - cpu };
        Ok((answers?, spent))
    }
}

struct Spent {
    seconds: f64,
    cpu_seconds: f64,
}

impl Spent {
    fn rate(&self, tokens: u32) -> String {
        let tokens = f64::from(tokens);
        format!("{:.1} tokens/s, {:.1} per CPU second", tokens / self.seconds, tokens / self.cpu_seconds)
    }
}

/// What this process has used of processors.
fn cpu_seconds() -> anyhow::Result<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u32::try_from(time.tv_sec).context("the processor time is negative")?;
    Ok(f64::from(seconds) + time.tv_nsec as f64 / 1e9)
}
