//! Starts a program without copying this process: the child borrows its memory until it executes.

#![allow(unsafe_code)] // clone3(2) with a stack of the child's own, which no library offers.

use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::linux::sys::clone_args;

/// The child's stack. It runs only what leads to execve(2).
const STACK: usize = 256 << 10;

/// A stack for children, used by one at a time.
#[derive(Debug)]
pub(crate) struct Stack(*mut c_void);

impl Stack {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a fresh mapping, which is nobody else's.
        let address = unsafe {
            mmap_anonymous(ptr::null_mut(), STACK, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        Ok(Self(address))
    }

    /// Gives the pages back that a child has dirtied. The next one gets fresh ones.
    pub(crate) fn give_back(&mut self) {
        // SAFETY: this stack's own mapping, and no child is using it.
        if let Err(errno) = unsafe { madvise(self.0, STACK, Advice::LinuxDontNeed) } {
            tracing::trace!(%errno, "a stack keeps its pages");
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: as above, and nobody can use it after this.
        if let Err(errno) = unsafe { munmap(self.0, STACK) } {
            tracing::trace!(%errno, "a stack stays");
        }
    }
}

/// Runs `child` in a new process that shares this one's memory, as vfork(2) does, and returns its pid after
/// it has executed a program or ended. It is born in `cgroup` where one is given.
///
/// # Safety
///
/// This process must have one thread only. `child` must not unwind, and must leave alone whatever the parent
/// relies on: its memory is the parent's.
pub(crate) unsafe fn run_until_exec(
    stack: &mut Stack,
    cgroup: Option<BorrowedFd<'_>>,
    mut child: &mut dyn FnMut(),
) -> io::Result<i32> {
    #[allow(clippy::cast_sign_loss)]
    let mut args = clone_args(cgroup, (libc::CLONE_VM | libc::CLONE_VFORK) as u64);
    args.stack = stack.0 as u64;
    args.stack_size = STACK as u64;
    // SAFETY: the stack is writable, aligned and long enough, and nobody else uses it: the parent does not
    // run until the child has executed or ended. `entry` gets the address of a live closure and never returns.
    let pid = unsafe { clone_and_call(&args, entry, (&raw mut child).cast()) };
    match i32::try_from(pid) {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err(io::Error::from_raw_os_error(i32::try_from(-pid).unwrap_or(libc::EIO))),
    }
}

/// Where a child begins.
type Entry = unsafe extern "C" fn(*mut &mut dyn FnMut()) -> !;

unsafe extern "C" fn entry(child: *mut &mut dyn FnMut()) -> ! {
    // SAFETY: `run_until_exec` passes the address of its live closure.
    unsafe { (*child)() };
    crate::linux::sys::exit_now(127)
}

#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_call(args: &libc::clone_args, entry: Entry, argument: *mut ()) -> i64 {
    let result: i64;
    // SAFETY: in the child, which alone sees zero, the stack is fresh and aligned to 16, so that the call
    // leaves it as the ABI wants it; the callee never returns. Registers survive clone3 in both.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") argument,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_call(args: &libc::clone_args, entry: Entry, argument: *mut ()) -> i64 {
    let result: i64;
    // SAFETY: as on x86-64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            inlateout("x0") std::ptr::from_ref(args) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x8") libc::SYS_clone3,
            in("x20") argument,
            in("x21") entry,
        );
    }
    result
}

/// Elsewhere the child gets a copy of the memory, as with fork(2); its start is awaited all the same.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone_and_call(args: &libc::clone_args, entry: Entry, argument: *mut ()) -> i64 {
    let mut args = *args;
    args.flags &= !(libc::CLONE_VM as u64);
    (args.stack, args.stack_size) = (0, 0);
    // SAFETY: without CLONE_VM this is a fork of a process with one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) };
    match pid {
        0 => unsafe { entry(argument.cast()) },
        -1 => -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
        pid => pid as i64,
    }
}
