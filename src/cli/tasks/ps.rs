//! `spawner ps`.

mod document;
mod table;

use spawner::Backends;
use terminal_size::{Width, terminal_size_of};

use self::document::Document;
use crate::cli::args::{PsOptions, ReportFormat};
use crate::cli::failure::Failure;
use crate::cli::out;

pub(crate) fn ps(options: &PsOptions) -> Result<i32, Failure> {
    let backends = Backends::locate(options.configuration.config.as_deref())?;
    let document = Document::read(&backends)?;
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
    let columns = terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| usize::from(columns));
    columns.filter(|&columns| columns > 0).unwrap_or(usize::MAX)
}
