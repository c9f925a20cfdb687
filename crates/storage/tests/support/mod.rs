//! A real S3 server in this process, and a backend that fails on purpose.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use model::Secret;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use storage::{Backend, ByteStream, ObjectKey, Part, S3, S3Settings, StorageError};
use tokio::task::{JoinHandle, JoinSet};

/// `s3s-fs` on a port of its own, with one bucket.
pub struct S3Server {
    address: SocketAddr,
    folder: tempfile::TempDir,
    running: Option<JoinHandle<()>>,
}

impl S3Server {
    pub async fn start() -> Self {
        // As the program does when it starts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), folder, running: None };
        server.go_on().await;
        server
    }

    /// Comes back, on the same port, with what it had.
    pub async fn go_on(&mut self) {
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(self.folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single("AKID", "SECRET"));
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.running = Some(tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                connections.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        }));
    }

    /// Goes away with all its connections.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }

    pub fn settings(&self, prefix: &str) -> S3Settings {
        S3Settings {
            endpoint: Some(format!("http://{}", self.address)),
            bucket: "bucket".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "AKID".to_owned(),
            secret_access_key: Secret::new("SECRET".to_owned()),
            prefix: prefix.to_owned(),
            path_style: true,
        }
    }

    pub fn bucket(&self, prefix: &str) -> S3 {
        S3::open(&self.settings(prefix)).unwrap()
    }
}

/// How a step goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not done.
    Before,
    /// It is done, but nobody hears so.
    After,
    /// Every byte that comes back is another one.
    Flip,
}

/// A backend of which one step fails.
#[derive(Debug)]
pub struct Broken {
    inner: Arc<dyn Backend>,
    step: usize,
    fault: Fault,
    state: Mutex<(usize, HashMap<&'static str, usize>)>,
}

impl Broken {
    pub fn new(inner: Arc<dyn Backend>, step: usize, fault: Fault) -> Self {
        Self { inner, step, fault, state: Mutex::default() }
    }

    /// How often this was asked for.
    pub fn asked(&self, what: &str) -> usize {
        self.state.lock().unwrap().1.get(what).copied().unwrap_or(0)
    }

    async fn pass<T>(
        &self,
        what: &'static str,
        does: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let is_the_one = {
            let mut state = self.state.lock().unwrap();
            *state.1.entry(what).or_default() += 1;
            state.0 += 1;
            state.0 == self.step + 1
        };
        let fails = || Err(StorageError::Away(format!("{what} was made to fail")));
        match self.fault {
            Fault::Before if is_the_one => fails(),
            Fault::After if is_the_one => does.await.and_then(|_| fails()),
            _ => does.await,
        }
    }
}

#[async_trait]
impl Backend for Broken {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        self.pass("put", self.inner.put(key, bytes)).await
    }
    async fn begin(&self, key: &ObjectKey) -> Result<String, StorageError> {
        self.pass("begin", self.inner.begin(key)).await
    }
    async fn put_part(&self, key: &ObjectKey, upload: &str, part: Part, bytes: Bytes) -> Result<String, StorageError> {
        self.pass("put_part", self.inner.put_part(key, upload, part, bytes)).await
    }
    async fn complete(&self, key: &ObjectKey, upload: &str, parts: Vec<String>) -> Result<(), StorageError> {
        self.pass("complete", self.inner.complete(key, upload, parts)).await
    }
    async fn abort(&self, key: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        self.pass("abort", self.inner.abort(key, upload)).await
    }
    async fn size(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        self.pass("size", self.inner.size(key)).await
    }
    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let found = self.pass("get", self.inner.get(key, range)).await?;
        if self.fault != Fault::Flip {
            return Ok(found);
        }
        let flip = |bytes: Bytes| Bytes::from(bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
        Ok(found.map_ok(flip).boxed())
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.pass("delete", self.inner.delete(key)).await
    }
    async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        self.pass("list", self.inner.list()).await
    }
}
