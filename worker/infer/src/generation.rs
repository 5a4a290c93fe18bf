//! A decoder at work: many answers are written at once, and requests come and go between two tokens.
//!
//! One thread owns the weights. Each of its steps is one pass through the model, with one token for every answer that is
//! being written and, as far as there is room, parts of prompts that are still to be read. A prompt whose beginning was read
//! before, by whomever, is read from where it differs.

mod slots;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use jobs_core::port::model::{
    FinishReason, ModelError, ModelFault, Timings, TokenLogprob, TopLogprob, Usage, UsageSource,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use self::slots::Slots;
use crate::{
    answer::Answer,
    constraint::Constraint,
    counters::Counters,
    decoder::{Chunk, Decoder},
    queue::Queue,
    sampler::{self, Sampler},
    vocabulary::Vocabulary,
};

/// An answer to be written.
pub(crate) struct Job {
    /// Whose it is.
    pub(crate) group: String,
    /// The tokens to continue; there is one at least.
    pub(crate) prompt: Vec<u32>,
    /// The longest answer, in tokens. With the prompt it fits into the context.
    pub(crate) max_tokens: usize,
    pub(crate) sampler: Sampler,
    pub(crate) constraint: Option<Constraint>,
    pub(crate) stops: Vec<String>,
    /// How many alternatives to tell for each token.
    pub(crate) logprobs: Option<usize>,
    pub(crate) came: Instant,
    pub(crate) cancel: CancellationToken,
    pub(crate) events: UnboundedSender<Event>,
}

/// What happens to an answer.
pub(crate) enum Event {
    /// It has more text, and so many tokens.
    Text(String, u32),
    /// It is done.
    Done(Box<Written>),
    /// It will not be.
    Failed(ModelError),
}

/// A finished answer.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) finish_reason: FinishReason,
    pub(crate) logprobs: Option<Vec<TokenLogprob>>,
    pub(crate) usage: Usage,
    pub(crate) timings: Timings,
}

/// The work of one decoder.
pub(crate) struct Generation {
    decoder: Decoder,
    vocabulary: Arc<Vocabulary>,
    slots: Slots,
    running: Vec<Running>,
    queue: Queue<Job>,
    max_batch_tokens: usize,
    max_queued: usize,
    counters: Arc<Counters>,
}

/// How much a decoder takes on.
pub(crate) struct Bounds {
    pub(crate) slots: usize,
    pub(crate) max_batch_tokens: usize,
    pub(crate) max_queued: usize,
}

/// An answer that is being written.
struct Running {
    job: Job,
    slot: usize,
    /// Tokens that the model has not read: what is left of the prompt, then the last token, and those that were forced.
    pending: Vec<u32>,
    answer: Answer,
    tokens: Vec<u32>,
    logprobs: Vec<TokenLogprob>,
    usage: Usage,
    started: Instant,
    first: Option<Instant>,
}

impl Generation {
    pub(crate) fn new(decoder: Decoder, vocabulary: Arc<Vocabulary>, bounds: &Bounds, counters: Arc<Counters>) -> Self {
        let caches = (0..bounds.slots).map(|_| decoder.cache()).collect();
        Self {
            decoder,
            vocabulary,
            slots: Slots::new(caches),
            running: Vec::new(),
            queue: Queue::new(),
            max_batch_tokens: bounds.max_batch_tokens,
            max_queued: bounds.max_queued,
            counters,
        }
    }

