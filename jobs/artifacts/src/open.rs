//! Opening a store by its URL.

use std::sync::Arc;

use object_store::{
    ObjectStore, ObjectStoreScheme, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem, path::Path,
};
use url::Url;

use crate::{ArtifactError, Artifacts};

impl Artifacts {
    /// The store at `url`: `file:///absolute/folder` (made when it is missing), `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`; `memory:///` lives as long as the process. Credentials of clouds come from the variables
    /// of the environment that their own tools read.
    ///
    /// # Errors
    /// When the URL is of no known sort, the folder cannot be made, or the credentials cannot be read. A bucket is not
    /// asked before it is used.
    pub fn open(url: &str) -> Result<Self, ArtifactError> {
        let bad = |reason: String| ArtifactError::BadUrl { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
        let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|error| bad(error.to_string()))?;
        let cloud = |error: object_store::Error| bad(error.to_string());
        let (store, root): (Arc<dyn ObjectStore>, Path) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(folder(&parsed).map_err(bad)?), Path::default()),
            ObjectStoreScheme::Memory => (Arc::new(object_store::memory::InMemory::new()), path),
            ObjectStoreScheme::AmazonS3 => {
                (Arc::new(AmazonS3Builder::from_env().with_url(url).build().map_err(cloud)?), path)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                (Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url).build().map_err(cloud)?), path)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                (Arc::new(MicrosoftAzureBuilder::from_env().with_url(url).build().map_err(cloud)?), path)
            }
            _ => return Err(bad("use file://, s3://, gs:// or az://".to_owned())),
        };
        Ok(Self { store, root })
    }
}

fn folder(url: &Url) -> Result<LocalFileSystem, String> {
    let path = url.to_file_path().map_err(|()| "a file URL has three slashes and an absolute path".to_owned())?;
    std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    // Without the clean-up the folders of removed tasks would stay for ever.
    let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| error.to_string())?;
    Ok(store.with_automatic_cleanup(true))
}
