//! What is wrong with a configuration, where, and what would be right.

use std::ops::Range;
use std::path::Path;

use crate::names;

/// One mistake.
pub(super) struct Mistake {
    pub(super) what: String,
    pub(super) instead: Option<String>,
    span: Option<Range<usize>>,
}

impl Mistake {
    pub(super) fn new(what: impl Into<String>, span: Range<usize>) -> Self {
        Self { what: what.into(), instead: None, span: Some(span) }
    }

    /// A name that is not among the valid ones.
    pub(super) fn unknown<'a>(
        sort: &str,
        wrong: &str,
        valid: impl Iterator<Item = &'a str>,
        span: Range<usize>,
    ) -> Self {
        let instead = names::instead(wrong, valid);
        Self { what: format!("unknown {sort} `{wrong}`"), instead: Some(instead), span: Some(span) }
    }

    /// The file and, where it is known, the line.
    pub(super) fn place(&self, text: &str, path: &Path) -> String {
        let before = self.span.as_ref().and_then(|span| text.get(..span.start));
        match before {
            Some(before) => format!("{}:{}", path.display(), before.matches('\n').count() + 1),
            None => path.display().to_string(),
        }
    }
}

impl From<toml::de::Error> for Mistake {
    fn from(error: toml::de::Error) -> Self {
        let span = error.span();
        let message = error.message().trim();
        // serde writes: unknown field `a`, expected one of `b`, `c`. The second half becomes the nearest.
        let sort = [("unknown field", "key"), ("unknown variant", "value")]
            .into_iter()
            .find(|(start, _)| message.starts_with(start));
        if let (Some((_, sort)), Some((head, tail))) = (sort, message.split_once(", expected")) {
            let mut wrong = quoted(head);
            if let Some(wrong) = wrong.next() {
                return Self { span, ..Self::unknown(sort, wrong, quoted(tail), 0..0) };
            }
        }
        Self { what: message.replace('\n', ", "), instead: None, span }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