    /// Works until nobody can send jobs any more. `idle` is called when nothing came for `keep_alive`.
    pub(crate) fn run(
        mut self,
        jobs: &mpsc::Receiver<Job>,
        keep_alive: Duration,
        pool: &rayon::ThreadPool,
        idle: impl Fn(),
    ) {
        loop {
            if self.running.is_empty() && self.queue.len() == 0 {
                match jobs.recv_timeout(keep_alive) {
                    Ok(job) => self.enqueue(job),
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        self.slots.clear();
                        idle();
                    }
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
            while let Ok(job) = jobs.try_recv() {
                self.enqueue(job);
            }
            pool.install(|| self.step());
            self.counters.running.store(self.running.len() as u32, Relaxed);
            self.counters.queued.store(self.queue.len() as u32, Relaxed);
        }
    }

    fn enqueue(&mut self, job: Job) {
        if self.queue.len() >= self.max_queued {
            let message = format!("{} requests wait for the model already", self.queue.len());
            let _ = job.events.send(Event::Failed(ModelError::new(ModelFault::Overloaded, message)));
            return;
        }
        let group = job.group.clone();
        self.queue.push(&group, job);
    }

    /// One pass through the model, for all that are written.
    fn step(&mut self) {
        self.leave();
        self.admit();
        if self.running.is_empty() {
            return;
        }
        let takes = self.share();
        let chunk = |(running, take): (&Running, &usize)| (running.slot, running.pending[..*take].to_vec());
        let parts: Vec<(usize, Vec<u32>)> = self.running.iter().zip(&takes).map(chunk).collect();
        let chunks = self.running.iter().zip(&parts);
        let chunks = chunks.map(|(running, (slot, tokens))| Chunk {
            cache: *slot,
            tokens,
            asks: tokens.len() == running.pending.len(),
        });
        let logits = self.decoder.forward(self.slots.caches(), &chunks.collect::<Vec<_>>());
        for (slot, tokens) in &parts {
            self.slots.read(*slot, tokens);
        }
        self.counters.forward_passes.fetch_add(1, Relaxed);
        let mut logits = logits.into_iter();
        let mut ended = Vec::new();
        for (at, (running, take)) in self.running.iter_mut().zip(takes).enumerate() {
            running.pending.drain(..take);
            running.usage.forward_passes += 1;
            if !running.pending.is_empty() {
                continue;
            }
            let Some(mut logits) = logits.next() else { continue };
            if let Some(end) = running.advance(&mut logits, &self.vocabulary) {
                ended.push((at, end));
            }
        }
        for (at, end) in ended.into_iter().rev() {
            let running = self.running.remove(at);
            self.finish(running, end);
        }
    }

    /// Lets those go whom nobody waits for.
    fn leave(&mut self) {
        let canceled = || ModelError::new(ModelFault::Canceled, "somebody asked to stop");
        for job in self.queue.remove(|job| job.cancel.is_cancelled()) {
            let _ = job.events.send(Event::Failed(canceled()));
        }
        let (gone, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.running).into_iter().partition(|running| running.job.cancel.is_cancelled());
        self.running = stay;
        for running in gone {
            self.finish(running, Err(canceled()));
        }
    }

    /// Gives free slots to those who wait.
    fn admit(&mut self) {
        while self.slots.has_free() {
            let cost = |job: &Job| (job.prompt.len() + job.max_tokens) as u64;
            let Some(job) = self.queue.pop(cost) else { return };
            let (slot, known) = self.slots.take(&job.prompt);
            let mut running = Running::new(job, slot, known);
            Counters::add(&self.counters.prompt_tokens, running.job.prompt.len());
            // What the form of the answer begins with in any case is read with the prompt.
            match running.force(&self.vocabulary) {
                Some(end) => self.finish(running, end),
                None => self.running.push(running),
            }
        }
    }

    /// How many pending tokens of each answer this step takes: one of each, then prompts in the order in which they came,
    /// as far as there is room.
    fn share(&self) -> Vec<usize> {
        let mut room = self.max_batch_tokens.saturating_sub(self.running.len());
        let take = |running: &Running| {
            let more = (running.pending.len() - 1).min(room);
            room -= more;
            1 + more
        };
        self.running.iter().map(take).collect()
    }

    fn finish(&mut self, mut running: Running, end: Result<FinishReason, ModelError>) {
        self.slots.give_back(running.slot);
        Counters::add(&self.counters.completion_tokens, running.tokens.len());
        let count = running.tokens.len() as u32;
        let end = end.map(|finish_reason| {
            if let Some(delta) = running.answer.tell_rest() {
                let _ = running.job.events.send(Event::Text(delta, count));
            }
            let now = Instant::now();
            let since = |moment: Instant| moment.duration_since(running.job.came).as_secs_f64() * 1e3;
            Box::new(Written {
                text: running.answer.into_text(),
                finish_reason,
                logprobs: running.job.logprobs.map(|_| running.logprobs),
                usage: Usage { completion_tokens: count, ..running.usage },
                timings: Timings {
                    queue_ms: since(running.started),
                    first_token_ms: since(running.first.unwrap_or(now)),
                    total_ms: since(now),
                },
            })
        });
        // Nobody may listen any more.
        let _ = running.job.events.send(match end {
            Ok(written) => Event::Done(written),
            Err(error) => Event::Failed(error),
        });
    }
}

/// How an answer ends, if it does.
type End = Option<Result<FinishReason, ModelError>>;

impl Running {
    /// A job in its slot, which has read the first `known` tokens of the prompt already.
    fn new(mut job: Job, slot: usize, known: usize) -> Self {
        let usage = Usage {
            prompt_tokens: job.prompt.len() as u32,
            cached_tokens: known as u32,
            source: UsageSource::Exact,
            ..Usage::default()
        };
        Self {
            slot,
            pending: job.prompt[known..].to_vec(),
            answer: Answer::new(std::mem::take(&mut job.stops)),
            tokens: Vec::new(),
            logprobs: Vec::new(),
            usage,
            started: Instant::now(),
            first: None,
            job,
        }
    }

