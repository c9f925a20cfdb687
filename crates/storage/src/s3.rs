//! S3, or anything that speaks it.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use model::Secret;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};

use crate::backend::{Backend, ByteStream, Part, StorageError};
use crate::key::{ObjectKey, ROOT};

/// How long one request may take to begin to be answered.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
/// Hiccups are got over here; whoever asked waits for anything longer.
const RETRIES: usize = 2;

/// Where the bucket is, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The URL of the service; none: Amazon's own in the region.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region.
    pub region: String,
    /// The key's name.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret<String>,
    /// Before every object's name; ends without a slash; may be empty.
    pub prefix: String,
    /// `https://endpoint/bucket/…` instead of `https://bucket.endpoint/…`.
    pub path_style: bool,
}

/// A bucket.
#[derive(Debug)]
pub struct S3 {
    store: AmazonS3,
    prefix: String,
}

impl S3 {
    /// Connects when it is first used. The error is in the settings.
    pub fn open(settings: &S3Settings) -> Result<Self, String> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(100), ..BackoffConfig::default() },
            max_retries: RETRIES,
            retry_timeout: Duration::from_secs(10),
        };
        let client = ClientOptions::new().with_timeout(TIMEOUT).with_connect_timeout(CONNECT);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret_access_key.reveal())
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_retry(retry);
        if let Some(endpoint) = &settings.endpoint {
            let is_plain = endpoint.starts_with("http://");
            builder = builder.with_endpoint(endpoint).with_allow_http(is_plain);
            builder = builder.with_client_options(client.with_allow_http(is_plain));
        } else {
            builder = builder.with_client_options(client);
        }
        let store = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { store, prefix: settings.prefix.clone() })
    }

    fn path(&self, key: &ObjectKey) -> Path {
        if self.prefix.is_empty() { Path::from(key.to_string()) } else { Path::from(format!("{}/{key}", self.prefix)) }
    }
}

fn failed(error: object_store::Error) -> StorageError {
    use object_store::Error;
    match error {
        Error::NotFound { .. } => {
            // A bucket that is not there is answered in the same way.
            if error.to_string().contains("NoSuchBucket") {
                StorageError::Refused("there is no such bucket".to_owned())
            } else {
                StorageError::Missing
            }
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => StorageError::Refused(first_line(&error)),
        _ => StorageError::Away(first_line(&error)),
    }
}

/// An error as one line of the log; a service may answer with a page.
fn first_line(error: &object_store::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

#[async_trait]
impl Backend for S3 {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        self.store.put(&self.path(key), bytes.into()).await.map(drop).map_err(failed)
    }

    async fn begin(&self, key: &ObjectKey) -> Result<String, StorageError> {
        self.store.create_multipart(&self.path(key)).await.map_err(failed)
    }

    async fn put_part(&self, key: &ObjectKey, upload: &str, part: Part, bytes: Bytes) -> Result<String, StorageError> {
        let upload = upload.to_owned();
        let put = self.store.put_part(&self.path(key), &upload, part.index, bytes.into()).await;
        put.map(|part| part.content_id).map_err(failed)
    }

    async fn complete(&self, key: &ObjectKey, upload: &str, parts: Vec<String>) -> Result<(), StorageError> {
        let parts = parts.into_iter().map(|content_id| PartId { content_id }).collect();
        self.store.complete_multipart(&self.path(key), &upload.to_owned(), parts).await.map(drop).map_err(failed)
    }

    async fn abort(&self, key: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        match self.store.abort_multipart(&self.path(key), &upload.to_owned()).await.map_err(failed) {
            Err(StorageError::Missing) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        self.store.head(&self.path(key)).await.map(|meta| meta.size).map_err(failed)
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        if range.is_empty() {
            return Ok(futures_util::stream::empty().boxed());
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&self.path(key), options).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed).boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match self.store.delete(&self.path(key)).await.map_err(failed) {
            Err(StorageError::Missing) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        let root = if self.prefix.is_empty() { ROOT.to_owned() } else { format!("{}/{ROOT}", self.prefix) };
        let skip = root.len() - ROOT.len();
        let found = self.store.list(Some(&Path::from(root)));
        let found: Vec<_> = found.map_err(failed).try_collect().await?;
        let key = |name: &str| name.get(skip..)?.parse::<ObjectKey>().ok();
        Ok(found.iter().filter_map(|meta| Some((key(meta.location.as_ref())?, meta.size))).collect())
    }
}
