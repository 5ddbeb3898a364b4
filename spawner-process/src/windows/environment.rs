//! The block of variables that a process is started with.
//!
//! Names differ only where they differ in more than their case, and the block is sorted by them ("Changing Environment
//! Variables" at learn.microsoft.com). Nothing here is Windows' own, so that it is tested everywhere.

use std::collections::BTreeMap;

/// A name or a value, in UTF-16.
type Text = Vec<u16>;

/// The block: `given` with the changes made to it, each to the variable of that name in whatever case. Ends with two
/// zeros.
pub(super) fn block(
    given: impl IntoIterator<Item = (Text, Text)>,
    changes: impl IntoIterator<Item = (Text, Option<Text>)>,
) -> Vec<u16> {
    let mut all: BTreeMap<Text, (Text, Text)> = BTreeMap::new();
    for (name, value) in given {
        all.insert(upper(&name), (name, value));
    }
    for (name, value) in changes {
        let key = upper(&name);
        match value {
            Some(value) => {
                // The name stays as it was written first, as SetEnvironmentVariable has it.
                let name = all.remove(&key).map_or(name, |(known, _)| known);
                all.insert(key, (name, value));
            }
            None => drop(all.remove(&key)),
        }
    }
    let mut block = Vec::new();
    for (name, value) in all.into_values() {
        block.extend(name);
        block.push(u16::from(b'='));
        block.extend(value);
        block.push(0);
    }
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    block
}

/// The value of a variable in such a block.
pub(super) fn find<'a>(block: &'a [u16], name: &str) -> Option<&'a [u16]> {
    let name: Text = upper(&name.encode_utf16().collect::<Text>());
    block.split(|&unit| unit == 0).find_map(|entry| {
        // A name may begin with `=`: the working directories of drives do.
        let at = 1 + entry.get(1..)?.iter().position(|&unit| unit == u16::from(b'='))?;
        (upper(&entry[..at]) == name).then(|| &entry[at + 1..])
    })
}

/// Letter by letter and without regard to language, as the system compares names.
fn upper(text: &[u16]) -> Text {
    let one = |unit: u16| {
        let letter = char::from_u32(unit.into())?;
        let mut upper = letter.to_uppercase();
        let only = upper.next().filter(|_| upper.next().is_none())?;
        u16::try_from(u32::from(only)).ok()
    };
    text.iter().map(|&unit| one(unit).unwrap_or(unit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Text {
        text.encode_utf16().collect()
    }

    fn made(given: &[(&str, &str)], changes: &[(&str, Option<&str>)]) -> String {
        let given = given.iter().map(|(name, value)| (wide(name), wide(value)));
        let changes = changes.iter().map(|(name, value)| (wide(name), value.map(wide)));
        String::from_utf16(&block(given, changes)).unwrap()
    }

    #[test]
    fn a_change_replaces_the_variable_whatever_its_case() {
        assert_eq!(made(&[("Path", "a")], &[("PATH", Some("b"))]), "Path=b\0\0");
        assert_eq!(made(&[("Ärger", "a"), ("x", "y")], &[("ÄRGER", None)]), "x=y\0\0");
    }

    #[test]
    fn the_block_is_sorted_without_regard_to_case() {
        assert_eq!(
            made(&[("b", "1"), ("A", "2"), ("C", "3"), ("=C:", "C:\\")], &[]),
            "=C:=C:\\\0A=2\0b=1\0C=3\0\0"
        );
    }

    #[test]
    fn an_empty_block_ends_with_two_zeros() {
        assert_eq!(made(&[], &[]), "\0\0");
    }

    #[test]
    fn a_variable_is_found_in_whatever_case() {
        let block = wide(&made(&[("Path", "a;b=c"), ("=C:", "C:\\x")], &[]));
        assert_eq!(find(&block, "PATH"), Some(wide("a;b=c").as_slice()));
        assert_eq!(find(&block, "=c:"), Some(wide("C:\\x").as_slice()));
        assert_eq!(find(&block, "PAT"), None);
    }
}
