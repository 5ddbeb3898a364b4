//! The messages between harness, supervisor and keeper, and the framing that carries them together with
//! descriptors over a stream socket.
//!
//! A frame is its length (four bytes, little-endian), the number of descriptors that go with it (one byte),
//! and the message.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) mod byte_strings;

const HEADER: usize = 5;
/// The standard streams of a task.
const MOST_DESCRIPTORS: usize = 3;
/// What a frame may be at most: an argv and an environment near ARG_MAX, and some.
const LONGEST: usize = 64 << 20;

/// What of memory is worth being given back.
pub(crate) const LARGE: usize = 64 << 10;

/// One end of the conversation. It never blocks.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Arc<OwnedFd>,
    inbox: Vec<u8>,
    /// What came with each message that had descriptors; nothing, where this process has none left for them.
    received: VecDeque<Vec<OwnedFd>>,
    outbox: VecDeque<Frame>,
    closed: bool,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

impl Wire {
    /// Takes over one end of a socket pair.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket: Arc::new(socket),
            inbox: Vec::new(),
            received: VecDeque::new(),
            outbox: VecDeque::new(),
            closed: false,
        })
    }

    pub(crate) fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// Whether the other end is gone, and everything that it sent was read.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// What to poll the socket for. Nothing, once the other end is gone: it would be readable for ever.
    pub(crate) fn interest(&self) -> PollFlags {
        match (self.closed, self.has_unsent()) {
            (true, _) => PollFlags::empty(),
            (false, true) => PollFlags::IN | PollFlags::OUT,
            (false, false) => PollFlags::IN,
        }
    }

    /// Ends the conversation: nothing is read any more, and the other end is told.
    pub(crate) fn give_up(&mut self) {
        self.closed = true;
        self.inbox.clear();
        if let Err(errno) = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both) {
            tracing::trace!(%errno, "the other end was gone already");
        }
    }

    /// Whether something waits until the socket takes more.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends a message with descriptors, now or with the next [`Wire::flush`].
    pub(crate) fn send(&mut self, message: &impl Serialize, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        let mut bytes = vec![0; HEADER];
        bytes = postcard::to_extend(message, bytes).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len() - HEADER).ok().filter(|&length| length as usize <= LONGEST);
        let Some(length) = length else { return Err(Errno::TOOBIG.into()) };
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4] = u8::try_from(descriptors.len()).map_err(io::Error::other)?;
        self.outbox.push_back(Frame { bytes, sent: 0, descriptors });
        self.flush()
    }

    /// Sends what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.outbox.front_mut() {
            match frame.send(self.socket.as_fd()) {
                Ok(()) => drop(self.outbox.pop_front()),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.outbox.clear();
                    return Err(errno.into());
                }
            }
        }
        Ok(())
    }

    /// Reads all that is there, so that readiness by edge can be trusted.
    pub(crate) fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 2 << 10];
        while !self.closed {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let (read, truncated) =
                match recvmsg(&self.socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
                    Ok(message) => (message.bytes, message.flags.contains(ReturnFlags::CTRUNC)),
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => return Ok(()),
                    Err(Errno::CONNRESET) => (0, false),
                    Err(errno) => return Err(errno.into()),
                };
            let mut descriptors = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            // One read never returns the descriptors of two messages (unix(7)).
            if truncated {
                self.received.push_back(Vec::new());
            } else if !descriptors.is_empty() {
                self.received.push_back(descriptors);
            }
            self.closed = read == 0;
            self.inbox.extend_from_slice(&buffer[..read]);
        }
        Ok(())
    }

    /// Takes the next whole message out of what was read. Its descriptors are missing where this process had
    /// none left to receive them with.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let Some((header, rest)) = self.inbox.split_at_checked(HEADER) else { return Ok(None) };
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let descriptors = usize::from(header[4]);
        if length > LONGEST || descriptors > MOST_DESCRIPTORS {
            return Err(io::Error::other("a frame that makes no sense"));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = postcard::from_bytes(body).map_err(io::Error::other)?;
        self.inbox.drain(..HEADER + length);
        if self.inbox.is_empty() && length > LARGE {
            // An idle keeper is to be small, also after a large message.
            self.inbox = Vec::new();
        }
        let received = if descriptors > 0 { self.received.pop_front() } else { None };
        Ok(Some((message, received.unwrap_or_default())))
    }
}

impl Frame {
    fn send(&mut self, socket: BorrowedFd<'_>) -> Result<(), Errno> {
        while self.sent < self.bytes.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let borrowed: Vec<_> = self.descriptors.iter().map(AsFd::as_fd).collect();
            if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
                return Err(Errno::INVAL);
            }
            let rest = [IoSlice::new(&self.bytes[self.sent..])];
            self.sent += sendmsg(socket, &rest, &mut control, SendFlags::NOSIGNAL)?;
            // They went with the first byte.
            self.descriptors.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (Wire, Wire) {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        (Wire::new(a).unwrap(), Wire::new(b).unwrap())
    }

    #[test]
    fn messages_larger_than_the_socket_s_buffer_arrive_whole_and_in_order() {
        let (mut a, mut b) = pair();
        let sent: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 700_000]).collect();
        for message in &sent {
            a.send(message, Vec::new()).unwrap();
        }
        let mut got = Vec::new();
        while got.len() < sent.len() {
            a.flush().unwrap();
            b.receive().unwrap();
            while let Some((message, _)) = b.next::<Vec<u8>>().unwrap() {
                got.push(message);
            }
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn descriptors_go_with_their_message() {
        let (mut a, mut b) = pair();
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        a.send(&1u8, vec![file()]).unwrap();
        a.send(&2u8, Vec::new()).unwrap();
        a.send(&3u8, vec![file(), file(), file()]).unwrap();
        b.receive().unwrap();
        for expected in [(1u8, 1), (2, 0), (3, 3)] {
            b.receive().unwrap();
            let (message, descriptors) = b.next::<u8>().unwrap().unwrap();
            assert_eq!((message, descriptors.len()), expected);
        }
    }

    #[test]
    fn the_end_of_the_other_side_is_seen_after_what_it_sent() {
        let (mut a, mut b) = pair();
        a.send(&7u8, Vec::new()).unwrap();
        drop(a);
        for _ in 0..2 {
            b.receive().unwrap();
        }
        assert!(b.is_closed());
        assert_eq!(b.next::<u8>().unwrap().unwrap().0, 7);
    }
}
