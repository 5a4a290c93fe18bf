//! An encoder at work: texts of all requests that are there become vectors in one pass, as many as fit into it.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use jobs_core::port::model::{ModelError, ModelFault};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{counters::Counters, encoder::Encoder, queue::Queue};

/// Texts to be turned into vectors.
pub(crate) struct Job {
    /// Whose they are.
    pub(crate) group: String,
    /// The tokens of each.
    pub(crate) texts: Vec<Vec<u32>>,
    pub(crate) came: Instant,
    pub(crate) cancel: CancellationToken,
    pub(crate) done: oneshot::Sender<Result<Vectors, ModelError>>,
}

/// Vectors of texts.
pub(crate) struct Vectors {
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Milliseconds until the first of them was begun.
    pub(crate) queue_ms: f64,
    pub(crate) forward_passes: u32,
}

/// The work of one encoder.
pub(crate) struct Embedding {
    encoder: Encoder,
    /// Requests that are worked on: each takes part in every pass, until all of its texts are done.
    running: VecDeque<Running>,
    queue: Queue<Job>,
    slots: usize,
    max_batch_tokens: usize,
    max_queued: usize,
    counters: Arc<Counters>,
}

struct Running {
    job: Job,
    vectors: Vec<Vec<f32>>,
    started: Instant,
    passes: u32,
}

impl Embedding {
    pub(crate) fn new(
        encoder: Encoder,
        slots: usize,
        max_batch_tokens: usize,
        max_queued: usize,
        counters: Arc<Counters>,
    ) -> Self {
        let (running, queue) = (VecDeque::new(), Queue::new());
        Self { encoder, running, queue, slots, max_batch_tokens, max_queued, counters }
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
                    Err(mpsc::RecvTimeoutError::Timeout) => idle(),
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
            let _ = job.done.send(Err(ModelError::new(ModelFault::Overloaded, message)));
            return;
        }
        let group = job.group.clone();
        self.queue.push(&group, job);
    }

    fn step(&mut self) {
        self.leave();
        while self.running.len() < self.slots {
            let Some(job) = self.queue.pop(|job| job.texts.iter().map(|text| text.len() as u64).sum()) else { break };
            self.running.push_back(Running { job, vectors: Vec::new(), started: Instant::now(), passes: 0 });
        }
        // Who was served first last time is served last this time.
        self.running.rotate_left(usize::from(self.running.len() > 1));
        let mut room = self.max_batch_tokens;
        let mut parts: Vec<(usize, usize)> = Vec::new();
        for (at, running) in self.running.iter().enumerate() {
            let rest = &running.job.texts[running.vectors.len()..];
            for text in rest {
                // The longest text fits into any pass that has nothing else.
                if text.len() > room && !parts.is_empty() {
                    break;
                }
                room = room.saturating_sub(text.len());
                match parts.last_mut() {
                    Some((last, count)) if *last == at => *count += 1,
                    _ => parts.push((at, 1)),
                }
            }
        }
        if parts.is_empty() {
            return;
        }
        let texts = parts.iter().flat_map(|(at, count)| {
            let running = &self.running[*at];
            running.job.texts[running.vectors.len()..][..*count].iter().map(Vec::as_slice)
        });
        let texts: Vec<&[u32]> = texts.collect();
        Counters::add(&self.counters.prompt_tokens, texts.iter().map(|text| text.len()).sum());
        self.counters.forward_passes.fetch_add(1, Relaxed);
        let mut vectors = self.encoder.forward(&texts).into_iter();
        for (at, count) in parts {
            let running = &mut self.running[at];
            running.vectors.extend(vectors.by_ref().take(count));
            running.passes += 1;
        }
        for running in std::mem::take(&mut self.running) {
            if running.vectors.len() < running.job.texts.len() {
                self.running.push_back(running);
                continue;
            }
            let queue_ms = running.started.duration_since(running.job.came).as_secs_f64() * 1e3;
            let vectors = Vectors { vectors: running.vectors, queue_ms, forward_passes: running.passes };
            let _ = running.job.done.send(Ok(vectors));
        }
    }

    /// Lets those go whom nobody waits for.
    fn leave(&mut self) {
        let is_gone = |job: &Job| job.cancel.is_cancelled() || job.done.is_closed();
        let mut gone = self.queue.remove(is_gone);
        let (leave, stay): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.running).into_iter().partition(|running| is_gone(&running.job));
        self.running = stay;
        gone.extend(leave.into_iter().map(|running| running.job));
        for job in gone {
            let _ = job.done.send(Err(ModelError::new(ModelFault::Canceled, "somebody asked to stop")));
        }
    }
}
