//! A loaded model: its thread, and the way to it.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Weak, atomic::Ordering::Relaxed, mpsc},
    thread,
};

use jobs_core::port::model::{ModelError, ModelFault, ModelStats};
use jobs_inference::registry::{Dtype, Model, Purpose, Source};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use crate::{
    checkpoint::{Checkpoint, invalid},
    constraint::Grammars,
    counters::Counters,
    decoder::Decoder,
    embedding::{self, Embedding},
    encoder::{Encoder, EncoderShape, Pooling},
    generation::{self, Bounds, Generation},
    memory::Reservation,
    shape::Shape,
    template::Template,
    vocabulary::{self, Vocabulary},
};

/// How many requests wait for a model, unless its configuration says so.
const MAX_QUEUED: u32 = 1_024;

/// The files of a model, before its weights are read: what there is to know about it.
pub(crate) struct Opened {
    files: Checkpoint,
    kind: Kind,
    /// The memory that it will take.
    pub(crate) bytes: u64,
}

enum Kind {
    Decoder(Shape),
    Encoder(EncoderShape, Pooling),
}

/// A model whose weights are in memory. When the last of its users lets go its thread ends, and the memory is given back.
pub(crate) struct Loaded {
    pub(crate) revision: Option<String>,
    pub(crate) work: Work,
    slots: u32,
    bytes: u64,
    counters: Arc<Counters>,
    /// Held by its thread as long as it works.
    alive: Weak<()>,
}

/// What a loaded model does.
pub(crate) enum Work {
    Generate(Box<Generator>),
    Embed(Embedder),
}

/// The way to a decoder.
pub(crate) struct Generator {
    pub(crate) vocabulary: Arc<Vocabulary>,
    pub(crate) grammars: Grammars,
    pub(crate) template: Option<Template>,
    /// How many tokens a prompt and its answer may have.
    pub(crate) context: usize,
    pub(crate) jobs: mpsc::Sender<generation::Job>,
}

/// The way to an encoder.
pub(crate) struct Embedder {
    pub(crate) tokenizer: Box<Tokenizer>,
    pub(crate) jobs: mpsc::Sender<embedding::Job>,
}

impl Opened {
    /// Opens the files of a model.
    pub(crate) fn open(model: &Model) -> Result<Self, ModelError> {
        let (path, sha256) = match &model.source {
            Some(Source::Local { path, sha256, .. }) => (path, sha256.as_deref()),
            Some(Source::Hub { hub, .. }) => return Err(invalid(format!("{hub} has not been downloaded"))),
            None => return Err(invalid("it is on other servers")),
        };
        let files = Checkpoint::open(path)?;
        if let Some(expected) = sha256 {
            check_digest(path, expected)?;
        }
        let (kind, per_slot) = if model.purpose == Purpose::Embedding {
            (Kind::Encoder(EncoderShape::of(&files.config)?, Pooling::of(&files)?), 0)
        } else {
            let mut shape = Shape::of(&files.config)?;
            let asked = model.context_length.map_or(shape.context, |length| length as usize);
            if asked > shape.context {
                let made_for = shape.context;
                return Err(invalid(format!("it was made for {made_for} tokens, and not for {asked}")));
            }
            shape.context = asked;
            let per_slot = shape.bytes_per_token() * asked as u64;
            (Kind::Decoder(shape), per_slot)
        };
        let (stored, numbers) = files.numbers();
        let weights = match model.dtype {
            Dtype::AsStored => stored,
            Dtype::F32 => numbers.saturating_mul(4),
            // A block of 32 has a scale of 4 bytes.
            Dtype::Q8_0 => numbers.saturating_mul(36) / 32,
            Dtype::Q4_0 => numbers.saturating_mul(20) / 32,
        };
        let bytes = weights.saturating_add(per_slot.saturating_mul(model.slots.into()));
        Ok(Self { files, kind, bytes })
    }

