//! The files that a timeline names: fetched, decoded, and looked at before anything is made of them.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jobs_core::{
    JobContext, JobError, LogLevel, Progress,
    port::video::{Source, VideoEngine},
};

use super::{
    job_error,
    timeline::{Found, Src, TimelineRequest},
};

/// All files of a film together, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// The share of the progress that files are.
const PERCENT: f32 = 5.0;

/// Gathers the sources of a request in `dir`.
///
/// # Errors
/// What is wrong with which of them, by its pointer.
pub(super) async fn gather(
    request: &TimelineRequest,
    engine: &dyn VideoEngine,
    cx: &JobContext,
    dir: &Path,
) -> Result<Found, JobError> {
    let wanted = request.sources();
    let mut left = MAX_BYTES;
    let mut sources = Vec::with_capacity(wanted.len());
    for (index, (pointer, src)) in wanted.iter().enumerate() {
        cx.progress(Progress {
            percent: Some(PERCENT * index as f32 / wanted.len() as f32),
            phase: Some("assets".to_owned()),
            message: Some(format!("file {} of {}", index + 1, wanted.len())),
            ..Progress::default()
        });
        let path = dir.join(format!("asset-{index}"));
        let bytes = match src.as_str().strip_prefix("data:") {
            Some(data) => decode(data, &path, pointer).await?,
            None => fetch(src, &path, left, pointer, cx).await?,
        };
        left = left.saturating_sub(bytes);
        cx.log(LogLevel::Debug, format!("{}: {bytes} bytes", src.short()));
        sources.push(Source { path, name: format!("{pointer} ({})", src.short()) });
    }
    // Fonts are looked at by whoever sets text with them.
    let is_media = |pointer: &str| !pointer.starts_with("/timeline/fonts/");
    let media: Vec<Source> = wanted
        .iter()
        .zip(&sources)
        .filter(|((pointer, _), _)| is_media(pointer))
        .map(|(_, source)| source.clone())
        .collect();
    let facts = if media.is_empty() {
        Vec::new()
    } else {
        engine.inspect(media, dir.to_owned(), cx.cancel.clone()).await.map_err(job_error)?
    };
    let mut facts = facts.into_iter();
    let found = wanted.into_iter().zip(sources).filter_map(|((pointer, src), source)| {
        let facts = if is_media(&pointer) { facts.next()? } else { Default::default() };
        Some((src.as_str().to_owned(), (source, facts)))
    });
    Ok(found.collect())
}

async fn decode(data: &str, path: &PathBuf, pointer: &str) -> Result<u64, JobError> {
    let encoded = data.split_once(',').map_or("", |(_, encoded)| encoded);
    let bytes = STANDARD
        .decode(encoded.as_bytes())
        .map_err(|error| JobError::fail("asset_invalid", format!("{pointer}: not base64: {error}")))?;
    tokio::fs::write(path, &bytes)
        .await
        .map_err(|error| JobError::retry("write_failed", format!("cannot write {}: {error}", path.display())))?;
    Ok(bytes.len() as u64)
}

async fn fetch(src: &Src, path: &Path, left: u64, pointer: &str, cx: &JobContext) -> Result<u64, JobError> {
    let Some(fetcher) = &cx.engines.fetch else {
        return Err(JobError::retry("engine_unavailable", "this worker cannot fetch files"));
    };
    let fetched = tokio::select! {
        biased;
        () = cx.cancel.cancelled() => return Err(JobError::fail("render_cancelled", "canceled while fetching files")),
        fetched = fetcher.fetch(src.as_str(), path, left) => fetched,
    };
    fetched.map_err(|error| {
        let told = format!("{pointer}: cannot fetch {}: {error}", src.short());
        if error.retryable { JobError::retry("asset_unavailable", told) } else { JobError::fail("asset_invalid", told) }
    })
}
