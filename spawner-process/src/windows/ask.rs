//! Asks a task to end, in the two ways that Windows has.
#![allow(unsafe_code, reason = "system calls on consoles and windows")]

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;
use windows_sys::Win32::Foundation::{HWND, LPARAM};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, GetConsoleProcessList,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    EnumWindows, GetWindowThreadProcessId, PostMessageW, WM_CLOSE,
};

use super::birth::has_console;
use super::handle::worked;
use super::process::Process;

/// Sends CTRL_BREAK to the console process group of this number, which is the main process's pid. Whoever calls holds a
/// handle of that, so that it is nobody else's.
///
/// Only those hear it that have this process's console. That there are none is an error. A process without one could
/// join the task's for an instant, but would lose what its own standard handles are. Where there is no common console, the
/// error is `NotConnected`.
pub(super) fn press_break(group: u32, members: &[u32]) -> io::Result<()> {
    if !has_console() {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "this process has no console, through which CTRL_BREAK would go",
        ));
    }
    let sharing = sharing_console();
    // Wine does not tell.
    if !sharing.is_empty() && !members.iter().any(|member| sharing.contains(member)) {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "nobody of the task has this process's console",
        ));
    }
    // SAFETY: it takes numbers.
    worked(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) })
}

/// The pids of those that have this process's console, its own among them; none where it has no console.
fn sharing_console() -> Vec<u32> {
    let mut room = 64;
    loop {
        let mut pids = vec![0u32; room];
        // SAFETY: no more is written than the length that is told; where it is too short, nothing is.
        let count =
            unsafe { GetConsoleProcessList(pids.as_mut_ptr(), u32::try_from(room).unwrap_or(u32::MAX)) };
        let count = count as usize;
        if count <= room {
            pids.truncate(count);
            return pids;
        }
        room = count + 16;
    }
}

/// Posts WM_CLOSE to every window of these processes, and says how many there were. Cancel-safe.
///
/// In a thread of its own: the system may take long to answer (wine first makes a desktop, for ten seconds beside a storm),
/// and whoever asks has a deadline. Meanwhile their handles are held, so that no number becomes another's.
pub(super) async fn close_windows(processes: Vec<Arc<Process>>) -> io::Result<usize> {
    let (tell, told) = oneshot::channel();
    thread::Builder::new().name("spawner-asks".into()).spawn(move || {
        let pids: Vec<u32> = processes.iter().map(|process| process.pid()).collect();
        // Whoever asked may have given up.
        drop(tell.send(close_windows_of(&pids)));
    })?;
    told.await.unwrap_or_else(|_| Err(io::Error::other("the thread that looks for windows has died")))
}

fn close_windows_of(pids: &[u32]) -> io::Result<usize> {
    let mut search = Search { pids, found: 0 };
    // SAFETY: the callback gets the search, which outlives the call, and nobody else has it meanwhile.
    worked(unsafe { EnumWindows(Some(close), (&raw mut search).expose_provenance().cast_signed()) })?;
    Ok(search.found)
}

struct Search<'a> {
    pids: &'a [u32],
    found: usize,
}

unsafe extern "system" fn close(window: HWND, search: LPARAM) -> i32 {
    // SAFETY: it is what `close_windows_of` handed over, and is running still.
    let search = unsafe { &mut *std::ptr::with_exposed_provenance_mut::<Search<'_>>(search.cast_unsigned()) };
    let mut pid = 0;
    // SAFETY: one number is written; a window that has gone meanwhile is an error that changes nothing.
    unsafe {
        GetWindowThreadProcessId(window, &raw mut pid);
        if search.pids.contains(&pid) && PostMessageW(window, WM_CLOSE, 0, 0) != 0 {
            search.found += 1;
        }
    }
    1
}
