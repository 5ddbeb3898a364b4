//! `spawner ps`.

mod document;
mod table;

use std::io::IsTerminal as _;

use spawner::Journal;

use self::document::Document;
use crate::cli::args::{PsOptions, ReportFormat};
use crate::cli::failure::Failure;
use crate::cli::out;

pub(crate) fn ps(options: &PsOptions) -> Result<u8, Failure> {
    let document = Document::read(&Journal::locate())?;
    match options.format {
        ReportFormat::Text => out::print(&table::render(&document, width()))?,
        ReportFormat::Json => out::print_json(&document)?,
    }
    Ok(0)
}

/// The JSON Schema of what it prints.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(Document)
}

/// How wide the terminal is; a file or a pipe has no end.
fn width() -> usize {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(usize::MAX)
}
