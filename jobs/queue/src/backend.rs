//! The queue as apalis sees it: a backend that feeds a worker.
//!
//! Fetching happens in a task of its own that fills a bounded channel, so a worker that is busy delays nobody, and a fetch is
//! never dropped half way. The backend never fails: a source that meets an outage waits for its end.

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::Task,
    worker::context::WorkerContext,
};
use futures::FutureExt;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::Load;

/// Where tasks come from.
pub trait Source: Send + Sync + 'static {
    /// A task that is ours to run.
    type Item: Send + 'static;

    /// Takes at most `want` tasks, waiting until there is one. Gives none only when `stop` is cancelled; a fetch that is
    /// under way then is brought to its end.
    fn next(&self, want: usize, stop: &CancellationToken) -> impl Future<Output = Vec<Self::Item>> + Send;

    /// Gives back tasks that were taken and not started.
    fn give_back(&self, items: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// Feeds an apalis worker from a [`Source`].
pub struct Feed<S: Source> {
    source: Arc<S>,
    load: Arc<Load>,
    stop: CancellationToken,
    items: Option<mpsc::Receiver<S::Item>>,
    closing: Option<JoinHandle<()>>,
}

impl<S: Source> Feed<S> {
    /// A feed that takes what `load` has room for, until `stop` is cancelled.
    #[must_use]
    pub fn new(source: Arc<S>, load: Arc<Load>, stop: CancellationToken) -> Self {
        Self { source, load, stop, items: None, closing: None }
    }

    fn start(&self) -> mpsc::Receiver<S::Item> {
        let (sender, receiver) = mpsc::channel(1024);
        let (source, load, stop) = (self.source.clone(), self.load.clone(), self.stop.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                let room = load.room();
                if room == 0 {
                    tokio::select! { () = load.freed() => {}, () = stop.cancelled() => {} }
                    continue;
                }
                let items = source.next(room, &stop).await;
                load.take(items.len());
                for item in items {
                    // The channel holds more than a load ever allows, so this does not wait; it fails only when the
                    // worker is gone, and then the lease ends and the task is taken back.
                    if sender.send(item).await.is_err() {
                        return;
                    }
                }
            }
        });
        receiver
    }

    /// Gives back what was taken and not started.
    fn close(&mut self) {
        let Some(mut items) = self.items.take() else { return };
        let (source, load) = (self.source.clone(), self.load.clone());
        self.closing = Some(tokio::spawn(async move {
            let mut left = Vec::new();
            // Ends when the fetching task has ended: nothing it took can be missed.
            while let Some(item) = items.recv().await {
                left.push(item);
            }
            load.give_back(left.len());
            source.give_back(left).await;
        }));
    }
}

impl<S: Source> Backend for Feed<S> {
    type Task = Task<S::Item>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        if self.items.is_none() && self.closing.is_none() {
            self.items = Some(self.start());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let Some(items) = self.items.as_mut() else { return Poll::Ready(None) };
        if self.stop.is_cancelled() {
            // What is left in the channel is given back at once, while what runs goes on.
            self.close();
            return Poll::Ready(None);
        }
        let item = ready!(items.poll_recv(cx));
        Poll::Ready(item.map(|item| Ok(Task::new(item))))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        self.close();
        if let Some(closing) = &mut self.closing {
            // A panic in it was logged by its task.
            let _ = ready!(closing.poll_unpin(cx));
            self.closing = None;
        }
        // A worker whose backend has ended still waits for somebody to stop it; it is an error if somebody did.
        let _ = worker.stop();
        Poll::Ready(Ok(()))
    }
}

impl<S: Source> BackendConfig for Feed<S> {
    type Args = S::Item;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Load;
    type Layer = tower_layer::Identity;

    fn config(&self) -> &Load {
        &self.load
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> tower_layer::Identity {
        tower_layer::Identity::new()
    }
}
