//! `GET /tasks/{id}/artifacts/{name}`: the bytes of a file, or a part of them.

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jobs_artifacts::ArtifactError;
use jobs_store::Artifact;

use crate::{
    app::Shared,
    caller::Caller,
    clock::now,
    etag,
    path::{NamePath, TaskPath},
    problem::{Code, Problem},
    range::{self, Wanted},
    sign::Ticket,
};

/// Download an artifact.
///
/// One range of bytes can be asked for; of several, the answer is the whole file. The address in the task is signed: it needs no key, and it
/// ends.
#[utoipa::path(
    get,
    path = "/tasks/{id}/artifacts/{name}",
    operation_id = "getTaskArtifact",
    tag = "tasks",
    security((), ("key" = ["tasks:read"])),
    params(
        ("id" = String, Path, description = "The task."),
        ("name" = String, Path, description = "The name of the artifact."),
        ("project" = Option<i32>, Query, description = "Part of a signed address."),
        ("expires" = Option<i64>, Query, description = "Part of a signed address: when it ends, in seconds since 1970."),
        ("signature" = Option<String>, Query, description = "Part of a signed address."),
        ("Range" = Option<String>, Header, description = "`bytes=FIRST-LAST`."),
        ("If-Range" = Option<String>, Header, description = "The entity tag of the file that the client has a part of."),
        ("If-None-Match" = Option<String>, Header, description = "The entity tag of the file that the client has."),
    ),
    responses(
        (status = 200, description = "The file.", content((String = "application/octet-stream"), (String = "*/*")),
            headers(("ETag" = String, description = "The SHA-256 of the file."))),
        (status = 206, description = "The part of the file that was asked for.", content((String = "application/octet-stream"), (String = "*/*")),
            headers(("Content-Range" = String, description = "Which part it is."))),
        (status = 304, description = "The client has this file."),
    ),
    extensions(("x-problems" = json!(["signature_invalid", "task_not_found", "artifact_not_found", "range_not_satisfiable"])))
)]
pub(crate) async fn artifact(
    State(app): State<Shared>,
    caller: Result<Caller, Problem>,
    path: Result<TaskPath, Problem>,
    NamePath(name): NamePath,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, project) = match Ticket::of(query.as_deref()) {
        Some(ticket) => {
            // Nobody signed an address of what can be no task.
            let TaskPath(id) = path.map_err(|_| not_signed())?;
            (id, app.signer.admits(&ticket, id, &name, now()).ok_or_else(not_signed)?)
        }
        None => {
            let caller = caller?;
            (path?.0, caller.project)
        }
    };
    let (_, artifacts) = app.store.get_whole(project, id).await?;
    let found = artifacts.into_iter().find(|artifact| artifact.name == name);
    let Some(artifact) = found else {
        let detail = format!("the task has no artifact `{}`", name.escape_debug());
        return Err(Problem::new(Code::ArtifactNotFound, detail));
    };

    let (tag, size) = (etag::strong(&artifact.sha256), artifact.size_bytes);
    if etag::none_match(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, describe(&artifact, &tag)).into_response());
    }
    // A range is an affair of GET alone.
    let wanted = if method == Method::GET { range::wanted(&headers, size, &tag) } else { Wanted::Whole };
    let part = match wanted {
        Wanted::Whole => None,
        Wanted::Part(part) => Some(part),
        Wanted::Nothing => {
            let problem = Problem::new(Code::RangeNotSatisfiable, format!("the artifact has {size} bytes"));
            return Err(problem.with(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let body = match method {
        Method::HEAD => Body::empty(),
        // Some stores refuse to be asked for nothing.
        _ if size == 0 => Body::empty(),
        _ => {
            let bytes = app.artifacts.get(id, artifact.epoch, &name, part.clone()).await;
            Body::from_stream(bytes.map_err(|error| unavailable(&error))?)
        }
    };

    let length = part.as_ref().map_or(size, |part| part.end - part.start);
    let mut response = (describe(&artifact, &tag), body).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    if let Some(part) = part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        insert(response.headers_mut(), header::CONTENT_RANGE, &range);
    }
    Ok(response)
}

/// The same for every fault: which one it is, is nobody's business.
fn not_signed() -> Problem {
    Problem::new(Code::SignatureInvalid, "read the task again for another address")
}

/// The headers of every answer about a file.
fn describe(artifact: &Artifact, tag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, &artifact.content_type);
    insert(&mut headers, header::ETAG, tag);
    insert(&mut headers, header::ACCEPT_RANGES, "bytes");
    // What a browser runs as a page or a script of this server must not come from a task.
    let how = if shows_safely(&artifact.content_type) { "inline" } else { "attachment" };
    // The name needs no escaping: letters, digits, `.`, `_` and `-`.
    insert(&mut headers, header::CONTENT_DISPOSITION, &format!("{how}; filename=\"{}\"", artifact.name));
    insert(&mut headers, header::CACHE_CONTROL, "private, max-age=31536000, immutable");
    headers
}

fn shows_safely(content_type: &str) -> bool {
    let is_svg = content_type.starts_with("image/svg");
    ["video/", "audio/", "image/"].iter().any(|family| content_type.starts_with(family)) && !is_svg
        || content_type.starts_with("text/plain")
        || content_type.starts_with("application/json")
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn unavailable(error: &ArtifactError) -> Problem {
    match error {
        ArtifactError::Unavailable(_) => {
            tracing::warn!(error = error as &dyn std::error::Error, "an artifact cannot be read");
            Problem::new(Code::Unavailable, "the artifact store is not available").retry_after(5)
        }
        // The row knows the file, the store does not: somebody removed it by hand.
        ArtifactError::NotFound => {
            tracing::error!("an artifact has a row and no bytes");
            Problem::new(Code::ArtifactNotFound, "the bytes of this artifact are gone")
        }
        _ => Problem::internal(error),
    }
}