    /// Chooses the next token, and takes what must follow it.
    fn advance(&mut self, logits: &mut [f32], vocabulary: &Vocabulary) -> End {
        let mask = match self.job.constraint.as_mut().map(Constraint::mask) {
            Some(Ok(mask)) => Some(mask),
            Some(Err(error)) => return Some(Err(error)),
            None => None,
        };
        let raw = self.job.logprobs.map(|_| logits.to_vec());
        let mut token = self.job.sampler.choose(logits, mask.as_ref());
        let is_closing = self.is_closing();
        if let (Some(constraint), Some(mask), true) = (&mut self.job.constraint, &mask, is_closing) {
            if constraint.may_end() {
                return Some(Ok(FinishReason::Stop));
            }
            token = constraint.closer(mask).or(token);
        }
        let Some(token) = token else {
            let message = "the form of the answer allows no token";
            return Some(Err(ModelError::new(ModelFault::InvalidModelOutput, message)));
        };
        if vocabulary.is_end(token) {
            return Some(Ok(FinishReason::Stop));
        }
        if let Some(constraint) = &mut self.job.constraint
            && let Err(error) = constraint.take(token)
        {
            return Some(Err(error));
        }
        let probability = raw.map(|raw| sampler::logprobs(&raw, token, self.job.logprobs.unwrap_or(0)));
        let end = self.write(token, probability, vocabulary);
        let end = self.unless_complete(end).or_else(|| self.force(vocabulary));
        if end.is_none() {
            self.tell();
        }
        end
    }

    /// An answer that has all its tokens is not cut off where it may end anyhow.
    fn unless_complete(&mut self, end: End) -> End {
        let is_cut = matches!(end, Some(Ok(FinishReason::Length)));
        let may_end = is_cut && self.job.constraint.as_mut().is_some_and(Constraint::may_end);
        if may_end { Some(Ok(FinishReason::Stop)) } else { end }
    }

    /// Takes the tokens that the form of the answer leaves no choice about.
    fn force(&mut self, vocabulary: &Vocabulary) -> End {
        let Some(constraint) = &mut self.job.constraint else { return None };
        let forced = constraint.take_forced();
        let is_complete = constraint.is_complete();
        let count = forced.len();
        for (at, token) in forced.into_iter().enumerate() {
            if vocabulary.is_end(token) {
                return Some(Ok(FinishReason::Stop));
            }
            self.usage.forced_tokens += 1;
            let probability = self.job.logprobs.map(|_| (0.0, Vec::new()));
            let end = self.write(token, probability, vocabulary);
            if end.is_some() {
                return if at + 1 == count { self.unless_complete(end) } else { end };
            }
        }
        is_complete.then_some(Ok(FinishReason::Stop))
    }

    /// Adds a token to the answer.
    fn write(&mut self, token: u32, probability: Option<Probability>, vocabulary: &Vocabulary) -> End {
        self.first.get_or_insert_with(Instant::now);
        let is_first = self.tokens.is_empty();
        self.tokens.push(token);
        self.pending.push(token);
        self.job.sampler.saw(token);
        if let Some((logprob, top)) = probability {
            let show = |(id, logprob)| TopLogprob { token: vocabulary.show(id), logprob };
            let top = top.into_iter().map(show).collect();
            self.logprobs.push(TokenLogprob { id: token, token: vocabulary.show(token), logprob, top });
        }
        if self.answer.push(vocabulary.word(token, is_first)) {
            return Some(Ok(FinishReason::Stop));
        }
        (self.tokens.len() >= self.job.max_tokens).then_some(Ok(FinishReason::Length))
    }

    fn tell(&mut self) {
        if let Some(delta) = self.answer.tell() {
            let _ = self.job.events.send(Event::Text(delta, self.tokens.len() as u32));
        }
    }

    /// Whether a document should come to its end: the last quarter of what it may have is for that.
    fn is_closing(&self) -> bool {
        self.tokens.len() * 4 >= self.job.max_tokens * 3
    }
}

/// The logarithm of the probability of a token, and those of the most likely ones.
type Probability = (f32, Vec<(u32, f32)>);
