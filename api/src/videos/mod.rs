//! The routes of the OMA video API: the same tasks under its own words.
//!
//! A video is a task of kind `video.generate`; no other task exists here. Errors have that API's body, see [`ErrorBody`].

pub(crate) mod cancel;
mod error;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod status;
mod view;

pub(crate) use error::ErrorBody;
pub(crate) use view::{VideoList, VideoView};

use jobs_core::{ProjectId, Task, TaskId};

use crate::{app::App, problem::Problem};

/// The kind of all videos.
pub(crate) const KIND: &str = "video.generate";

/// The task of a video of a project.
pub(crate) async fn find(app: &App, project: ProjectId, id: TaskId) -> Result<Task, Problem> {
    let task = app.store.get(project, id).await?;
    if task.kind == KIND { Ok(task) } else { Err(Problem::no_task(&id.to_string())) }
}
