//! Large bodies. They are read piece by piece, and what is held of all of them together is bounded: whoever only announces
//! much, or sends it slowly, keeps nobody else out.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use domain::{Error, Result};
use futures::{Stream, StreamExt};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Memory is given out in portions of this size.
const PORTION_BYTES: usize = 64 << 10;
/// What a refused sender may still send before it hears so, since many read no answer while they are sending.
const SPILLED_BYTES_MAX: usize = 1 << 20;
const SPILL_TIMEOUT: Duration = Duration::from_secs(1);

/// What bodies may take together.
#[derive(Clone)]
pub struct Memory(Arc<Semaphore>);

impl Memory {
    pub fn new(bytes_max: usize) -> Self {
        Memory(Arc::new(Semaphore::new(bytes_max / PORTION_BYTES)))
    }

    pub fn hold(&self) -> Share {
        Share { memory: self.0.clone(), portions: 0, permit: None }
    }

    /// The whole body, unless it is too long or there is no room.
    pub async fn read(&self, body: Body, bytes_max: usize, too_long: impl Fn() -> Error) -> Result<Held> {
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(too_long());
        }
        let pieces = body.into_data_stream().map(|piece| piece.map_err(|_| Error::invalid("the body ended before its announced length")));
        let mut share = self.hold();
        let bytes = share.take_in(pieces, bytes_max, too_long).await?;
        Ok(Held { bytes, share })
    }
}

/// A part of the memory, given back when dropped.
pub struct Share {
    memory: Arc<Semaphore>,
    portions: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Everything from the stream, in memory that is taken as it fills.
    pub async fn take_in<S>(&mut self, mut pieces: S, bytes_max: usize, too_long: impl Fn() -> Error) -> Result<Bytes>
    where
        S: Stream<Item = Result<Bytes>> + Unpin,
    {
        let mut whole = BytesMut::new();
        let before = self.portions;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if whole.len() + piece.len() > bytes_max {
                return Err(too_long());
            }
            self.grow(before + (whole.len() + piece.len()).div_ceil(PORTION_BYTES))?;
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn grow(&mut self, portions: usize) -> Result<()> {
        if portions <= self.portions {
            return Ok(());
        }
        let busy = || Error::unavailable("the server is busy with other large bodies; try again in a moment");
        let more = self.memory.clone().try_acquire_many_owned((portions - self.portions) as u32).map_err(|_| busy())?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        self.portions = portions;
        Ok(())
    }
}

/// A body, as long as its share of the memory is held.
pub struct Held {
    pub bytes: Bytes,
    pub share: Share,
}

/// Lets a sender whose body nobody wants come to the point where it reads why.
pub async fn spill(body: Body) {
    let mut pieces = body.into_data_stream();
    let spilling = async {
        let mut spilled = 0;
        while let Some(Ok(piece)) = pieces.next().await {
            spilled += piece.len();
            if spilled > SPILLED_BYTES_MAX {
                return;
            }
        }
    };
    let _ = timeout(SPILL_TIMEOUT, spilling).await;
}

/// The same request, and a look at whether it is its sender that is waited for.
pub fn watched(request: Request) -> (Request, Sender) {
    let sender = Sender::default();
    let waits = sender.clone();
    (request.map(|inner| Body::new(Watched { inner, waits })), sender)
}

/// Where a body stands that somebody else reads.
#[derive(Clone, Default)]
pub struct Sender(Arc<AtomicBool>);

impl Sender {
    pub fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watched {
    inner: Body,
    waits: Sender,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;
    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        self.waits.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    fn too_long() -> Error {
        Error::limit("too long").code("too_large")
    }

    fn sending(bytes: usize) -> Body {
        let pieces = (0..bytes / 1000).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[7; 1000])));
        // Then it sends nothing more, and does not end.
        Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()).chain(stream::pending()))
    }

    #[tokio::test]
    async fn memory_is_taken_as_it_fills_and_given_back() {
        let memory = Memory::new(4 * PORTION_BYTES);
        // Two who announce all there is and send next to nothing.
        let slow: Vec<_> = (0..2)
            .map(|_| {
                let memory = memory.clone();
                tokio::spawn(async move { memory.read(sending(1000), 1 << 30, too_long).await.map(drop) })
            })
            .collect();
        while memory.0.available_permits() > 2 {
            tokio::task::yield_now().await;
        }
        let held = memory.read(Body::from(vec![1; 2 * PORTION_BYTES]), 1 << 20, too_long).await.expect("there is room for it");
        assert_eq!((held.bytes.len(), memory.0.available_permits()), (2 * PORTION_BYTES, 0));
        let full = memory.read(Body::from("x"), 1 << 20, too_long).await.map(drop).expect_err("nothing is left");
        assert_eq!(full.kind, domain::Kind::Unavailable);
        drop(held);
        slow.iter().for_each(|one| one.abort());
        while memory.0.available_permits() < 4 {
            tokio::task::yield_now().await;
        }
        for (bytes, fits) in [(2000, true), (2001, false)] {
            let body = Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes]))]));
            assert_eq!(memory.read(body, 2000, too_long).await.is_ok(), fits);
        }
    }
}
