//! Connections: how many at once, and how long a silent one is kept.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutBody;
use tower_service::Service;

/// Connections at once. Further ones wait in the kernel's queue until one ends.
const CONNECTIONS_MAX: usize = 1_024;
/// Bytes of a request's head, and headers in it, that are read at all. Of a longer one the library says the status alone, and
/// closes the connection; routes refuse much shorter ones, with a reason. A multiple of what they take, so that few meet this.
const HEAD_BYTES_MAX: usize = 400 << 10;
const HEADERS_MAX: usize = 256;
/// How long a connection may take to send a request's head, or say nothing between two requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request's body may pause.
const BODY_PAUSE: Duration = Duration::from_secs(60);
/// How long calls may take to end once the server is told to.
const END_TIME: Duration = Duration::from_secs(20);
/// How long to wait when the system gives no connection, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers until `stop` is ready, then lets calls that are under way end.
pub(crate) async fn answer(listener: TcpListener, app: Router, stop: impl Future<Output = ()> + Send) {
    let limits = Limits { connections: CONNECTIONS_MAX, head: HEAD_TIME, body: BODY_PAUSE };
    answer_within(listener, app, stop, limits).await;
}

#[derive(Clone, Copy)]
struct Limits {
    connections: usize,
    head: Duration,
    body: Duration,
}

async fn answer_within(listener: TcpListener, app: Router, stop: impl Future<Output = ()> + Send, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = tokio::select! {
            next = accept(&listener, &places) => next,
            () = &mut stop => break,
        };
        match next {
            Some((stream, place)) => converse(stream, place, app.clone(), limits, &graceful),
            None => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(END_TIME, graceful.shutdown()).await;
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    Some((stream, place))
}

fn converse(stream: TcpStream, place: OwnedSemaphorePermit, app: Router, limits: Limits, graceful: &GracefulShutdown) {
    let service = service_fn(move |request: Request<Incoming>| {
        let request = request.map(|body| Body::new(TimeoutBody::new(limits.body, body)));
        app.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // What went wrong on a connection is the caller's to see.
        let _ = connection.await;
        drop(place);
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SHORT: Limits = Limits { connections: 2, head: Duration::from_millis(200), body: Duration::from_millis(200) };

    async fn start() -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", post(|body: String| async move { body }));
        tokio::spawn(answer_within(listener, app, std::future::pending(), SHORT));
        address
    }

    /// Everything that the server says until it closes.
    async fn until_closed(address: std::net::SocketAddr, said: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("it is closed").unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        let address = start().await;
        assert_eq!(until_closed(address, "").await, "");
        assert_eq!(until_closed(address, "POST / HTTP/1.1\r\nHost: a\r\n").await, "");
    }

    #[tokio::test]
    async fn a_body_that_pauses_is_given_up() {
        let address = start().await;
        let answer = until_closed(address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    #[tokio::test]
    async fn a_caller_beyond_the_limit_waits_for_a_place() {
        let address = start().await;
        let silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        let whole = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        assert!(until_closed(address, whole).await.ends_with("hi"), "served once the silent ones are gone");
        drop(silent);
    }

    /// docs/api.md says so: if the library learns to let us answer, that is to be changed there.
    #[tokio::test]
    async fn a_head_beyond_all_reading_is_refused_by_the_library_with_the_status_alone() {
        let address = start().await;
        let many: String = (0..=HEADERS_MAX).map(|number| format!("x-{number}: 1\r\n")).collect();
        let one = |bytes: usize| "x".repeat(bytes);
        let heads = [
            (format!("GET / HTTP/1.1\r\n{many}\r\n"), 431),
            (format!("GET / HTTP/1.1\r\ncookie: {}\r\n\r\n", one(2 * HEAD_BYTES_MAX)), 431),
            (format!("GET /{} HTTP/1.1\r\n\r\n", one(65_534)), 414),
        ];
        for (head, status) in heads {
            let answer = until_closed(address, &head).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.ends_with("\r\n\r\n"), "{answer}");
        }
        assert!(
            until_closed(address, &format!("GET /{} HTTP/1.1\r\nConnection: close\r\n\r\n", one(65_533))).await.starts_with("HTTP/1.1 404")
        );
    }
}
