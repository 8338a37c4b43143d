//! Many channels over one byte stream, each with three lanes of flow-controlled bytes both ways and a queue of messages.
//!
//! Both ends use this file. The far end is never trusted: who sends more than its window, or opens channels without
//! end, loses the connection. What a request means is not known here.

use crate::protocol::{
    CHANNELS_MAX, DATA_BYTES_MAX, FRAME_BYTES_MAX, Failure, FailureCode, HEADER_BYTES, Header, Kind, LANES, Message, WINDOW_BYTES,
    decode_header, encode,
};
use bytes::{Buf, Bytes};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::sync::{mpsc, watch};

/// Messages that may wait on one channel.
const MESSAGES_MAX: usize = 64;

/// Which channel numbers an end gives out, so that the two never choose the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Odd numbers.
    Host,
    /// Even numbers.
    Inside,
}

/// A handle to the connection. Cheap to clone; the connection lives as long as its two tasks do.
#[derive(Clone)]
pub struct Mux {
    shared: Arc<Shared>,
}

/// A channel that the far end opened, with the bytes it opened it with.
pub struct Opened {
    pub channel: Channel,
    pub payload: Bytes,
}

struct Shared {
    side: Side,
    /// Unbounded, yet bounded in fact: data waits for windows, and everything else is small and one per act.
    out: mpsc::UnboundedSender<Vec<u8>>,
    table: Mutex<Table>,
    closed: watch::Sender<Option<String>>,
}

struct Table {
    channels: HashMap<u32, Arc<State>>,
    next: u32,
    is_closed: bool,
}

impl Mux {
    /// Starts the reading and the writing task over the two halves of a stream on which hellos were already exchanged.
    pub fn start<R, W>(reader: R, writer: W, side: Side) -> (Mux, mpsc::Receiver<Opened>)
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (out, out_queue) = mpsc::unbounded_channel();
        let (opened, opened_queue) = mpsc::channel(CHANNELS_MAX);
        let first = if side == Side::Host { 1 } else { 2 };
        let shared = Arc::new(Shared {
            side,
            out,
            table: Mutex::new(Table { channels: HashMap::new(), next: first, is_closed: false }),
            closed: watch::Sender::new(None),
        });
        let mux = Mux { shared };
        tokio::spawn(write_all(mux.clone(), writer, out_queue));
        tokio::spawn(read_all(mux.clone(), reader, opened));
        (mux, opened_queue)
    }

    pub fn open(&self, payload: &[u8]) -> io::Result<Channel> {
        let mut table = lock(&self.shared.table);
        if table.is_closed {
            return Err(gone());
        }
        while table.channels.contains_key(&table.next) || table.next < 2 && self.shared.side == Side::Inside {
            table.next = table.next.wrapping_add(2);
        }
        let id = table.next;
        table.next = id.wrapping_add(2);
        let channel = self.add(&mut table, id);
        drop(table);
        self.send(encode(id, Kind::Open, 0, payload));
        Ok(channel)
    }

    /// Resolves when the connection is over, with the reason.
    pub async fn closed(&self) -> String {
        let mut watching = self.shared.closed.subscribe();
        loop {
            if let Some(reason) = watching.borrow().clone() {
                return reason;
            }
            if watching.changed().await.is_err() {
                return "the connection was dropped".into();
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        self.shared.closed.borrow().is_some()
    }

    /// Ends the connection and everything on it.
    pub fn shut(&self, reason: &str) {
        let channels: Vec<_> = {
            let mut table = lock(&self.shared.table);
            table.is_closed = true;
            table.channels.drain().map(|(_, state)| state).collect()
        };
        for state in channels {
            state.close();
        }
        self.shared.closed.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(reason.to_string());
            }
            is_first
        });
    }

    fn add(&self, table: &mut Table, id: u32) -> Channel {
        let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
        let state = Arc::new(State {
            id,
            out: self.shared.out.clone(),
            lanes: std::array::from_fn(|_| Mutex::new(Lane::default())),
            messages: Mutex::new(Some(messages)),
        });
        table.channels.insert(id, state.clone());
        Channel { handle: Handle { mux: self.clone(), state }, inbox }
    }

    fn send(&self, frame: Vec<u8>) {
        // A send fails only once the writer is gone, and then the channel is closed or about to be.
        let _ = self.shared.out.send(frame);
    }

    /// One frame from the far end. An error means that it broke the rules.
    fn receive(&self, header: Header, payload: Bytes, opened: &mpsc::Sender<Opened>) -> Result<(), String> {
        if header.kind == Kind::Open {
            return self.receive_open(header.channel, payload, opened);
        }
        // Frames may cross a close on the way; what arrives for a channel that is over is dropped.
        let Some(state) = lock(&self.shared.table).channels.get(&header.channel).cloned() else { return Ok(()) };
        match header.kind {
            Kind::Data => state.receive_data(header.lane, payload),
            Kind::Eof => {
                state.lane(header.lane).receive_eof();
                Ok(())
            }
            Kind::Window => {
                let bytes: [u8; 4] = payload.as_ref().try_into().map_err(|_| "a window of the wrong size")?;
                state.lane(header.lane).add_credit(u32::from_le_bytes(bytes) as usize)
            }
            Kind::Message => {
                let message = serde_json::from_slice(&payload).map_err(|e| format!("an unreadable message: {e}"))?;
                let sender = lock(&state.messages).clone();
                match sender.map(|s| s.try_send(message)) {
                    Some(Err(mpsc::error::TrySendError::Full(_))) => Err("too many messages at once".into()),
                    _ => Ok(()),
                }
            }
            Kind::Close => {
                lock(&self.shared.table).channels.remove(&header.channel);
                state.close();
                Ok(())
            }
            Kind::Hello | Kind::Open | Kind::Failed | Kind::Started => Err(format!("a {:?} frame in the middle", header.kind)),
        }
    }

    fn receive_open(&self, id: u32, payload: Bytes, opened: &mpsc::Sender<Opened>) -> Result<(), String> {
        let is_theirs = id.is_multiple_of(2) == (self.shared.side == Side::Host) && id != 0;
        let mut table = lock(&self.shared.table);
        if !is_theirs || table.channels.contains_key(&id) {
            return Err(format!("channel {id} may not be opened"));
        }
        let is_mine = |n: &&u32| n.is_multiple_of(2) == (self.shared.side == Side::Inside);
        if table.channels.len() - table.channels.keys().filter(is_mine).count() >= CHANNELS_MAX {
            drop(table);
            self.send(encode(id, Kind::Close, 0, &[]));
            return Ok(());
        }
        let channel = self.add(&mut table, id);
        drop(table);
        // A full or dropped queue drops the channel, which tells the far end that it is closed.
        let _ = opened.try_send(Opened { channel, payload });
        Ok(())
    }
}

