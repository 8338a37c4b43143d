//! The doors' side inside: loopback ports whose connections become channels to the host.

use crate::client::ChannelStream;
use crate::mux::Mux;
use crate::protocol::Accepted;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Listens on each port of 127.0.0.1, and says which it could not have.
pub async fn listen(ports: &[u16]) -> (Vec<(u16, TcpListener)>, Vec<(u16, String)>) {
    let mut listeners = Vec::new();
    let mut failed = Vec::new();
    for &port in ports {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => listeners.push((port, listener)),
            Err(error) => failed.push((port, error.to_string())),
        }
    }
    (listeners, failed)
}

pub async fn accept_forever((port, listener): (u16, TcpListener), mux: Mux) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(carry(stream, port, mux.clone()));
            }
            // Out of descriptors, most likely: let some be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        if mux.is_closed() {
            return;
        }
    }
}

async fn carry(mut stream: TcpStream, port: u16, mux: Mux) {
    let payload = serde_json::to_vec(&Accepted { port }).expect("two words are JSON");
    let Ok(channel) = mux.open(&payload) else { return };
    let _ = stream.set_nodelay(true);
    let mut far = ChannelStream::new(channel);
    // Either end may hang up at any time; there is nobody to tell but the other end, and it notices.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
}
