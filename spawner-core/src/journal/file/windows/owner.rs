//! Whose a file is.
#![allow(unsafe_code, reason = "system calls through windows-sys")]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    EqualSid, GetTokenInformation, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    TOKEN_INFORMATION_CLASS, TOKEN_OWNER, TOKEN_QUERY, TOKEN_USER, TokenOwner, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Whether its owner is neither this process's user nor whoever owns what this process makes: for an administrator,
/// Windows may let that be the group of all of them, who are then one user to us.
pub(in crate::journal) fn is_foreign(file: &File) -> io::Result<bool> {
    let descriptor = Descriptor::of(file)?;
    let token = own_token()?;
    let user = Information::of(&token, TokenUser)?;
    let owner = Information::of(&token, TokenOwner)?;
    // SAFETY: of these classes, the information begins with a structure of that kind, whose identifier lies behind it.
    let own = unsafe {
        [
            user.0.as_ptr().cast::<TOKEN_USER>().read().User.Sid,
            owner.0.as_ptr().cast::<TOKEN_OWNER>().read().Owner,
        ]
    };
    // SAFETY: all of these point into what the two and the descriptor hold.
    Ok(!own.into_iter().any(|own| unsafe { EqualSid(own, descriptor.owner) } != 0))
}

/// A file's security descriptor, and its owner within it.
struct Descriptor {
    all: PSECURITY_DESCRIPTOR,
    owner: PSID,
}

impl Descriptor {
    fn of(file: &File) -> io::Result<Self> {
        let (mut all, mut owner) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the file is open, and the two that are asked for are written to places of ours.
        let status = unsafe {
            GetSecurityInfo(
                file.as_raw_handle(),
                SE_FILE_OBJECT,
                OWNER_SECURITY_INFORMATION,
                &raw mut owner,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                &raw mut all,
            )
        };
        if status != ERROR_SUCCESS {
            return Err(io::Error::from_raw_os_error(status.cast_signed()));
        }
        let descriptor = Self { all, owner };
        if owner.is_null() { Err(io::Error::other("it has no owner")) } else { Ok(descriptor) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the system allocated it for us, and nothing points into it any more.
        unsafe { LocalFree(self.all) };
    }
}

fn own_token() -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: the handle of the own process is always valid, and the token's goes to a place of ours.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened above, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

/// What a token says, in words so that it is aligned for any of its structures.
struct Information(Vec<usize>);

impl Information {
    fn of(token: &OwnedHandle, class: TOKEN_INFORMATION_CLASS) -> io::Result<Self> {
        // A structure of two words at most, and the longest identifier, which has 68 bytes.
        let mut room = vec![0usize; 32];
        let mut size = u32::try_from(size_of_val(room.as_slice())).map_err(io::Error::other)?;
        // SAFETY: the token is open, and no more is written than there is room for.
        let told = unsafe {
            GetTokenInformation(
                token.as_raw_handle(),
                class,
                room.as_mut_ptr().cast::<c_void>(),
                size,
                &raw mut size,
            )
        };
        if told == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(room)) }
    }
}
