//! A video as that API's clients read it.

use jobs_core::{State, Task};
use jobs_store::Artifact;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    clock::{Timestamp, millis_between},
    links::Links,
    view::ArtifactView,
};

/// The words for where a video stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VideoStatus {
    /// It waits.
    Pending,
    /// It is being made.
    Processing,
    /// It is there.
    Completed,
    /// It will not come: something failed, or somebody stopped it.
    Failed,
}

/// A video that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Video")]
pub(crate) struct VideoView {
    /// The task that makes it.
    pub(crate) task_id: String,
    /// Where it stands.
    pub(crate) status: VideoStatus,
    /// From 0 to 100.
    pub(crate) progress: f32,
    /// What is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// A sentence about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// Why there will be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<VideoFailure>,
    /// What was asked for.
    #[schemars(with = "Value")]
    pub(crate) request: Box<RawValue>,
    /// The video, when it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<VideoResult>,
    /// When it was asked for.
    pub(crate) created_at: Timestamp,
    /// When work on it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<Timestamp>,
    /// The address of this object.
    pub(crate) status_url: String,
    /// The address of the task behind it, with its events.
    pub(crate) task_url: String,
}

/// Why there will be no video.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VideoFailure {
    /// A stable word for programs.
    error: String,
    /// A sentence for people.
    message: String,
}

/// A finished video.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VideoResult {
    /// Where to get the video.
    #[serde(skip_serializing_if = "Option::is_none")]
    video_url: Option<String>,
    /// Where to get its still picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail_url: Option<String>,
    /// What is known of it: length, size, codecs.
    #[schemars(with = "Option<Value>")]
    metadata: Option<Box<RawValue>>,
    /// All of its files.
    files: Vec<ArtifactView>,
    /// How long it took to make.
    generation_time_ms: Option<u64>,
    /// What it cost. Rendering on one's own machines is free.
    cost: Cost,
}

/// An amount of money.
#[derive(Debug, Serialize, JsonSchema)]
struct Cost {
    /// As a decimal number.
    amount: &'static str,
    /// ISO 4217.
    currency: &'static str,
}

/// A page of videos.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VideoList {
    /// The videos, the newest first.
    pub(crate) tasks: Vec<VideoView>,
    /// How many are on this page.
    pub(crate) count: usize,
    /// The `cursor` of the next page, if there is one.
    pub(crate) next_cursor: Option<String>,
}

impl VideoView {
    pub(crate) fn new(task: Task, artifacts: Vec<Artifact>, links: &Links) -> Self {
        let (id, project) = (task.id, task.project);
        let status = status(task.state);
        let progress = task.progress.unwrap_or_default();
        let percent = match status {
            VideoStatus::Completed => 100.0,
            VideoStatus::Pending => 0.0,
            _ => progress.percent.unwrap_or(0.0).clamp(0.0, 100.0),
        };
        let error = match task.state {
            State::Canceled => Some(VideoFailure { error: "canceled".into(), message: "somebody canceled it".into() }),
            State::Expired => Some(VideoFailure { error: "expired".into(), message: "its deadline passed".into() }),
            State::Failed => task.error.map(|error| VideoFailure { error: error.code, message: error.message }),
            _ => None,
        };
        let result = matches!(status, VideoStatus::Completed).then(|| {
            let files: Vec<_> = artifacts.into_iter().map(|file| ArtifactView::new(project, id, file, links)).collect();
            let url = |family: &str| {
                files.iter().find(|file| file.content_type.starts_with(family)).map(|file| file.url.clone())
            };
            VideoResult {
                video_url: url("video/"),
                thumbnail_url: url("image/"),
                metadata: task.output,
                generation_time_ms: task.started_at.zip(task.finished_at).and_then(|(a, b)| millis_between(a, b)),
                files,
                cost: Cost { amount: "0", currency: "USD" },
            }
        });
        Self {
            task_id: id.to_string(),
            status,
            progress: percent,
            phase: progress.phase,
            message: progress.message,
            error,
            request: task.input,
            result,
            created_at: Timestamp(task.created_at),
            started_at: task.started_at.map(Timestamp),
            completed_at: task.finished_at.map(Timestamp),
            status_url: links.api(&format!("videos/status/{id}")),
            task_url: links.task(id, ""),
        }
    }
}

fn status(state: State) -> VideoStatus {
    match state {
        State::Scheduled | State::Blocked | State::Queued | State::Retrying => VideoStatus::Pending,
        State::Running | State::Canceling => VideoStatus::Processing,
        State::Succeeded => VideoStatus::Completed,
        State::Failed | State::Canceled | State::Expired => VideoStatus::Failed,
    }
}

impl VideoStatus {
    /// The states that read as this word.
    pub(crate) fn states(word: &str) -> Vec<State> {
        let is_meant = |state: &State| serde_json::to_value(status(*state)).is_ok_and(|name| name == word);
        State::ALL.into_iter().filter(is_meant).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_as_one_of_four_words() {
        let words = ["pending", "processing", "completed", "failed"].map(VideoStatus::states);
        assert_eq!(words.iter().map(Vec::len).sum::<usize>(), State::ALL.len());
        assert_eq!(words[2], [State::Succeeded]);
        assert!(VideoStatus::states("running").is_empty());
    }
}
