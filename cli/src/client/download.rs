//! A download of a task's artifacts: whole and checked, or not there at all.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, RANGE};
use sha2::{Digest as _, Sha256};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::failure::Failure;
use super::http::Http;
use super::screen::{Paint, Screen};
use super::task::{Artifact, Task};
use super::text::{clean, size};

/// How often a broken transfer goes on from where it broke.
const TRIES: u32 = 4;

/// Where the artifacts of a task go.
pub(super) struct Download<'a> {
    pub(super) http: &'a Http,
    pub(super) screen: &'a Screen,
    pub(super) folder: &'a Path,
    /// Whether the saved paths are the command's result or only company for it.
    pub(super) on_out: bool,
}

impl Download<'_> {
    /// Saves every artifact of `task`.
    pub(super) async fn all(&self, task: &Task) -> Result<(), Failure> {
        let artifacts = task.artifacts();
        if artifacts.is_empty() {
            self.screen.note(&format!("{} has no artifacts to download", clean(task.id())));
        }
        for artifact in &artifacts {
            let path = self.one(task, artifact).await?;
            let bytes = fs::metadata(&path).await.map(|meta| size(meta.len())).unwrap_or_default();
            let line = format!("saved {} ({bytes})", path.display());
            match self.on_out {
                true => self.screen.say(&line)?,
                false => self.screen.note(&self.screen.paint_err(Paint::Green, &line)),
            }
        }
        Ok(())
    }

    async fn one(&self, task: &Task, artifact: &Artifact) -> Result<PathBuf, Failure> {
        let name = file_name(&artifact.name)?;
        fs::create_dir_all(self.folder).await.map_err(local("create", self.folder))?;
        let path = self.folder.join(name);
        // Two downloads at once must not write into each other's file.
        let part = Part(self.folder.join(format!(".{name}.{}.part", std::process::id())));
        let bar = self.bar(artifact);
        let fetched = self.fetch(task, artifact, &part.0, &bar).await;
        bar.finish_and_clear();
        fetched?;
        fs::rename(&part.0, &path).await.map_err(local("write", &path))?;
        Ok(path)
    }

    async fn fetch(&self, task: &Task, artifact: &Artifact, part: &Path, bar: &ProgressBar) -> Result<(), Failure> {
        let url = match &artifact.url {
            Some(link) => self.http.follow(link)?,
            None => self.http.url(&["tasks", task.id(), "artifacts", &artifact.name]),
        };
        let mut options = File::options();
        options.create(true).truncate(true).read(true).write(true);
        let mut file = options.open(part).await.map_err(local("write", part))?;
        let mut have: u64 = 0;
        for attempt in 1.. {
            let mut headers = HeaderMap::new();
            if have > 0 {
                let range = HeaderValue::from_str(&format!("bytes={have}-"));
                headers.extend(range.ok().map(|range| (RANGE, range)));
            }
            let broken = match self.http.open(url.clone(), headers).await {
                Ok(response) => {
                    // Not 206: the server sends the whole file again.
                    if have > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
                        file.set_len(0).await.map_err(local("write", part))?;
                        have = 0;
                    }
                    file.seek(SeekFrom::Start(have)).await.map_err(local("write", part))?;
                    let mut body = response.bytes_stream();
                    loop {
                        match body.next().await {
                            Some(Ok(chunk)) => {
                                file.write_all(&chunk).await.map_err(local("write", part))?;
                                have += chunk.len() as u64;
                                bar.set_position(have);
                            }
                            Some(Err(err)) => break Some(self.http.lost(&err)),
                            None => break None,
                        }
                    }
                }
                Err(failure @ Failure::Unreachable { .. }) => Some(failure),
                Err(failure) => return Err(failure),
            };
            match broken {
                None => break,
                Some(failure) if attempt == TRIES => return Err(failure),
                Some(_) => bar.println(format!("the transfer of {} broke off; going on", clean(&artifact.name))),
            }
        }
        file.flush().await.map_err(local("write", part))?;
        file.sync_all().await.map_err(local("write", part))?;
        check(artifact, have, &mut file, part).await
    }

    fn bar(&self, artifact: &Artifact) -> ProgressBar {
        if !self.screen.draws() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(artifact.size, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix}  {bar:28}  {bytes} of {total_bytes}, {bytes_per_sec}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_prefix(clean(&artifact.name))
    }
}

/// A file that is not whole yet. It goes when the download fails or is interrupted; after the
/// rename there is nothing left to remove.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // It may not exist, and then nothing was left behind either.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Compares what was saved with what was promised.
async fn check(artifact: &Artifact, have: u64, file: &mut File, part: &Path) -> Result<(), Failure> {
    let name = clean(&artifact.name);
    if let Some(size) = artifact.size.filter(|size| *size != have) {
        return Err(Failure::Broken(format!("{name} is damaged: {have} bytes came, {size} were promised")));
    }
    let Some(promised) = &artifact.sha256 else {
        return Ok(());
    };
    file.seek(SeekFrom::Start(0)).await.map_err(local("read", part))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).await.map_err(local("read", part))?;
        if count == 0 {
            break;
        }
        digest.update(&buffer[..count]);
    }
    let digest = hex::encode(digest.finalize());
    if digest != *promised {
        return Err(Failure::Broken(format!("{name} is damaged: its sha256 is {digest}, {promised} was promised")));
    }
    Ok(())
}

/// The name to save under: the artifact's own, when it is a name and no path. A server must not
/// choose where on this machine something is written.
fn file_name(name: &str) -> Result<&str, Failure> {
    let is_plain =
        !matches!(name, "" | "." | "..") && !name.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control());
    if is_plain {
        Ok(name)
    } else {
        Err(Failure::Broken(format!("the artifact's name cannot be a file name: {name:?}")))
    }
}

fn local(verb: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |err| Failure::Local(format!("cannot {verb} {path}: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_choose_the_folder() {
        for name in ["../x", "/etc/passwd", "a/b", "..", "", "a\\b", "c:x", "a\nb"] {
            assert!(file_name(name).is_err(), "{name:?} was taken");
        }
        assert_eq!(file_name("video.mp4").unwrap(), "video.mp4");
    }
}
