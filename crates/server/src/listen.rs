//! Connections: accepted, bounded, and closed when they dawdle. What is asked on them is the router's.

use crate::AppState;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The head of a request has to come within this time, and the next one on a connection that is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 4096;
/// So that one address alone can't take them all. Behind a proxy all come from the same one.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 1024;
/// When the process has no descriptors left, some time for others to end.
const OUT_OF_DESCRIPTORS_WAIT: Duration = Duration::from_millis(200);

/// Serves until told to stop; then connections may end what they are doing.
pub async fn serve(listener: TcpListener, state: AppState, stop: CancellationToken) {
    let per_address_max = if state.config.trust_proxy { CONNECTIONS_MAX } else { CONNECTIONS_PER_ADDRESS_MAX };
    let app = crate::router(state);
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let guests = Guests::default();
    let graceful = GracefulShutdown::new();
    while let Some((stream, address, seat)) = next(&listener, &seats, &stop).await {
        let Some(guest) = guests.welcome(address.ip(), per_address_max) else { continue };
        // An answer's head and body are small packets; held back for each other they cost 40 ms.
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let service = service_fn(move |request| answer(app.clone(), address, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _held = (seat, guest);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    graceful.shutdown().await;
}

async fn answer(app: Router, address: SocketAddr, request: Request<Incoming>) -> Result<http::Response<Body>, std::convert::Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(address));
    app.oneshot(request).await
}

/// The next connection that there is a seat for; `None` once it is time to stop.
async fn next(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepting = async {
        let seat = seats.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, address)) => return Some((stream, address, seat)),
                // Of the one connection alone, which is gone.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS_WAIT).await;
                }
            }
        }
    };
    tokio::select! {
        _ = stop.cancelled() => None,
        accepted = accepting => accepted,
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

struct Guest {
    address: IpAddr,
    guests: Guests,
}

impl Guests {
    fn welcome(&self, address: IpAddr, most: usize) -> Option<Guest> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Guest { address, guests: self.clone() })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let guests = Guests::default();
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let held: Vec<_> = (0..3).filter_map(|_| guests.welcome(one, 2)).collect();
        assert_eq!(held.len(), 2);
        assert!(guests.welcome(other, 2).is_some());
        drop(held);
        assert!(guests.welcome(one, 2).is_some() && guests.0.lock().is_ok_and(|all| all.is_empty()));
    }
}
