//! What the system says about processes, without the spawner.
#![allow(unsafe_code, reason = "system calls on processes, and a crash on purpose")]

use std::fs::{File, OpenOptions};
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    CloseHandle, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation, WAIT_TIMEOUT,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    EXCEPTION_POINTERS, SEM_NOGPFAULTERRORBOX, SetErrorMode, SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DispatchMessageW, GetMessageW, IsWindow, MSG, WS_OVERLAPPEDWINDOW,
};
use windows_sys::{s, w};

/// How long anything may take that should be there at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a process with this pid runs.
pub(crate) fn is_alive(pid: u32) -> bool {
    // SAFETY: the handle is closed once, here.
    unsafe {
        let process = OpenProcess(PROCESS_SYNCHRONIZE, 0, pid);
        if process.is_null() {
            return false;
        }
        let runs = WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
        CloseHandle(process);
        runs
    }
}

/// All processes: pid, parent's pid, and name.
pub(crate) fn table() -> Vec<(u32, u32, String)> {
    let mut all = Vec::new();
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    // SAFETY: the entry says how large it is, and the handle is closed once, here.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        assert_ne!(snapshot, INVALID_HANDLE_VALUE);
        let mut more = Process32FirstW(snapshot, &raw mut entry);
        while more != 0 {
            let end = entry.szExeFile.iter().position(|&unit| unit == 0).unwrap();
            let name = String::from_utf16_lossy(&entry.szExeFile[..end]);
            all.push((entry.th32ProcessID, entry.th32ParentProcessID, name));
            more = Process32NextW(snapshot, &raw mut entry);
        }
        CloseHandle(snapshot);
    }
    all
}

/// How many processes but this one run this very program.
pub(crate) fn copies() -> Vec<u32> {
    let own = std::env::current_exe().unwrap();
    let own = own.file_name().unwrap().to_string_lossy().into_owned();
    let copies = table().into_iter().filter(|(pid, _, name)| {
        *pid != std::process::id() && name.eq_ignore_ascii_case(&own) && is_alive(*pid)
    });
    copies.map(|(pid, ..)| pid).collect()
}

/// Ends a process as the task manager does.
pub(crate) fn terminate(pid: u32) {
    // SAFETY: the handle is closed once, here.
    unsafe {
        let process = OpenProcess(PROCESS_TERMINATE, 0, pid);
        assert!(!process.is_null());
        assert_ne!(TerminateProcess(process, 77), 0);
        CloseHandle(process);
    }
}

/// Waits until `done`.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn has_console() -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open("CONOUT$").is_ok()
}

/// A file that is shared with nobody, and that children inherit unless they are told what to inherit.
pub(crate) fn inheritable(path: &Path) -> File {
    let file = OpenOptions::new().write(true).create_new(true).share_mode(0).open(path).unwrap();
    // SAFETY: the handle is open.
    assert_ne!(
        unsafe { SetHandleInformation(file.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) },
        0
    );
    file
}

/// Whether this is Wine, and no Windows.
pub(crate) fn is_wine() -> bool {
    // SAFETY: the names end with zeros, and the module is there in every process.
    unsafe { GetProcAddress(GetModuleHandleW(w!("ntdll.dll")), s!("wine_get_version")) }.is_some()
}

/// Makes a window, says this process's pid, and ends with 6 when the window was closed. Says 0 where there can be none.
pub(crate) fn window() -> std::process::ExitCode {
    // SAFETY: the texts end with zeros, a class of the system's is used, and the message lives here.
    unsafe {
        let none = std::ptr::null_mut();
        let window = CreateWindowExW(
            0,
            w!("STATIC"),
            w!("a task"),
            WS_OVERLAPPEDWINDOW,
            0,
            0,
            9,
            9,
            none,
            none,
            none,
            std::ptr::null(),
        );
        if window.is_null() {
            println!("0");
            return 0.into();
        }
        println!("{}", std::process::id());
        let mut message = MSG::default();
        while IsWindow(window) != 0 && GetMessageW(&raw mut message, none, 0, 0) > 0 {
            DispatchMessageW(&raw const message);
        }
    }
    6.into()
}

/// The process ends with the exception's code, and Wine starts no debugger to look at it.
unsafe extern "system" fn end_at_once(_: *const EXCEPTION_POINTERS) -> i32 {
    const EXCEPTION_EXECUTE_HANDLER: i32 = 1;
    EXCEPTION_EXECUTE_HANDLER
}

/// Reads where nothing is.
pub(crate) fn crash() -> ! {
    // SAFETY: none. That is the point. But for the window, or the debugger, that would come of it.
    unsafe {
        SetErrorMode(SEM_NOGPFAULTERRORBOX);
        SetUnhandledExceptionFilter(Some(end_at_once));
        std::ptr::without_provenance::<u8>(8).read_volatile();
    }
    unreachable!()
}
