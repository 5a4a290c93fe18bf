//! From events to deliveries: each event becomes one message, and a delivery for everybody who listens.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use aws_lc_rs::digest;
use jobs_core::{LaneId, MessageId, ProjectId, TaskId, WebhookId};
use jobs_store::{
    Artifact, Channel, Pulse, Store, StoreError,
    webhook::{About, Happened, Listening, Moved, NewDelivery, NewMessage},
};
use jobs_view::Links;
use tokio::sync::watch;
use url::Url;

use crate::{
    filter::hears,
    message,
    metrics::{MADE, MESSAGES},
    pattern::matches,
};

/// So many events become messages in one statement.
const BATCH: u32 = 500;
/// So many tasks are looked at for a mark in one statement.
const MARKS: u32 = 5_000;
/// Marks are looked at again after this long, while something that began before them runs.
const AGAIN: Duration = Duration::from_millis(100);

/// What the leading scheduler does for webhooks.
pub struct FanOut {
    /// Where events are written.
    pub store: Store,
    /// The addresses in messages.
    pub links: Links,
}

/// Who listens: an endpoint, or the receiver of a task.
struct Listener {
    webhook: Option<WebhookId>,
    lane: LaneId,
}

/// The endpoints of the projects in a batch.
type Endpoints = HashMap<ProjectId, Vec<(WebhookId, LaneId, Listening)>>;

impl FanOut {
    /// Fans out whenever something happens. The word of that is sent with the commit; the pulse sees the row if the word was lost.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn run(&self, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
        // Before the first look: what is said from now on is heard.
        let mut listener = self.store.listen(Channel::Announced).await?;
        loop {
            while self.fan_out().await? > 0 {}
            let is_marking = self.mark().await?;
            // What was seen before the rows were read is not news.
            pulses.mark_unchanged();
            tokio::select! {
                word = listener.hear() => word.map(drop)?,
                () = async {
                    while pulses.changed().await.is_ok() && !pulses.borrow_and_update().announced {}
                } => {}
                () = tokio::time::sleep(AGAIN), if is_marking => {}
            }
        }
    }

    /// Makes deliveries of what happened first, and gives how many events there were.
    async fn fan_out(&self) -> Result<usize, StoreError> {
        let happened = self.store.happened(BATCH).await?;
        if happened.is_empty() {
            return Ok(0);
        }
        let endpoints = self.endpoints(&happened).await?;
        let heard: Vec<(&Happened, Vec<Listener>)> = happened
            .iter()
            .map(|event| (event, listeners(event, &endpoints)))
            .filter(|(_, listeners)| !listeners.is_empty())
            .collect();
        let tasks: Vec<TaskId> = heard.iter().filter_map(|(event, _)| moved(event)).map(|moved| moved.task).collect();
        let tasks = if tasks.is_empty() { HashMap::new() } else { self.store.wholes(&tasks).await? };
        let (mut messages, mut deliveries) = (Vec::new(), Vec::new());
        for (event, listeners) in heard {
            let message = self.message(event, &tasks)?;
            deliveries.extend(listeners.into_iter().map(|listener| NewDelivery {
                place: event.place,
                message: message.id,
                lane: listener.lane,
                project: event.project,
                webhook: listener.webhook,
                task: message.task,
            }));
            messages.push(message);
        }
        let places: Vec<i64> = happened.iter().map(|event| event.place).collect();
        let told = self.store.tell_of(&places, &messages, &deliveries).await?;
        MESSAGES.add(messages.len() as u64);
        MADE.add(told.deliveries);
        Ok(happened.len())
    }

    async fn endpoints(&self, happened: &[Happened]) -> Result<Endpoints, StoreError> {
        let mut projects: Vec<ProjectId> = happened.iter().map(|event| event.project).collect();
        projects.sort_unstable();
        projects.dedup();
        let mut endpoints = Endpoints::new();
        for (project, webhook, lane, listening) in self.store.listeners(&projects).await? {
            endpoints.entry(project).or_default().push((webhook, lane, listening));
        }
        Ok(endpoints)
    }

    fn message(
        &self,
        event: &Happened,
        tasks: &HashMap<TaskId, (jobs_core::Task, Vec<Artifact>)>,
    ) -> Result<NewMessage, StoreError> {
        let data = match &event.about {
            About::Other(data) => Ok(data.clone()),
            About::Task(moved) => match tasks.get(&moved.task).cloned() {
                Some((task, artifacts)) => {
                    message::task(task, artifacts, (moved.seq, moved.moment.as_ref()), &self.links)
                }
                None => message::removed(moved.task),
            },
        };
        let data = data.map_err(|error| StoreError::Broken(error.into()))?;
        Ok(NewMessage {
            place: event.place,
            id: MessageId::new(),
            project: event.project,
            event_type: event.event_type.clone(),
            task: moved(event).map(|moved| moved.task),
            at: event.at,
            body: message::body(&event.event_type, event.at, &data),
        })
    }

    /// Marks the tasks of projects that have just got their first endpoint. Gives whether it has to look again.
    async fn mark(&self) -> Result<bool, StoreError> {
        let mut is_marking = false;
        for (project, since, is_last) in self.store.to_mark().await? {
            let mut after = None;
            loop {
                after = self.store.mark_announced(project, after, MARKS).await?;
                if after.is_none() {
                    break;
                }
            }
            // What was being stored when the endpoint was made is met by the next walk.
            if is_last {
                self.store.marked(project, &since).await?;
            }
            is_marking |= !is_last;
        }
        Ok(is_marking)
    }
}

fn moved(event: &Happened) -> Option<&Moved> {
    match &event.about {
        About::Task(moved) => Some(moved),
        About::Other(_) => None,
    }
}

/// Who listens to an event.
fn listeners(event: &Happened, endpoints: &Endpoints) -> Vec<Listener> {
    let subject = moved(event).and_then(|moved| moved.subject.as_ref());
    let standing = endpoints.get(&event.project).into_iter().flatten();
    let standing = standing.filter(|(_, _, listening)| hears(listening, &event.event_type, subject));
    let mut listeners: Vec<Listener> =
        standing.map(|(webhook, lane, _)| Listener { webhook: Some(*webhook), lane: *lane }).collect();
    let own = moved(event).and_then(|moved| moved.own.as_ref());
    if let Some(own) = own.filter(|own| own.events.iter().any(|pattern| matches(pattern, &event.event_type))) {
        listeners.push(Listener { webhook: None, lane: lane_of(event.project, &own.url) });
    }
    listeners
}

/// The lane of the receivers of tasks at one host: so a host is as much one receiver as an endpoint is.
fn lane_of(project: ProjectId, url: &str) -> LaneId {
    let origin = Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization());
    let name = digest::digest(&digest::SHA256, format!("{}\n{origin}", project.0).as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.as_ref()).for_each(|(to, from)| *to = *from);
    LaneId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_of_tasks_share_the_lane_of_their_host_and_no_other() {
        let lane = |project: i32, url: &str| lane_of(ProjectId(project), url);
        assert_eq!(lane(1, "https://a.example/x?y"), lane(1, "https://a.example:443/z"));
        assert_ne!(lane(1, "https://a.example/"), lane(2, "https://a.example/"));
        assert_ne!(lane(1, "https://a.example/"), lane(1, "http://a.example/"));
        assert_ne!(lane(1, "https://a.example/"), lane(1, "https://b.example/"));
    }
}
