//! macOS and FreeBSD: EVFILT_PROC of kqueue(2), whose descriptor can itself be polled.

#![allow(unsafe_code)] // kevent(2), which also takes descriptors; none are given to it here.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr;
use std::time::Duration;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::io::Errno;
use rustix::process::Pid;

pub(super) fn notice(pid: u32) -> io::Result<Option<OwnedFd>> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    let queue = kqueue()?;
    let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let event = Event::new(filter, EventFlags::ADD, ptr::null_mut());
    let mut none: [Event; 0] = [];
    // SAFETY: the event names a process, and no descriptor that could be closed meanwhile.
    match unsafe { kevent(&queue, &[event], &mut none, Some(Duration::ZERO)) } {
        Ok(_) => Ok(Some(queue)),
        // Darwin says so of zombies too.
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
