//! Words of a POSIX shell: for what is sent to one, and for the commands that people are told to type.
//!
//! Between single quotes every byte but the quote itself stands for itself (POSIX.1-2024, Shell Command Language,
//! 2.2.2), so what is made here is exact for any bytes but NUL, which no argument can hold. csh expands `!` within
//! them too, and takes no line break there.

/// `bytes` as one word, always within quotes.
///
/// ```
/// assert_eq!(spawner_core::shell::word(b"it's"), b"'it'\\''s'");
/// ```
pub fn word(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len() + 2);
    quoted.push(b'\'');
    for &byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// `text` as one word for people to read and type: quoted only where that is needed.
///
/// ```
/// use spawner_core::shell::typed;
///
/// assert_eq!(typed("/run/user/1000"), "/run/user/1000");
/// assert_eq!(typed(r"/sys/fs/cgroup/app-my\x2dlab.scope"), r"'/sys/fs/cgroup/app-my\x2dlab.scope'");
/// ```
pub fn typed(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    String::from_utf8_lossy(&word(text.as_bytes())).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    #[test]
    fn a_shell_reads_the_same_bytes() {
        let all: Vec<u8> = (1..=255).collect();
        let typed_ones =
            ["", "plain", "it's", "a b", "$HOME", "`id`", "a;b", "*", "~", "#", r"a\x2db", "a\nb", "é"];
        let words = typed_ones.map(|text| (text.as_bytes().to_vec(), typed(text).into_bytes()));
        for (meant, written) in words.into_iter().chain([(all.clone(), word(&all)), (Vec::new(), word(b""))])
        {
            let script = [b"printf %s ", &*written].concat();
            let said =
                Command::new("sh").env_clear().arg("-c").arg(OsStr::from_bytes(&script)).output().unwrap();
            assert!(said.status.success() && said.stdout == meant, "{said:?}");
        }
    }
}
