//! The end inside: accepts requests on one connection and serves each in a task of its own, all on one thread.
//!
//! It has no rights that the processes it starts lack, and gives none: whoever built the place decided them.

mod exec;
mod files;
mod ports;
mod tree;

use crate::mux::{Mux, Opened, Side, read_frame};
use crate::protocol::{Failure, FailureCode, GENERATION, Hello, Kind, Message, Request, Welcome, encode};
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Serves one connection until it ends.
pub async fn serve<S>(mut stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (header, payload) = read_frame(&mut stream).await?;
    let hello: Hello = match header.kind {
        Kind::Hello => serde_json::from_slice(&payload)?,
        other => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{other:?} instead of a hello"))),
    };
    let (listeners, failed_ports) = ports::listen(&hello.listen).await;
    let welcome = Welcome { generation: GENERATION, failed_ports };
    stream.write_all(&encode(0, Kind::Hello, 0, &serde_json::to_vec(&welcome)?)).await?;
    if hello.generation != GENERATION {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "another generation of the protocol"));
    }

    tree::adopt_orphans();
    let root = Rc::new(files::Root::open(&hello.root)?);
    let (reader, writer) = tokio::io::split(stream);
    let (mux, mut opened) = Mux::start(reader, writer, Side::Inside);
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async move {
            tokio::task::spawn_local(tree::reap_forever());
            for listener in listeners {
                tokio::task::spawn_local(ports::accept_forever(listener, mux.clone()));
            }
            while let Some(Opened { channel, payload }) = opened.recv().await {
                match serde_json::from_slice::<Request>(&payload) {
                    Ok(Request::Exec(exec)) => {
                        tokio::task::spawn_local(exec::run(channel, exec, root.clone()));
                    }
                    Ok(request) => {
                        tokio::task::spawn_local(files::answer(channel, request, root.clone()));
                    }
                    Err(error) => {
                        let text = format!("an unreadable request: {error}");
                        channel.send(&Message::Failed(Failure::new(FailureCode::Internal, text)));
                    }
                }
            }
        })
        .await;
    tree::kill_everything().await;
    Ok(())
}
