//! The engine: models that are loaded when somebody asks, and go when others need the memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::Instant,
};

use anyhow::Context;
use futures::future::BoxFuture;
use jobs_core::port::model::{
    Completion, EmbedRequest, Embeddings, FinishReason, GenerateRequest, GenerationSink, ModelEngine, ModelError,
    ModelFault, ModelStats, Prompt, Timings, Usage, UsageSource,
};
use jobs_inference::{
    conform,
    registry::{Model, Registry},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    embedding,
    generation::{self, Event},
    memory::{Memory, Reservation},
    model::{Embedder, Generator, Loaded, Opened, Work},
    sampler::Sampler,
};

/// Runs the local models of a registry in this process.
#[derive(Clone)]
pub struct LocalEngine {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    pool: Arc<rayon::ThreadPool>,
    memory: Arc<Memory>,
    resident: Mutex<HashMap<String, Resident>>,
    /// Who loads a model holds its lock, so that nobody else loads it, too.
    loading: HashMap<String, tokio::sync::Mutex<()>>,
}

struct Resident {
    model: Arc<Loaded>,
    used: Instant,
    pinned: bool,
}

impl Resident {
    /// Whether nobody uses it. Users are counted while the table of residents is locked, so it stays so meanwhile.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.model) == 1
    }
}

/// A model that somebody uses.
struct Lease {
    /// None when it was dropped.
    model: Option<Arc<Loaded>>,
    memory: Arc<Memory>,
}

impl Lease {
    fn model(&self) -> Result<&Loaded, ModelError> {
        self.model.as_deref().ok_or_else(gone)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.model = None;
        // Whoever waits for memory may unload it now.
        self.memory.room.notify_waiters();
    }
}

impl LocalEngine {
    /// An engine for the models of `registry`. Nothing is loaded yet.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn new(registry: Registry) -> anyhow::Result<Self> {
        let threads = match registry.inference.threads as usize {
            0 => thread::available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            threads => threads,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("model {at}"));
        let pool = Arc::new(pool.build().context("start the threads that compute")?);
        let memory = Memory::new(registry.inference.memory_limit.bytes());
        let loading = registry.models.keys().map(|name| (name.clone(), tokio::sync::Mutex::default())).collect();
        let resident = Mutex::default();
        Ok(Self { shared: Arc::new(Shared { registry, pool, memory, resident, loading }) })
    }
}

impl ModelEngine for LocalEngine {
    fn generate<'a>(
        &'a self,
        request: GenerateRequest,
        sink: &'a dyn GenerationSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        Box::pin(async move {
            let came = Instant::now();
            let lease = unless(&cancel, self.shared.lease(&request.model)).await??;
            let revision = lease.model()?.revision.clone();
            let (events, mut told) = mpsc::unbounded_channel();
            // When this future is dropped the answer is given up.
            let stop = cancel.child_token();
            let _stop = stop.clone().drop_guard();
            let format = request.response_format.clone();
            let lease = tokio::task::spawn_blocking(move || -> Result<Lease, ModelError> {
                let Work::Generate(generator) = &lease.model()?.work else {
                    return Err(ModelError::new(ModelFault::UnknownModel, "this model does not write").at("/model"));
                };
                let job = job(generator, request, came, stop, events)?;
                generator.jobs.send(job).map_err(|_| gone())?;
                Ok(lease)
            });
            let _lease = lease.await.map_err(|_| gone())??;
            while let Some(event) = told.recv().await {
                match event {
                    Event::Text(delta, tokens) => sink.text(&delta, tokens),
                    Event::Failed(error) => return Err(error),
                    Event::Done(written) => {
                        let is_whole = written.finish_reason == FinishReason::Stop;
                        let parsed = if is_whole { conform(&format, &written.text)? } else { None };
                        return Ok(Completion {
                            text: written.text,
                            parsed,
                            finish_reason: written.finish_reason,
                            logprobs: written.logprobs,
                            usage: written.usage,
                            timings: written.timings,
                            model_revision: revision,
                        });
                    }
                }
            }
            Err(gone())
        })
    }

    fn embed<'a>(
        &'a self,
        request: EmbedRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Embeddings, ModelError>> {
        Box::pin(async move {
            let came = Instant::now();
            let lease = unless(&cancel, self.shared.lease(&request.model)).await??;
            let revision = lease.model()?.revision.clone();
            let (done, vectors) = oneshot::channel();
            let stop = cancel.child_token();
            let _stop = stop.clone().drop_guard();
            let sent = tokio::task::spawn_blocking(move || -> Result<(Lease, u32), ModelError> {
                let Work::Embed(embedder) = &lease.model()?.work else {
                    return Err(ModelError::new(ModelFault::UnknownModel, "this model makes no vectors").at("/model"));
                };
                let texts = tokens(embedder, &request.texts)?;
                let count = texts.iter().map(Vec::len).sum::<usize>() as u32;
                let job = embedding::Job { group: request.group, texts, came, cancel: stop, done };
                embedder.jobs.send(job).map_err(|_| gone())?;
                Ok((lease, count))
            });
            let (_lease, prompt_tokens) = sent.await.map_err(|_| gone())??;
            let vectors = vectors.await.map_err(|_| gone())??;
            let total_ms = came.elapsed().as_secs_f64() * 1e3;
            let usage = Usage {
                prompt_tokens,
                forward_passes: vectors.forward_passes,
                source: UsageSource::Exact,
                ..Usage::default()
            };
            let timings = Timings { queue_ms: vectors.queue_ms, first_token_ms: total_ms, total_ms };
            Ok(Embeddings { vectors: vectors.vectors, usage, timings, model_revision: revision })
        })
    }

    fn stats(&self) -> Vec<ModelStats> {
        let resident = self.shared.resident();
        let mut stats: Vec<_> = resident.iter().map(|(name, resident)| resident.model.stats(name)).collect();
        stats.sort_by(|a, b| a.model.cmp(&b.model));
        stats
    }
}