    /// Reads the weights, and starts the thread that works with them. `idle` is called from there when nothing came for as
    /// long as the model says.
    pub(crate) fn load(
        mut self,
        name: &str,
        model: &Model,
        pool: Arc<rayon::ThreadPool>,
        reservation: Reservation,
        idle: impl Fn() + Send + 'static,
    ) -> Result<Loaded, ModelError> {
        let counters = Arc::<Counters>::default();
        let bytes = reservation.bytes;
        let keep_alive = model.keep_alive;
        let max_queued = model.limits.max_queued.unwrap_or(MAX_QUEUED) as usize;
        let (slots, max_batch_tokens) = (model.slots as usize, model.max_batch_tokens as usize);
        let works = Arc::new(());
        let alive = Arc::downgrade(&works);
        let thread = thread::Builder::new().name(format!("model {name}"));
        let work = match self.kind {
            Kind::Decoder(shape) => {
                let vocabulary = Arc::new(Vocabulary::load(&self.files, shape.vocabulary)?);
                let template = Template::load(&self.files, model.template.as_deref())?;
                let context = shape.context;
                let decoder = Decoder::load(&mut self.files, shape, model.dtype)?;
                let bounds = Bounds { slots, max_batch_tokens, max_queued };
                let generation = Generation::new(decoder, Arc::clone(&vocabulary), &bounds, Arc::clone(&counters));
                let (jobs, work) = mpsc::channel();
                let run = move || {
                    generation.run(&work, keep_alive, &pool, idle);
                    // Given back when the weights are gone.
                    drop((reservation, works));
                };
                thread.spawn(run).map_err(|error| failed(&error))?;
                let grammars = Grammars::new(Arc::clone(&vocabulary));
                Work::Generate(Box::new(Generator { vocabulary, grammars, template, context, jobs }))
            }
            Kind::Encoder(shape, pooling) => {
                let tokenizer = tokenizer(&self.files, shape.context)?;
                let encoder = Encoder::load(&mut self.files, shape, pooling, model.dtype)?;
                let embedding = Embedding::new(encoder, slots, max_batch_tokens, max_queued, Arc::clone(&counters));
                let (jobs, work) = mpsc::channel();
                let run = move || {
                    embedding.run(&work, keep_alive, &pool, idle);
                    drop((reservation, works));
                };
                thread.spawn(run).map_err(|error| failed(&error))?;
                Work::Embed(Embedder { tokenizer: Box::new(tokenizer), jobs })
            }
        };
        let revision = match &model.source {
            Some(Source::Local { revision, .. }) => revision.clone(),
            Some(Source::Hub { revision, .. }) => Some(revision.clone()),
            None => None,
        };
        Ok(Loaded { revision, work, slots: model.slots, bytes, counters, alive })
    }
}

impl Loaded {
    /// Whether its thread has ended, which it does not do by itself as long as anybody has a way to it.
    pub(crate) fn is_dead(&self) -> bool {
        self.alive.strong_count() == 0
    }

    pub(crate) fn stats(&self, model: &str) -> ModelStats {
        ModelStats {
            model: model.to_owned(),
            slots: self.slots,
            running: self.counters.running.load(Relaxed),
            queued: self.counters.queued.load(Relaxed),
            memory_bytes: self.bytes,
            prompt_tokens: self.counters.prompt_tokens.load(Relaxed),
            completion_tokens: self.counters.completion_tokens.load(Relaxed),
            forward_passes: self.counters.forward_passes.load(Relaxed),
        }
    }
}

/// The tokenizer of an encoder, which cuts what is too long: as sentence-transformers says, or as long as the context is.
fn tokenizer(files: &Checkpoint, context: usize) -> Result<Tokenizer, ModelError> {
    let mut tokenizer = vocabulary::open(&files.dir)?;
    let settings = files.json("sentence_bert_config.json")?.unwrap_or_default();
    let longest = settings["max_seq_length"].as_u64().map_or(context, |length| context.min(length as usize));
    let truncation = tokenizers::TruncationParams { max_length: longest, ..Default::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| invalid(error.to_string()))?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}

/// Compares the weights with what the configuration says that they are.
fn check_digest(path: &Path, expected: &str) -> Result<(), ModelError> {
    let weights: PathBuf = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
    let fault = |error: std::io::Error| invalid(format!("{}: {error}", weights.display()));
    let mut file = std::fs::File::open(&weights).map_err(fault)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(fault)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let found = hex::encode(hash.finalize());
    if !found.eq_ignore_ascii_case(expected) {
        return Err(invalid(format!("{} has the SHA-256 {found}, and should have {expected}", weights.display())));
    }
    Ok(())
}

fn failed(error: &std::io::Error) -> ModelError {
    ModelError::new(ModelFault::EngineFailed, format!("cannot start a thread: {error}"))
}
