//! Where ICE-TCP connections arrive: accepts them, reads until the first frame is complete, and hands the socket to the
//! worker that the frame's ufrag names. Connections that send nothing sensible in time are closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::addresses::Addresses;
use super::command::{Command, WorkerHandle};
use super::routes::binding_request_ufrag;
use super::routes::worker_of;
use super::tcp::{Accepted, Frames};
use crate::admission::Admission;

/// How long a connection may take to send its first frame.
const FIRST_FRAME: Duration = Duration::from_secs(5);
/// A ufrag with a worker's prefix is no longer than this; the WebRTC stack's own have 16 characters.
const LONGEST_OWN_UFRAG: usize = 12;

/// Accepts until it is aborted.
pub async fn run(listener: TcpListener, admission: Admission, addresses: Addresses, workers: Arc<[WorkerHandle]>) {
    let port = listener.local_addr().map_or(0, |addr| addr.port());
    loop {
        let (stream, remote, place) = admission.accept(&listener).await;
        let (addresses, workers) = (addresses.clone(), Arc::clone(&workers));
        tokio::spawn(async move {
            let handed = tokio::select! {
                handed = hand_over(stream, remote, port, &addresses, &workers) => handed,
                shown_out = place.connection().must_leave() => Err(shown_out),
            };
            if let Err(error) = handed {
                tracing::debug!(%remote, %error, "refused an ICE-TCP connection");
            }
        });
    }
}

/// Reads the first frame of a connection and hands it to its worker.
pub async fn hand_over(
    stream: TcpStream,
    remote: SocketAddr,
    port: u16,
    addresses: &Addresses,
    workers: &[WorkerHandle],
) -> io::Result<()> {
    let (ufrag, frames) = tokio::time::timeout(FIRST_FRAME, first_frame(&stream)).await??;
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let asked = asked(&ufrag, workers);
    let local = SocketAddr::new(addresses.announced_for(stream.local_addr()?.ip().to_canonical()), port);
    let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
    let stream = stream.into_std()?;
    for worker in asked {
        let (stream, frames, ufrag) = (stream.try_clone()?, frames.clone(), ufrag.clone());
        let accepted = Accepted { stream, remote, local, frames, ufrag };
        worker.send(Command::Tcp(Box::new(accepted))).await.map_err(|_| invalid("the worker has stopped"))?;
    }
    Ok(())
}

/// The worker that a ufrag of ours names by its prefix. One that the WebRTC stack made up at an ICE restart is longer and
/// names none: each worker is asked, and the one that knows it keeps the socket.
fn asked<'a>(ufrag: &str, workers: &'a [WorkerHandle]) -> &'a [WorkerHandle] {
    let named = worker_of(ufrag).filter(|_| ufrag.len() <= LONGEST_OWN_UFRAG);
    match named.and_then(|index| workers.get(index..=index)) {
        Some(one) => one,
        None => workers,
    }
}

/// Reads until the first frame is whole; it stays in the buffer for the worker.
async fn first_frame(stream: &TcpStream) -> io::Result<(String, Frames)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut frames = Frames::default();
    loop {
        match frames.peek().map_err(|_| invalid("frame too long"))? {
            Some(frame) => {
                let ufrag = binding_request_ufrag(frame).ok_or_else(|| invalid("not a binding request"))?;
                return Ok((ufrag.to_owned(), frames));
            }
            None => {
                stream.readable().await?;
                match frames.fill(TryRead(stream)) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

struct TryRead<'a>(&'a TcpStream);

impl io::Read for TryRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::tests::binding_request;
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.expect("connects"), server.expect("accepts").0)
    }

    fn framed(frame: &[u8]) -> Vec<u8> {
        let mut wire = (frame.len() as u16).to_be_bytes().to_vec();
        wire.extend(frame);
        wire
    }

    #[tokio::test]
    async fn the_first_frame_names_the_peer_and_stays_for_the_worker() {
        let (mut client, server) = pair().await;
        let request = binding_request("01abcd:them");
        let wire = framed(&request);
        let (head, tail) = wire.split_at(5);
        let (head, tail) = (head.to_vec(), tail.to_vec());
        tokio::spawn(async move {
            client.write_all(&head).await.expect("open");
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.write_all(&tail).await.expect("open");
            client.write_all(&framed(b"second")).await.expect("open");
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        let (ufrag, mut frames) = first_frame(&server).await.expect("a frame");
        assert_eq!(ufrag, "01abcd");
        assert_eq!(frames.take(), Ok(Some(&request[..])));
    }

    #[tokio::test]
    async fn what_is_no_binding_request_is_refused() {
        for bytes in [framed(b"GET / HTTP/1.1"), b"\xff\xff garbage".to_vec(), framed(b"")] {
            let (mut client, server) = pair().await;
            client.write_all(&bytes).await.expect("open");
            assert!(first_frame(&server).await.is_err(), "{bytes:?}");
        }
        let (client, server) = pair().await;
        drop(client);
        assert!(first_frame(&server).await.is_err(), "closed at once");
    }
}
