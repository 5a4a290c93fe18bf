//! Storing a file: streamed, digested on the way, visible when it is whole.

use bytes::{Bytes, BytesMut};
use jobs_core::TaskId;
use object_store::{ObjectStoreExt, WriteMultipart, path::Path as Key};
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncRead, AsyncReadExt},
};

use crate::{ArtifactError, Artifacts};

/// A file up to this size is stored in one request; a larger one in parts of it. Clouds want parts of 5 MiB or more.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// So many parts are on their way at once.
const PARTS_AT_ONCE: usize = 2;
/// A digest of this much does not keep the runtime waiting.
const STEP_BYTES: usize = 256 * 1024;

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The size.
    pub size_bytes: u64,
    /// The SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Artifacts {
    /// Stores the file at `path` as `name`, in place of one that this attempt stored under the same name. Nobody sees half
    /// of it.
    ///
    /// # Errors
    /// When the name is not one, the file cannot be read, or the store refuses.
    pub async fn put(
        &self,
        task: TaskId,
        epoch: i32,
        name: &str,
        path: &std::path::Path,
    ) -> Result<Stored, ArtifactError> {
        let at = self.at(task, epoch, name)?;
        let mut source = Source::new(File::open(path).await.map_err(ArtifactError::Unreadable)?);
        let first = source.part().await?;
        if first.len() < PART_BYTES {
            self.store.put(&at, first.into()).await?;
        } else {
            self.put_parts(&at, first, &mut source).await?;
        }
        Ok(source.stored())
    }

    async fn put_parts(&self, at: &Key, first: Bytes, source: &mut Source<File>) -> Result<(), ArtifactError> {
        let upload = self.store.put_multipart(at).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut part = first;
        while !part.is_empty() {
            upload.put(part);
            let next = match upload.wait_for_capacity(PARTS_AT_ONCE).await {
                Ok(()) => source.part().await,
                Err(error) => Err(error.into()),
            };
            part = match next {
                Ok(part) => part,
                Err(error) => {
                    // Parts that stay would be paid for; the error that led here says more than one of this would.
                    if let Err(abort) = upload.abort().await {
                        tracing::warn!(%at, error = &abort as &dyn std::error::Error, "an upload could not be taken back");
                    }
                    return Err(error);
                }
            };
        }
        upload.finish().await?;
        Ok(())
    }
}

/// A file that is read in parts and digested on the way.
struct Source<R> {
    reader: R,
    digest: Sha256,
    size_bytes: u64,
}

impl<R: AsyncRead + Unpin> Source<R> {
    fn new(reader: R) -> Self {
        Self { reader, digest: Sha256::new(), size_bytes: 0 }
    }

    /// The next part, shorter than [`PART_BYTES`] at the end only.
    async fn part(&mut self) -> Result<Bytes, ArtifactError> {
        let mut part = BytesMut::new();
        while part.len() < PART_BYTES {
            let step = STEP_BYTES.min(PART_BYTES - part.len());
            part.reserve(step);
            let before = part.len();
            let read = (&mut self.reader).take(step as u64).read_buf(&mut part).await;
            if read.map_err(ArtifactError::Unreadable)? == 0 {
                break;
            }
            let fresh = &part[before..];
            self.digest.update(fresh);
            self.size_bytes += fresh.len() as u64;
        }
        Ok(part.freeze())
    }

    fn stored(self) -> Stored {
        Stored { size_bytes: self.size_bytes, sha256: hex::encode(self.digest.finalize()) }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    struct Place {
        artifacts: Artifacts,
        dir: tempfile::TempDir,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("file://{}/made/on open", dir.path().display());
        Place { artifacts: Artifacts::open(&url).unwrap(), dir }
    }

    async fn read(place: &Place, task: TaskId, epoch: i32, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
        let stream = place.artifacts.get(task, epoch, "film.mp4", range).await.unwrap();
        stream
            .try_fold(Vec::new(), |mut all, bytes| async move {
                all.extend_from_slice(&bytes);
                Ok(all)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_was_put_comes_back_whole_and_in_ranges_whatever_its_size() {
        let place = place();
        for size in [0, 1, 1_000, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 77] {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            let path = place.dir.path().join("source");
            std::fs::write(&path, &bytes).unwrap();
            let task = TaskId::new();

            let stored = place.artifacts.put(task, 1, "film.mp4", &path).await.unwrap();

            let digest = hex::encode(Sha256::digest(&bytes));
            assert_eq!(stored, Stored { size_bytes: size as u64, sha256: digest });
            assert_eq!(read(&place, task, 1, None).await, bytes);
            if size > 100 {
                let range = size as u64 / 2..size as u64 - 1;
                let expected = &bytes[range.start as usize..range.end as usize];
                assert_eq!(read(&place, task, 1, Some(range)).await, expected);
            }
        }
    }

    #[tokio::test]
    async fn attempts_do_not_touch_each_other_and_go_one_by_one() {
        let place = place();
        let task = TaskId::new();
        for epoch in [1, 2] {
            let path = place.dir.path().join("source");
            std::fs::write(&path, format!("of {epoch}")).unwrap();
            place.artifacts.put(task, epoch, "film.mp4", &path).await.unwrap();
        }

        place.artifacts.remove_attempt(task, 1).await.unwrap();
        let gone = place.artifacts.get(task, 1, "film.mp4", None).await;
        assert!(matches!(gone, Err(ArtifactError::NotFound)));
        assert_eq!(read(&place, task, 2, None).await, b"of 2");

        place.artifacts.remove_task(task).await.unwrap();
        place.artifacts.remove_task(task).await.unwrap();
        let left = std::fs::read_dir(place.dir.path().join("made/on open")).unwrap().count();
        assert_eq!(left, 0, "the folders go, too");
    }

    #[tokio::test]
    async fn what_cannot_be_stored_is_refused() {
        let place = place();
        let task = TaskId::new();
        let missing = place.artifacts.put(task, 1, "a", &place.dir.path().join("nothing")).await;
        assert!(matches!(missing, Err(ArtifactError::Unreadable(_))));
        let bad = place.artifacts.put(task, 1, "../a", &place.dir.path().join("nothing")).await;
        assert!(matches!(bad, Err(ArtifactError::BadName(_))));
        for url in ["nonsense", "ftp://host/x", "file://relative"] {
            assert!(matches!(Artifacts::open(url), Err(ArtifactError::BadUrl { .. })), "{url}");
        }
        assert!(place.artifacts.ping().await.is_ok());
    }
}
