//! Tools for models: making one to try things with, asking one, and measuring one.

mod bench;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use engine_infer::{Family, LocalEngine, Tiny};
use jobs_core::port::model::{GenerationSink, Message, ModelEngine, Role};
use jobs_inference::{
    InferInput, Registry,
    registry::{Model, Request},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(name = "longshore-infer", version, about = "Tools for language models")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a model with random weights, for tests and demonstrations
    MakeTiny(MakeTiny),
    /// Ask a model in a directory or a GGUF file, and print its answer as it is written
    Ask(Ask),
    /// Measure how fast a model reads and writes, in tokens per second and per second of a processor
    Bench(bench::Bench),
}

#[derive(Args)]
struct MakeTiny {
    /// The directory for its files
    dir: PathBuf,
    #[arg(long, value_enum, default_value = "llama")]
    family: FamilyName,
    /// The same seed makes the same files
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long)]
    vocabulary: Option<usize>,
    #[arg(long)]
    hidden: Option<usize>,
    #[arg(long)]
    intermediate: Option<usize>,
    #[arg(long)]
    layers: Option<usize>,
    #[arg(long)]
    heads: Option<usize>,
    #[arg(long)]
    key_heads: Option<usize>,
    #[arg(long)]
    context: Option<usize>,
    /// Store its weights in 16 bits
    #[arg(long)]
    half: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FamilyName {
    Llama,
    Qwen2,
    Qwen3,
    Bert,
}

#[derive(Args)]
struct Ask {
    /// Its directory, or its GGUF file
    model: PathBuf,
    /// What to say to it
    message: String,
    /// How its weights are held in memory
    #[arg(long, default_value = "as_stored")]
    dtype: String,
    /// A file with a JSON Schema for the answer
    #[arg(long)]
    schema: Option<PathBuf>,
    #[arg(long, default_value_t = 256)]
    max_tokens: u32,
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::MakeTiny(tiny) => tiny.run(),
        Command::Ask(ask) => block_on(ask.run()),
        Command::Bench(bench) => block_on(bench.run()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The one model of these tools.
const NAME: &str = "it";

/// An engine that has one model.
fn engine(path: &Path, dtype: &str, slots: u32, threads: u32) -> anyhow::Result<(LocalEngine, Registry)> {
    let model = json!({ "purpose": "chat", "source": { "path": path }, "dtype": dtype, "slots": slots });
    let model: Model = serde_json::from_value(model).context("this is no model")?;
    let mut registry = Registry::default();
    registry.inference.threads = threads;
    registry.models.insert(NAME.to_owned(), model);
    Ok((LocalEngine::new(registry.clone())?, registry))
}

impl MakeTiny {
    fn run(self) -> anyhow::Result<()> {
        let family = match self.family {
            FamilyName::Llama => Family::Llama,
            FamilyName::Qwen2 => Family::Qwen2,
            FamilyName::Qwen3 => Family::Qwen3,
            FamilyName::Bert => Family::Bert,
        };
        let tiny = Tiny::new(family, self.seed);
        let tiny = Tiny {
            vocabulary: self.vocabulary.unwrap_or(tiny.vocabulary),
            hidden: self.hidden.unwrap_or(tiny.hidden),
            intermediate: self.intermediate.unwrap_or(tiny.intermediate),
            layers: self.layers.unwrap_or(tiny.layers),
            heads: self.heads.unwrap_or(tiny.heads),
            key_heads: self.key_heads.unwrap_or(tiny.key_heads),
            context: self.context.unwrap_or(tiny.context),
            half: self.half,
            ..tiny
        };
        tiny.write(&self.dir).with_context(|| format!("write the model to {}", self.dir.display()))
    }
}

impl Ask {
    async fn run(self) -> anyhow::Result<()> {
        let (engine, registry) = engine(&self.model, &self.dtype, 1, 0)?;
        let message = Message { role: Role::User, content: self.message };
        let format = match &self.schema {
            Some(path) => {
                let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path)?)?;
                json!({ "type": "json_schema", "json_schema": { "schema": schema } })
            }
            None => json!({ "type": "text" }),
        };
        let input: InferInput = serde_json::from_value(json!({
            "model": NAME, "messages": [message], "max_tokens": self.max_tokens, "response_format": format,
            "sampling": { "temperature": self.temperature, "seed": self.seed },
        }))?;
        let faults = |faults: Vec<jobs_core::Fault>| {
            let lines = faults.into_iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail));
            anyhow::anyhow!(lines.collect::<Vec<_>>().join("\n"))
        };
        let found = input.check();
        if !found.is_empty() {
            return Err(faults(found));
        }
        let Request::Generate(request) = registry.resolve(input, "", 0).map_err(faults)? else {
            anyhow::bail!("this model does not write");
        };
        let completion = engine.generate(request, &Stdout, CancellationToken::new()).await?;
        println!();
        eprintln!("{}", serde_json::to_string(&(completion.finish_reason, completion.usage, completion.timings))?);
        Ok(())
    }
}

/// Prints an answer as it is written.
struct Stdout;

impl GenerationSink for Stdout {
    fn text(&self, delta: &str, _tokens: u32) {
        print!("{delta}");
        // An answer that nobody can see goes on: its reader may only have had enough.
        let _ = std::io::stdout().flush();
    }
}
