//! A loopback listener that can be stopped and started again on its port.
//!
//! The port stays ours while stopped: a second socket is bound to it and never listens, so that
//! callers are refused and no other process is handed the port. Connections live in the accept
//! task and end with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// What is done with an accepted connection.
pub(crate) type Serve = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// See the module.
pub(crate) struct Listener {
    address: SocketAddr,
    _reservation: TcpSocket,
    serve: Serve,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// Each order cuts all connections and is acknowledged; closing the channel ends the task.
    orders: mpsc::Sender<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start(serve: Serve) -> Self {
        let reservation = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = reservation
            .local_addr()
            .expect("a bound socket has an address");
        let listener = Self {
            address,
            _reservation: reservation,
            serve,
            running: Mutex::new(None),
        };
        listener.start_again();
        listener
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens again on the same port; does nothing while it runs.
    pub(crate) fn start_again(&self) {
        let mut running = lock(&self.running);
        if running.is_some() {
            return;
        }
        let listener = bound(self.address)
            .listen(1024)
            .expect("the reserved port can be listened on");
        let (orders, inbox) = mpsc::channel(1);
        let task = tokio::spawn(accept(listener, self.serve.clone(), inbox));
        *running = Some(Running { orders, task });
    }

    /// Closes the listener and every connection; returns when they are closed.
    pub(crate) async fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(Running { orders, task }) = running {
            drop(orders);
            // It fails only if the runtime goes away, and then nothing is open any more.
            let _ = task.await;
        }
    }

    /// Closes every connection and goes on listening; returns when they are closed.
    pub(crate) async fn cut(&self) {
        let orders = lock(&self.running)
            .as_ref()
            .map(|running| running.orders.clone());
        let Some(orders) = orders else { return };
        let (done, wait) = oneshot::channel();
        if orders.send(done).await.is_ok() {
            let _ = wait.await;
        }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("the process may open a socket");
    socket
        .set_reuseaddr(true)
        .expect("a fresh socket takes the option");
    socket.bind(address).expect("loopback has a free port");
    socket
}

async fn accept(
    listener: TcpListener,
    serve: Serve,
    mut orders: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => {
                let Some(done) = order else { break };
                connections.shutdown().await;
                let _ = done.send(());
            }
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // As Go's servers do; a small line must not wait for the last one's ACK.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream));
                }
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Locks `mutex`, whatever a panicking test left behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
