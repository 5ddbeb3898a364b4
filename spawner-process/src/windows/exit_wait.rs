//! Waits for the end of a process, in the system's thread pool.
#![allow(unsafe_code, reason = "a callback of the system's, with a context of ours")]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsHandle as _, AsRawHandle as _};
use std::ptr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWaitEx, WT_EXECUTEONLYONCE,
};

use super::handle::worked;
use super::process::Process;

/// Tells of the end of one process.
#[derive(Debug)]
pub(super) struct ExitWait {
    registration: HANDLE,
    context: *mut Context,
    ended: watch::Receiver<Option<Told>>,
}

/// The exit code, or the system's number for why it cannot be told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) code: Result<u32, String>,
    pub(super) at: Instant,
}

#[derive(Debug)]
struct Context {
    process: Arc<Process>,
    tell: watch::Sender<Option<Told>>,
}

// SAFETY: the registration may be given up from any thread, and the context is only touched by the callback until then.
unsafe impl Send for ExitWait {}
// SAFETY: through a shared reference only the channel is reached.
unsafe impl Sync for ExitWait {}

impl ExitWait {
    pub(super) fn on(process: &Arc<Process>) -> io::Result<Self> {
        let (tell, ended) = watch::channel(None);
        let context = Box::into_raw(Box::new(Context { process: Arc::clone(process), tell }));
        let mut registration = ptr::null_mut();
        // SAFETY: the process's handle is open for as long as the context is there, which is freed after the
        // registration was given up, or below where there is none.
        let registered = worked(unsafe {
            let handle = process.as_handle().as_raw_handle();
            let context = context.cast_const().cast::<c_void>();
            let flags = WT_EXECUTEONLYONCE;
            RegisterWaitForSingleObject(
                &raw mut registration,
                handle,
                Some(tell_end),
                context,
                INFINITE,
                flags,
            )
        });
        if let Err(error) = registered {
            // SAFETY: nobody was given it.
            drop(unsafe { Box::from_raw(context) });
            return Err(error);
        }
        Ok(Self { registration, context, ended })
    }

    /// What is known now.
    pub(super) fn now(&self) -> Option<Told> {
        self.ended.borrow().clone()
    }

    /// Waits for the end. Cancel-safe.
    pub(super) async fn end(&self) -> Told {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.map(|told| told.clone()) {
            Ok(Some(told)) => told,
            // The sender lives as long as this does.
            Ok(None) | Err(_) => {
                Told { code: Err("nobody waits for it any more".to_owned()), at: Instant::now() }
            }
        }
    }
}

unsafe extern "system" fn tell_end(context: *mut c_void, _timed_out: bool) {
    // SAFETY: it is the context that was registered, which is freed only after this has returned.
    let context = unsafe { &*context.cast::<Context>() };
    let code = context.process.exit_code().map_err(|error| error.to_string());
    context.tell.send_replace(Some(Told { code, at: Instant::now() }));
}

impl Drop for ExitWait {
    fn drop(&mut self) {
        // SAFETY: it was registered once, and the call returns after a callback that runs has returned; so nobody has
        // the context any more, which came from a box.
        unsafe {
            if let Err(error) = worked(UnregisterWaitEx(self.registration, INVALID_HANDLE_VALUE)) {
                // It may still be called, so its context stays.
                return tracing::warn!(%error, "a process is still waited for");
            }
            drop(Box::from_raw(self.context));
        }
    }
}
