//! Quoting that is exact for any bytes but NUL, whichever shell reads them on the way.

/// `bytes` as one word for *any* shell that an account may have, csh and fish included, to be decoded there by
/// `printf %b`. Between single quotes stand printable ASCII characters only: no quote, no newline, no `!` (which csh
/// expands everywhere), and a backslash only before a digit (fish reads `\\` and `\'` as one character).
pub fn any_shell(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + bytes.len() / 8 + 2);
    quoted.push('\'');
    for &byte in bytes {
        match byte {
            b'\'' | b'!' | b'\\' | 0..=0x1f | 0x7f.. => {
                quoted.push_str("\\0");
                for shift in [6, 3, 0] {
                    quoted.push(char::from(b'0' + ((byte >> shift) & 7)));
                }
            }
            _ => quoted.push(char::from(byte)),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_through_any_shell_is_plain() {
        let all: Vec<u8> = (1..=255).collect();
        let quoted = any_shell(&all);
        let inner = &quoted[1..quoted.len() - 1];
        assert!(inner.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'\'' && byte != b'!'));
        assert!(!inner.contains("\\\\"));
    }
}
