//! What the program prints, on standard output.

use std::io::{IsTerminal as _, Write as _};

use super::failure::Failure;

/// Prints it; colours go where they are shown.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::AutoStream::auto(std::io::stdout().lock());
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::stdout)
}

/// Prints a document as JSON.
pub(crate) fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    print(&json(document)?)
}

/// A document as JSON, for people too, with a line feed at its end.
pub(crate) fn json(document: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document);
    text.map(|text| text + "\n").map_err(|error| Failure::new(format!("cannot write the document: {error}")))
}

/// Whether a person looks at standard output.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