impl Shared {
    /// A model, loaded when it was not.
    async fn lease(self: &Arc<Self>, name: &str) -> Result<Lease, ModelError> {
        let unknown = || ModelError::new(ModelFault::UnknownModel, format!("no model is called {name}")).at("/model");
        let model = self.registry.models.get(name).ok_or_else(unknown)?;
        if let Some(lease) = self.resident_lease(name) {
            return Ok(lease);
        }
        let _loading = self.loading.get(name).ok_or_else(unknown)?.lock().await;
        // Somebody else may have loaded it while this waited.
        if let Some(lease) = self.resident_lease(name) {
            return Ok(lease);
        }
        let loaded = Arc::new(self.load(name, model).await?);
        let lease = self.lease_of(Arc::clone(&loaded));
        let resident = Resident { model: loaded, used: Instant::now(), pinned: model.pinned };
        self.resident().insert(name.to_owned(), resident);
        Ok(lease)
    }

    async fn load(self: &Arc<Self>, name: &str, model: &Model) -> Result<Loaded, ModelError> {
        let started = Instant::now();
        let opened = {
            let model = model.clone();
            tokio::task::spawn_blocking(move || Opened::open(&model)).await.map_err(|_| gone())??
        };
        let bytes = opened.bytes;
        let reservation = self.reserve(bytes).await?;
        let engine = Arc::downgrade(self);
        let (pool, model, own) = (Arc::clone(&self.pool), model.clone(), name.to_owned());
        let idle = move || retire(&engine, &own);
        let thread = name.to_owned();
        let load = move || opened.load(&thread, &model, pool, reservation, idle);
        let loaded = tokio::task::spawn_blocking(load).await.map_err(|_| gone())??;
        let took_ms = started.elapsed().as_millis() as u64;
        tracing::info!(model = name, bytes, took_ms, "loaded model {name}");
        Ok(loaded)
    }

    /// Room for a model, made by unloading others where it must be; waits until those in use are not.
    async fn reserve(&self, bytes: u64) -> Result<Reservation, ModelError> {
        let pinned: u64 = {
            let resident = self.resident();
            resident
                .iter()
                .filter(|(_, other)| other.pinned)
                .map(|(name, other)| other.model.stats(name).memory_bytes)
                .sum()
        };
        let limit = self.memory.limit();
        if bytes.saturating_add(pinned) > limit {
            let message = format!("it needs {bytes} bytes, and models may have {limit}, of which {pinned} are pinned");
            return Err(ModelError::new(ModelFault::ModelTooLarge, message));
        }
        loop {
            let room = self.memory.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(reservation) = self.memory.reserve(bytes) {
                return Ok(reservation);
            }
            self.unload_oldest();
            room.await;
        }
    }

