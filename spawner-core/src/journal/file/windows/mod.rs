//! Windows: everything is opened so that others may read, write, rename and remove it meanwhile, which is what the
//! standard library asks for where nobody says otherwise.
#![allow(unsafe_code, reason = "system calls through windows-sys")]

mod owner;

use std::ffi::{OsString, c_void};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::AsRawHandle as _;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_ID_INFO, FILE_STANDARD_INFO, FileIdInfo, FileStandardInfo,
    GetFileInformationByHandleEx, LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

pub(in crate::journal) use owner::is_foreign;

/// Below what Windows keeps for this user on this machine, and does not carry to another.
pub(in crate::journal) fn usual() -> Option<PathBuf> {
    let local = std::env::var_os("LOCALAPPDATA").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let local = local.or_else(|| {
        let home = std::env::home_dir().filter(|home| home.is_absolute())?;
        Some(home.join("AppData").join("Local"))
    })?;
    Some(local.join("spawner"))
}

/// Who may read it is inherited from the folder above: below the usual one, this user and the administrators.
pub(in crate::journal) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(folder)
}

/// Inherited, too.
pub(in crate::journal) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

pub(in crate::journal) fn open_plain(path: &Path, write: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(write).custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a plain file")) }
}

/// A lock of Windows keeps others from reading what is locked. So it lies far behind the end of any record, and not on
/// all of the file, as that of the standard library does.
pub(in crate::journal) fn try_lock(file: &File) -> io::Result<bool> {
    let mut place = OVERLAPPED::default();
    place.Anonymous.Anonymous.OffsetHigh = 0x4000_0000;
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the file is open and not for overlapped use, so the call is over when it returns.
    if unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut place) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    let held = [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING].map(|code| Some(code.cast_signed()));
    if held.contains(&error.raw_os_error()) { Ok(false) } else { Err(error) }
}

pub(in crate::journal) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own: FILE_STANDARD_INFO = ask(file, FileStandardInfo)?;
    if own.DeletePending || own.NumberOfLinks == 0 {
        return Ok(false);
    }
    let there = match open_plain(path, false) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let [own, there]: [FILE_ID_INFO; 2] = [ask(file, FileIdInfo)?, ask(&there, FileIdInfo)?];
    Ok(own.VolumeSerialNumber == there.VolumeSerialNumber && own.FileId.Identifier == there.FileId.Identifier)
}

/// What the system says of an open file.
///
/// Private, since `T` has to be the structure of numbers that belongs to `class`.
fn ask<T: Default>(file: &File, class: i32) -> io::Result<T> {
    let mut told = T::default();
    let size = u32::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the file is open, and no more is written than there is room for.
    let done = unsafe {
        GetFileInformationByHandleEx(file.as_raw_handle(), class, (&raw mut told).cast::<c_void>(), size)
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(told) }
}

/// Where somebody has the file open, a removed one may keep its name until they let go of it (before Windows 10 1809, and
/// on file systems but NTFS), and whoever opens that is refused. So it is renamed first: the name is free at once.
pub(in crate::journal) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        // It could be renamed, and not removed.
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => {}
    }
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}.tmp", std::process::id()));
    let aside = path.with_file_name(name);
    let removed = match fs::rename(path, &aside) {
        Ok(()) => fs::remove_file(&aside),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(in crate::journal) fn remedy(path: &Path) -> String {
    format!("del /f /q \"{}\"", path.display())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn one() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.task");
        fs::write(&path, "what it says").unwrap();
        (folder, path)
    }

    #[test]
    fn a_lock_keeps_others_from_locking_and_nobody_from_reading_and_writing() {
        let (_folder, path) = one();
        let [held, other] = [true, false].map(|write| open_plain(&path, write).unwrap());
        assert!(try_lock(&held).unwrap() && !try_lock(&other).unwrap());
        let mut text = String::new();
        (&other).read_to_string(&mut text).unwrap();
        assert_eq!(text, "what it says");
        fs::write(&path, "something else").unwrap();
        drop(held);
        assert!(try_lock(&other).unwrap());
    }

    #[test]
    fn a_name_is_free_as_soon_as_the_file_was_removed_or_replaced_though_others_have_it_open() {
        let (folder, path) = one();
        let first = open_plain(&path, false).unwrap();
        assert!(is_at(&first, &path).unwrap());
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.try_exists().unwrap() && !is_at(&first, &path).unwrap());
        fs::write(&path, "another").unwrap();
        let second = open_plain(&path, false).unwrap();
        assert!(is_at(&second, &path).unwrap() && !is_at(&first, &path).unwrap());
        drop((first, second));
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_this_process_makes_is_its_own() {
        let (_folder, path) = one();
        assert!(!is_foreign(&open_plain(&path, false).unwrap()).unwrap());
    }

    #[test]
    fn a_folder_is_no_plain_file_and_stays_as_it_is() {
        let (folder, path) = one();
        assert!(open_plain(folder.path(), false).is_err());
        assert!(remove(folder.path()).is_err() && path.exists());
    }
}
