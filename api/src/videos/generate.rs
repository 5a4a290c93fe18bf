//! `POST /videos/generate`: ask for a video.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jobs_core::{Fault, schema::find_nul};

use super::{KIND, VideoView};
use crate::{
    app::Shared,
    body::JsonBody,
    caller::Caller,
    idempotency,
    links::Links,
    problem::{Code, Problem},
    request::RequestId,
    tasks::{
        create::REPLAYED,
        submission::{CreateTask, accept, artifacts},
    },
};

/// Ask for a video.
///
/// The body is a briefing: the input of kind `video.generate`. A key may ask for five videos a minute, unless the operator says otherwise.
#[utoipa::path(
    post,
    path = "/videos/generate",
    operation_id = "generateVideo",
    tag = "videos",
    security(("key" = ["tasks:write"])),
    params(("Idempotency-Key" = Option<String>, Header, pattern = r#"^("[!#-\[\]-~]{1,253}"|[!#-~][!-~]{0,254})$"#, description = "Makes repetitions of this request one video: 1 to 255 visible ASCII characters, in quotes or bare.")),
    request_body(content = ref("#/components/schemas/VideoGenerateInput"), content_type = "application/json"),
    responses((status = 202, description = "The video will be made.", body = ref("#/components/schemas/Video"),
        headers(("Location" = String, description = "Where to look how it is."),
            ("RateLimit" = String, description = "What is left of the limit."),
            ("RateLimit-Policy" = String, description = "The limit.")))),
    extensions(("x-problems" = json!(["malformed", "invalid_header", "not_acceptable", "unsupported_media_type", "invalid", "idempotency_key_reused", "rate_limited", "queue_full", "group_full"])))
)]
pub(crate) async fn generate(
    State(app): State<Shared>,
    caller: Caller,
    RequestId(request_id): RequestId,
    links: Links,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency::of(&headers, "POST /videos/generate", &body)?;
    let kind = app.registry.get(KIND);
    let kind = kind.ok_or_else(|| Problem::new(Code::KindNotFound, format!("this server has no kind {KIND}")))?;
    let nul = find_nul(&body).map(|at| Fault::new(at, "must not contain U+0000"));
    let checked = kind.check(body);
    let input = match (checked, nul) {
        (Ok(input), None) => input,
        (checked, nul) => {
            let mut faults = checked.err().unwrap_or_default();
            faults.extend(nul);
            return Err(Problem::invalid(faults));
        }
    };
    let accepted =
        accept(&app, CreateTask::plain(&app.registry, &**kind, input, caller.project, &request_id, key)).await?;

    let artifacts = artifacts(&app, &accepted.task).await;
    let view = VideoView::new(accepted.task, artifacts, &links);
    let location = HeaderValue::from_str(&view.status_url).ok();
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    let headers = response.headers_mut();
    if let Some(location) = location {
        headers.insert(header::LOCATION, location);
    }
    if accepted.is_replay {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
