//! A listener with limits: so many connections, each so old. Without them a peer that never ends its request could
//! hold every file descriptor of the process.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections served at once; more wait in the kernel's backlog.
pub(super) const CONNECTIONS_MAX: usize = 64;
/// A connection is closed at this age. Scrapers and probes simply connect again.
pub(super) const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);

pub(super) struct BoundedListener {
    tcp: TcpListener,
    slots: Arc<Semaphore>,
    age_max: Duration,
}

/// A connection that holds its slot, and fails to read once it is too old.
pub(super) struct BoundedStream {
    tcp: TcpStream,
    expired: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl BoundedListener {
    pub(super) fn new(tcp: TcpListener, connections_max: usize, age_max: Duration) -> Self {
        Self { tcp, slots: Arc::new(Semaphore::new(connections_max)), age_max }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Never an error: the semaphore is never closed.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        // axum's own accept for TCP: waits and tries again when the system is out of descriptors.
        let (tcp, peer) = Listener::accept(&mut self.tcp).await;
        let expired = Box::pin(sleep(self.age_max));
        (BoundedStream { tcp, expired, _slot: slot }, peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.expired.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        if self.expired.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tcp).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_connection_is_closed_at_its_age_limit() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tcp = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = tcp.local_addr().unwrap();
        let listener = BoundedListener::new(tcp, 1, Duration::from_millis(50));
        runtime.spawn(async { axum::serve(listener, axum::Router::new()).await });
        for _ in 0..2 {
            let mut silent = std::net::TcpStream::connect(address).unwrap();
            silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "closed by the server");
        }
    }
}
