//! How the workloads get into the place where tasks run, where that is not this machine as it is.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// What of the host a container needs for the workloads, as `host:container[:ro]`: the folders of the scene and of
/// its witness, this program, and the libraries that it is linked with. All have the same path inside and outside.
pub fn volumes(program: &Path, folders: [&Path; 2]) -> Vec<String> {
    let folders = BTreeSet::from(folders);
    let mut volumes: Vec<_> = folders.iter().map(|folder| format!("{0}:{0}", folder.display())).collect();
    volumes.push(format!("{0}:{0}:ro", program.display()));
    // One that is linked statically needs nothing else.
    let Ok(Some(interpreter)) = interpreter(program) else { return volumes };
    let loader = interpreter.canonicalize().unwrap_or_else(|_| interpreter.clone());
    volumes.push(format!("{}:{}:ro", loader.display(), interpreter.display()));
    volumes.extend(library_folders().iter().map(|folder| format!("{0}:{0}:ro", folder.display())));
    volumes
}

/// The folders of the shared libraries that this process runs on.
fn library_folders() -> BTreeSet<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file = |line: &str| line.find('/').map(|at| PathBuf::from(&line[at..]));
    let is_library = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".so") || name.contains(".so.")
    };
    let libraries = maps.lines().filter_map(file).filter(is_library);
    libraries.filter_map(|file| file.parent().map(Path::to_owned)).collect()
}

/// The program that the kernel has load this one: PT_INTERP of an ELF file of this machine's kind, see elf(5).
fn interpreter(program: &Path) -> io::Result<Option<PathBuf>> {
    const PT_INTERP: u64 = 3;
    let mut file = std::fs::File::open(program)?;
    let mut read_at = |at: u64, bytes: &mut [u8]| {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)
    };
    let mut magic = [0; 4];
    read_at(0, &mut magic)?;
    if magic != *b"\x7fELF" {
        return Ok(None);
    }
    let mut number = |at: u64, size: usize| {
        let mut bytes = [0; 8];
        read_at(at, &mut bytes[..size])?;
        io::Result::Ok(u64::from_le_bytes(bytes))
    };
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    for entry in (0..count).map(|index| table + index * size) {
        if number(entry, 4)? == PT_INTERP {
            let length = usize::try_from(number(entry + 0x20, 8)?).unwrap_or(0).min(4096);
            let (mut text, at) = (vec![0; length], number(entry + 8, 8)?);
            read_at(at, &mut text)?;
            let text = String::from_utf8_lossy(&text);
            return Ok(Some(text.trim_end_matches('\0').into()));
        }
    }
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_linked_with_libraries_names_its_interpreter() {
        let own = std::env::current_exe().unwrap();
        let linked = !library_folders().is_empty();
        assert_eq!(interpreter(&own).unwrap().is_some_and(|path| path.exists()), linked);
    }
}