    /// Lets the model go that was not used for longest, if there is one that nobody uses. Its thread gives the memory back
    /// when it has ended.
    fn unload_oldest(&self) {
        let mut resident = self.resident();
        let idle = resident.iter().filter(|(_, other)| other.is_idle() && !other.pinned);
        let oldest = idle.min_by_key(|(_, other)| other.used).map(|(name, _)| name.clone());
        if let Some(name) = oldest {
            resident.remove(&name);
            tracing::info!(model = name, "unloaded model {name}: others need its memory");
        }
    }

    fn resident_lease(&self, name: &str) -> Option<Lease> {
        let mut resident = self.resident();
        let found = resident.get_mut(name)?;
        if found.model.is_dead() {
            // A fault of ours ended its thread. It is loaded again.
            resident.remove(name);
            return None;
        }
        found.used = Instant::now();
        Some(self.lease_of(Arc::clone(&found.model)))
    }

    fn lease_of(&self, model: Arc<Loaded>) -> Lease {
        Lease { model: Some(model), memory: Arc::clone(&self.memory) }
    }

    fn resident(&self) -> MutexGuard<'_, HashMap<String, Resident>> {
        self.resident.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unloads a model that nobody has used for as long as its configuration says.
fn retire(engine: &Weak<Shared>, name: &str) {
    let Some(engine) = engine.upgrade() else { return };
    let mut resident = engine.resident();
    if resident.get(name).is_some_and(|other| other.is_idle() && !other.pinned) {
        resident.remove(name);
        tracing::info!(model = name, "unloaded model {name}: nobody used it");
    }
}

/// What comes of a future, unless somebody asks to stop before.
async fn unless<T>(cancel: &CancellationToken, future: impl Future<Output = T>) -> Result<T, ModelError> {
    let canceled = || ModelError::new(ModelFault::Canceled, "somebody asked to stop");
    cancel.run_until_cancelled(future).await.ok_or_else(canceled)
}

/// The work that a request means for a decoder.
fn job(
    generator: &Generator,
    request: GenerateRequest,
    came: Instant,
    cancel: CancellationToken,
    events: mpsc::UnboundedSender<Event>,
) -> Result<generation::Job, ModelError> {
    let (text, is_marked, pointer) = match request.prompt {
        Prompt::Chat(messages) => {
            let template = generator.template.as_ref().ok_or_else(|| {
                ModelError::new(ModelFault::TemplateRefused, "this model has no template for conversations")
                    .at("/messages")
            })?;
            (template.render(&messages)?, false, "/messages")
        }
        Prompt::Text(text) => (text, true, "/prompt"),
    };
    // The answer has one token at least.
    let most = generator.context - 1;
    let prompt = generator.vocabulary.encode(&text, is_marked, most).map_err(|error| error.at(pointer))?;
    if prompt.is_empty() {
        return Err(ModelError::new(ModelFault::TemplateRefused, "the prompt has no tokens").at(pointer));
    }
    let constraint = generator.grammars.constraint(&request.response_format)?;
    Ok(generation::Job {
        group: request.group,
        max_tokens: (request.max_tokens as usize).clamp(1, generator.context - prompt.len()),
        sampler: Sampler::new(request.sampling, &prompt),
        prompt,
        constraint,
        stops: request.stop,
        logprobs: request.logprobs.map(usize::from),
        came,
        cancel,
        events,
    })
}

fn tokens(embedder: &Embedder, texts: &[String]) -> Result<Vec<Vec<u32>>, ModelError> {
    let encode = |text: &String| {
        let encoding = embedder.tokenizer.encode_fast(text.as_str(), true);
        let failed = |error: tokenizers::Error| ModelError::new(ModelFault::EngineFailed, error.to_string());
        encoding.map(|encoding| encoding.get_ids().to_vec()).map_err(failed)
    };
    texts.iter().map(encode).collect()
}

/// The thread of a model ended while somebody waited for it.
fn gone() -> ModelError {
    ModelError::new(ModelFault::EngineFailed, "the engine of the model ended unexpectedly")
}