async fn write_all<W: AsyncWrite + Unpin>(mux: Mux, mut writer: W, mut queue: mpsc::UnboundedReceiver<Vec<u8>>) {
    let mut batch = Vec::new();
    loop {
        batch.clear();
        tokio::select! {
            got = queue.recv_many(&mut batch, 32) => if got == 0 { break },
            _ = mux.closed() => break,
        }
        let sent = async {
            for frame in &batch {
                writer.write_all(frame).await?;
            }
            writer.flush().await
        };
        tokio::select! {
            result = sent => if let Err(error) = result {
                mux.shut(&format!("writing failed: {error}"));
                break;
            },
            _ = mux.closed() => break,
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_all<R: AsyncRead + Unpin>(mux: Mux, reader: R, opened: mpsc::Sender<Opened>) {
    let mut reader = BufReader::with_capacity(16 << 10, reader);
    let reason = tokio::select! {
        reason = read_frames(&mux, &mut reader, &opened) => reason,
        reason = mux.closed() => reason,
    };
    mux.shut(&reason);
}

async fn read_frames<R: AsyncRead + Unpin>(mux: &Mux, reader: &mut R, opened: &mpsc::Sender<Opened>) -> String {
    loop {
        let (header, payload) = match read_frame(reader).await {
            Ok(frame) => frame,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return "the far end went away".into(),
            Err(error) => return format!("reading failed: {error}"),
        };
        if let Err(broken) = mux.receive(header, payload, opened) {
            return format!("the far end broke the protocol: {broken}");
        }
    }
}

/// Reads one frame; used for the hellos too, before a [`Mux`] exists.
pub async fn read_frame<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<(Header, Bytes)> {
    let mut head = [0; HEADER_BYTES];
    reader.read_exact(&mut head).await?;
    let header = decode_header(&head).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
    let mut payload = vec![0; header.length];
    reader.read_exact(&mut payload).await?;
    Ok((header, payload.into()))
}

/// One conversation. Dropping it closes the channel for both ends.
pub struct Channel {
    handle: Handle,
    inbox: mpsc::Receiver<Message>,
}

impl Channel {
    pub fn reader(&self, lane: u8) -> LaneReader {
        LaneReader { state: self.handle.state.clone(), lane }
    }
    pub fn writer(&self, lane: u8) -> LaneWriter {
        LaneWriter { state: self.handle.state.clone(), lane }
    }
    /// None once the channel is over.
    pub async fn message(&mut self) -> Option<Message> {
        self.inbox.recv().await
    }
    pub fn send(&self, message: &Message) {
        self.handle.send(message);
    }
    /// Splits off the sending half, which then keeps the channel open.
    pub fn split(self) -> (Handle, mpsc::Receiver<Message>) {
        (self.handle, self.inbox)
    }
}

/// The sending half of a channel, and its life: dropping it closes the channel.
pub struct Handle {
    mux: Mux,
    state: Arc<State>,
}

impl Handle {
    pub fn send(&self, message: &Message) {
        let mut payload = serde_json::to_vec(message).expect("a message of ours is JSON");
        if payload.len() > FRAME_BYTES_MAX {
            let failure = Failure::new(FailureCode::Exhausted, "the answer is too large; ask for less at a time");
            payload = serde_json::to_vec(&Message::Failed(failure)).expect("a message of ours is JSON");
        }
        self.mux.send(encode(self.state.id, Kind::Message, 0, &payload));
    }
    pub fn reader(&self, lane: u8) -> LaneReader {
        LaneReader { state: self.state.clone(), lane }
    }
    pub fn writer(&self, lane: u8) -> LaneWriter {
        LaneWriter { state: self.state.clone(), lane }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let was_open = lock(&self.mux.shared.table).channels.remove(&self.state.id).is_some();
        if was_open {
            self.mux.send(encode(self.state.id, Kind::Close, 0, &[]));
        }
        self.state.close();
    }
}

struct State {
    id: u32,
    out: mpsc::UnboundedSender<Vec<u8>>,
    lanes: [Mutex<Lane>; LANES],
    messages: Mutex<Option<mpsc::Sender<Message>>>,
}

struct Lane {
    queue: VecDeque<Bytes>,
    queued_bytes: usize,
    /// Read but not yet given back to the sender's window.
    unacknowledged_bytes: usize,
    is_ended: bool,
    is_closed: bool,
    /// Nobody reads any more; what still arrives is dropped and acknowledged.
    is_abandoned: bool,
    read_waker: Option<Waker>,
    credit_bytes: usize,
    is_finished: bool,
    write_waker: Option<Waker>,
}

impl Default for Lane {
    fn default() -> Self {
        Lane {
            queue: VecDeque::new(),
            queued_bytes: 0,
            unacknowledged_bytes: 0,
            is_ended: false,
            is_closed: false,
            is_abandoned: false,
            read_waker: None,
            credit_bytes: WINDOW_BYTES,
            is_finished: false,
            write_waker: None,
        }
    }
}

impl Lane {
    fn receive_eof(&mut self) {
        self.is_ended = true;
        wake(&mut self.read_waker);
    }
    fn add_credit(&mut self, bytes: usize) -> Result<(), String> {
        self.credit_bytes += bytes;
        if self.credit_bytes > WINDOW_BYTES {
            return Err("a window wider than agreed".into());
        }
        wake(&mut self.write_waker);
        Ok(())
    }
    fn close(&mut self) {
        self.is_closed = true;
        wake(&mut self.read_waker);
        wake(&mut self.write_waker);
    }
    /// The bytes to give back to the sender, once they are worth a frame.
    fn consume(&mut self, bytes: usize) -> Option<u32> {
        self.queued_bytes -= bytes;
        self.unacknowledged_bytes += bytes;
        let is_due = self.unacknowledged_bytes >= WINDOW_BYTES / 4 && !self.is_ended && !self.is_closed;
        is_due.then(|| std::mem::take(&mut self.unacknowledged_bytes) as u32)
    }
}

impl State {
    fn lane(&self, lane: u8) -> MutexGuard<'_, Lane> {
        lock(&self.lanes[lane as usize])
    }
    fn receive_data(&self, number: u8, payload: Bytes) -> Result<(), String> {
        let mut lane = self.lane(number);
        if lane.is_ended {
            return Err("bytes after the end".into());
        }
        lane.queued_bytes += payload.len();
        if lane.queued_bytes + lane.unacknowledged_bytes > WINDOW_BYTES {
            return Err("more bytes than the window allows".into());
        }
        if lane.is_abandoned {
            let credit = lane.consume(payload.len());
            drop(lane);
            self.acknowledge(number, credit);
            return Ok(());
        }
        lane.queue.push_back(payload);
        wake(&mut lane.read_waker);
        Ok(())
    }
    fn acknowledge(&self, lane: u8, credit: Option<u32>) {
        if let Some(credit) = credit {
            let _ = self.out.send(encode(self.id, Kind::Window, lane, &credit.to_le_bytes()));
        }
    }
    fn close(&self) {
        for lane in &self.lanes {
            lock(lane).close();
        }
        lock(&self.messages).take();
    }
}

/// Bytes that arrive on one lane. Ends without an error also when the channel closes: the message tells what happened.
pub struct LaneReader {
    state: Arc<State>,
    lane: u8,
}

impl AsyncRead for LaneReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut lane = self.state.lane(self.lane);
        let Some(front) = lane.queue.front_mut() else {
            if lane.is_ended || lane.is_closed || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            lane.read_waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let length = front.len().min(buf.remaining());
        buf.put_slice(&front[..length]);
        front.advance(length);
        if front.is_empty() {
            lane.queue.pop_front();
        }
        let credit = lane.consume(length);
        drop(lane);
        self.state.acknowledge(self.lane, credit);
        Poll::Ready(Ok(()))
    }
}

impl Drop for LaneReader {
    fn drop(&mut self) {
        let mut lane = self.state.lane(self.lane);
        lane.is_abandoned = true;
        lane.queue.clear();
        let queued = lane.queued_bytes;
        let credit = lane.consume(queued);
        drop(lane);
        self.state.acknowledge(self.lane, credit);
    }
}

/// Bytes to the far end on one lane, as far as its window allows. Shutting it down or dropping it says that no more come.
pub struct LaneWriter {
    state: Arc<State>,
    lane: u8,
}

impl LaneWriter {
    fn finish(&self) {
        let mut lane = self.state.lane(self.lane);
        if !lane.is_finished && !lane.is_closed {
            lane.is_finished = true;
            let _ = self.state.out.send(encode(self.state.id, Kind::Eof, self.lane, &[]));
        }
    }
}

impl AsyncWrite for LaneWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut lane = self.state.lane(self.lane);
        if lane.is_closed || lane.is_finished {
            return Poll::Ready(Err(gone()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = lane.credit_bytes.min(bytes.len()).min(DATA_BYTES_MAX);
        if length == 0 {
            lane.write_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        lane.credit_bytes -= length;
        if self.state.out.send(encode(self.state.id, Kind::Data, self.lane, &bytes[..length])).is_err() {
            return Poll::Ready(Err(gone()));
        }
        Poll::Ready(Ok(length))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for LaneWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one of these locks, and the state is whole between any two statements.
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the channel is closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> ((Mux, mpsc::Receiver<Opened>), (Mux, mpsc::Receiver<Opened>)) {
        let (a, b) = tokio::io::duplex(8 << 10);
        let (ar, aw) = tokio::io::split(a);
        let (br, bw) = tokio::io::split(b);
        (Mux::start(ar, aw, Side::Host), Mux::start(br, bw, Side::Inside))
    }

    #[tokio::test]
    async fn a_slow_reader_holds_its_writer_back_and_nobody_else() {
        let ((host, _), (_inside, mut opened)) = pair();
        let slow = host.open(b"slow").unwrap();
        let brisk = host.open(b"brisk").unwrap();
        let far_slow = opened.recv().await.unwrap().channel;
        let far_brisk = opened.recv().await.unwrap().channel;

        let mut writer = slow.writer(0);
        let sending = tokio::spawn(async move { writer.write_all(&vec![7; 4 * WINDOW_BYTES]).await });
        let mut hello = brisk.writer(0);
        hello.write_all(b"through").await.unwrap();
        let mut got = [0; 7];
        far_brisk.reader(0).read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"through");
        assert!(!sending.is_finished(), "four windows went through without a reader");

        let mut all = Vec::new();
        far_slow.reader(0).read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 4 * WINDOW_BYTES);
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_end_that_ignores_its_window_is_cut_off() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let (reader, writer) = tokio::io::split(near);
        let (mux, _opened) = Mux::start(reader, writer, Side::Host);
        let channel = mux.open(b"{}").unwrap();
        let _reader = channel.reader(0);
        for _ in 0..=(WINDOW_BYTES / DATA_BYTES_MAX) {
            far.write_all(&encode(1, Kind::Data, 0, &vec![0; DATA_BYTES_MAX])).await.unwrap();
        }
        assert!(mux.closed().await.contains("window"));
    }

    #[tokio::test]
    async fn dropping_a_channel_closes_it_over_there() {
        let ((host, _), (_inside, mut opened)) = pair();
        drop(host.open(b"x").unwrap());
        let mut far = opened.recv().await.unwrap().channel;
        assert!(far.message().await.is_none());
    }
}
