//! Where the report goes, and what it looks like.
//!
//! The way there is opened before the task starts, so that a path that cannot be written is said first. A
//! file is written beside its place and renamed into it at the end: it is never seen half-written.

mod text;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use spawner::{Error, ErrorKind, Report};
use tempfile::NamedTempFile;

use crate::cli::args::ReportFormat;
use crate::cli::failure::Failure;
use crate::cli::{out, system};

/// An open way for the report.
pub(in crate::cli) enum Destination {
    /// Our standard output, after the task has ended.
    Stdout,
    /// A device, a pipe or an open file: written as it is.
    Direct(File, PathBuf),
    /// A file that does not exist yet under its name.
    Beside(NamedTempFile<File>, PathBuf),
}

impl Destination {
    pub(in crate::cli) fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let failed = |error| Error::io("open the report", path.display().to_string(), error);
        if let Some(opened) = system::open_named_handle(path) {
            return Ok(Self::Direct(opened.map_err(failed)?, path.to_owned()));
        }
        match fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                Err(Error::new(ErrorKind::Io, "open the report", path.display().to_string())
                    .because("it is a folder")
                    .hint("name a file in it"))
            }
            Ok(there) if !there.is_file() => Ok(Self::Direct(system::open_device(path)?, path.to_owned())),
            // Renaming must replace what a link points to, not the link.
            Ok(_) => Self::beside(fs::canonicalize(path).map_err(failed)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::beside(path.to_owned()),
            Err(error) => Err(failed(error)),
        }
    }

    fn beside(path: PathBuf) -> Result<Self, Error> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // As any new file: the umask decides who may read it.
        let create = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
        match tempfile::Builder::new().prefix(".spawner-report-").make_in(folder, create) {
            Ok(file) => Ok(Self::Beside(file, path)),
            Err(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => Some("make its folder first"),
                    io::ErrorKind::PermissionDenied => Some("this account may not make files in its folder"),
                    _ => None,
                };
                let error = Error::io("open the report", path.display().to_string(), error);
                Err(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                })
            }
        }
    }

    /// Writes the report. Where that fails, nothing of it is left lying about.
    pub(in crate::cli) fn write(self, report: &Report, format: ReportFormat) -> Result<(), Failure> {
        let text = match format {
            ReportFormat::Text => text::render(report),
            ReportFormat::Json => out::json(report)?,
        };
        let failed = |path: &Path, error| Error::io("write the report", path.display().to_string(), error);
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
                written.map_err(|error| Error::io("write the report to", "standard output", error))?;
            }
            Self::Direct(mut file, path) => {
                file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?;
            }
            Self::Beside(mut file, path) => {
                file.as_file_mut().write_all(text.as_bytes()).map_err(|error| failed(&path, error))?;
                file.persist(&path).map_err(|error| failed(&path, error.error))?;
            }
        }
        Ok(())
    }
}
