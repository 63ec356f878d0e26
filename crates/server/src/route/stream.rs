//! Between asynchronous bodies and blocking readers and writers, a few chunks at a time.

use crate::within::Within;
use axum::body::{Body, Bytes, HttpBody};
use std::io::{Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

/// Chunks on the way.
const CHUNKS_MAX: usize = 8;
/// Bytes of a chunk that we send.
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// How long a reader of an answer may take nothing: it must not hold a thread for good.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A writer whose bytes become a body.
pub fn out() -> (Sender, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    (Sender(sender), body(receiver))
}

/// A body of what comes through a channel.
pub fn body(chunks: mpsc::Receiver<Bytes>) -> Body {
    Body::new(Outgoing(chunks))
}

/// The writing end of [`out`].
pub struct Sender(mpsc::Sender<Bytes>);

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let chunk = &bytes[..bytes.len().min(CHUNK_BYTES_MAX)];
        let sent = Handle::current().block_on(self.0.send_timeout(Bytes::copy_from_slice(chunk), STALL_MAX));
        sent.map(|()| chunk.len()).map_err(|error| match error {
            SendTimeoutError::Timeout(_) => std::io::ErrorKind::TimedOut.into(),
            SendTimeoutError::Closed(_) => std::io::ErrorKind::BrokenPipe.into(),
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Outgoing(mpsc::Receiver<Bytes>);

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(http_body::Frame::data(chunk))))
    }
}

/// A body as a reader that gives so many bytes, and the pump that must run beside it.
pub fn into_reader(body: Body, bytes_max: u64) -> (Within<Incoming>, impl Future<Output = ()>) {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    (Within::new(Incoming { chunks, chunk: Bytes::new() }, bytes_max), pump(body, sender, bytes_max))
}

type Chunk = std::io::Result<Bytes>;

/// The reading end of [`into_reader`].
pub struct Incoming {
    chunks: mpsc::Receiver<Chunk>,
    chunk: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let now = self.chunk.split_to(self.chunk.len().min(buffer.len()));
        buffer[..now.len()].copy_from_slice(&now);
        Ok(now.len())
    }
}

async fn pump(body: Body, sender: mpsc::Sender<Chunk>, bytes_max: u64) {
    let mut body = body;
    // Whoever sends reads the answer only once everything is said: what nobody wants any more is thrown away, within bounds.
    let mut unwanted = 0;
    while unwanted <= bytes_max {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let chunk = match frame {
            None => return,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_) => continue,
            },
            Some(Err(error)) => Err(std::io::Error::other(error)),
        };
        let (last, bytes) = (chunk.is_err(), chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        // The reader works on another thread and takes chunks as fast as the disk does.
        if sender.send(chunk).await.is_err() {
            unwanted += bytes;
        }
        if last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::within::TooLong;

    /// A body of chunks of four bytes.
    fn sent(chunks: usize) -> (Body, mpsc::Sender<Bytes>) {
        let (sender, receiver) = mpsc::channel(chunks);
        for _ in 0..chunks {
            sender.try_send(Bytes::from_static(b"1234")).unwrap();
        }
        (body(receiver), sender)
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_an_error_and_its_rest_is_taken_all_the_same() {
        for (chunks, expected) in [(2, None), (3, Some(TooLong(8)))] {
            let (body, sender) = sent(chunks);
            drop(sender);
            let (mut reader, pump) = into_reader(body, 8);
            let read = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()).err().and_then(|error| TooLong::of(&error)));
            let (read, ()) = tokio::join!(read, pump);
            assert_eq!(read.unwrap(), expected, "{chunks} chunks");
        }
    }

    #[tokio::test]
    async fn what_nobody_wants_is_taken_within_bounds() {
        for (chunks, ends) in [(2, false), (3, true)] {
            let (body, sender) = sent(chunks);
            let (reader, pump) = into_reader(body, 8);
            drop(reader);
            let ended = tokio::time::timeout(Duration::from_millis(100), pump).await.is_ok();
            assert_eq!(ended, ends, "{chunks} chunks of a sender who could go on");
            drop(sender);
        }
    }
}
