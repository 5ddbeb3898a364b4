//! The one text that a Windows program gets in place of an argv.
//!
//! A program takes it apart again by the rules of `CommandLineToArgvW` and of the C runtime ("Parsing C command-line
//! arguments" at learn.microsoft.com), but for cmd.exe, which has its own: it expands `%NAME%` even within quotes and
//! knows no escape for them (CVE-2024-24576). What cannot be handed over as it is is refused.
//!
//! Nothing here is Windows' own, so that it is tested everywhere. Texts are UTF-16 without the zero at the end.

/// Why an argument cannot be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Which one, counted as in the argv.
    pub(super) index: usize,
    pub(super) why: &'static str,
}

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;
const SPACE: u16 = b' ' as u16;

/// For an ordinary program: each argument comes back as it is.
pub(super) fn ordinary(argv: &[Vec<u16>]) -> Result<Vec<u16>, Refused> {
    let mut line = Vec::new();
    for (index, argument) in argv.iter().enumerate() {
        if index == 0 {
            // The name of the program has no escapes.
            if argument.contains(&QUOTE) {
                return Err(Refused { index, why: "the name of a program cannot have a quote in it" });
            }
            line.push(QUOTE);
            line.extend(argument);
            line.push(QUOTE);
        } else {
            line.push(SPACE);
            quote(argument, &mut line);
        }
    }
    Ok(line)
}

/// Backslashes count as escapes only before a quote.
fn quote(argument: &[u16], line: &mut Vec<u16>) {
    let plain = |&unit: &u16| !matches!(unit, SPACE | QUOTE | 0x09..=0x0d);
    if !argument.is_empty() && argument.iter().all(plain) {
        line.extend(argument);
        return;
    }
    line.push(QUOTE);
    let mut backslashes = 0;
    for &unit in argument {
        if unit == QUOTE {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
        }
        backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
        line.push(unit);
    }
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

/// For a batch file, which cmd.exe runs: `shell` and `script` are the paths of both. Each argument reaches the script
/// as one, within quotes, in which cmd.exe takes all but `%` and `"` as they are; `/v:off` has it take `!` so.
pub(super) fn batch(shell: &[u16], script: &[u16], arguments: &[Vec<u16>]) -> Result<Vec<u16>, Refused> {
    let mut line = shell_with(shell, " /e:on /v:off /d /s /c \"");
    for (index, argument) in std::iter::once(script).chain(arguments.iter().map(Vec::as_slice)).enumerate() {
        words(argument).map_err(|why| Refused { index, why })?;
        if index > 0 {
            line.push(SPACE);
        }
        line.push(QUOTE);
        line.extend(argument);
        if index > 0 {
            // For programs to which the script hands it on in its quotes; cmd.exe itself knows no escapes.
            let trailing = argument.iter().rev().take_while(|&&unit| unit == BACKSLASH).count();
            line.extend(std::iter::repeat_n(BACKSLASH, trailing));
        }
        line.push(QUOTE);
    }
    line.push(QUOTE);
    Ok(line)
}

/// For cmd.exe itself. One argument after `/c` is a text in its own language, as it is for `sh -c`, and goes there
/// untouched. Several are words, so nothing in them may mean anything to it. `None` where it is not asked to run
/// anything; then it is an ordinary program.
pub(super) fn shell(argv: &[Vec<u16>]) -> Option<Result<Vec<u16>, Refused>> {
    let is = |argument: &[u16], letter: u8| {
        matches!(argument, [slash, found, ..] if *slash == u16::from(b'/')
            && (*found | 0x20) == u16::from(letter))
    };
    let at = (1..argv.len()).find(|&index| is(&argv[index], b'c') || is(&argv[index], b'k'))?;
    let refused = |index, why| Some(Err(Refused { index, why }));
    if argv[at].len() > 2 {
        return refused(at, "cmd.exe would run what follows the letter: give it as an argument of its own");
    }
    if let Some(index) = (1..at).find(|&index| argv[index].first() != Some(&u16::from(b'/'))) {
        return refused(index, "cmd.exe takes options only before /c and /k");
    }
    let mut line = shell_with(&argv[0], "");
    for option in &argv[1..at] {
        if let Err(why) = words(option) {
            return refused(at, why);
        }
        line.push(SPACE);
        line.extend(option);
    }
    line.extend(" /s ".encode_utf16());
    line.extend(&argv[at]);
    line.extend(" \"".encode_utf16());
    match &argv[at + 1..] {
        [script] => {
            if script.iter().any(|&unit| is_line_end(unit)) {
                return refused(at + 1, "cmd.exe stops reading at the end of a line");
            }
            line.extend(script);
        }
        several => {
            for (index, word) in several.iter().enumerate() {
                if let Err(why) = words(word) {
                    return refused(at + 1 + index, why);
                }
                if index > 0 {
                    line.push(SPACE);
                }
                let plain = |&unit: &u16| {
                    char::from_u32(unit.into())
                        .is_none_or(|unit| unit.is_alphanumeric() || "\\/:._-+@#$~{}[]*?".contains(unit))
                };
                let quotes = word.is_empty() || !word.iter().all(plain);
                line.extend(quotes.then_some(QUOTE));
                line.extend(word);
                line.extend(quotes.then_some(QUOTE));
            }
        }
    }
    line.push(QUOTE);
    Some(Ok(line))
}

fn shell_with(shell: &[u16], options: &str) -> Vec<u16> {
    let mut line = vec![QUOTE];
    line.extend(shell);
    line.push(QUOTE);
    line.extend(options.encode_utf16());
    line
}

/// What cannot be said to cmd.exe so that it stays what it is.
fn words(argument: &[u16]) -> Result<(), &'static str> {
    for &unit in argument {
        if unit == u16::from(b'%') {
            return Err("cmd.exe would expand the `%` in it, also within quotes");
        }
        if unit == QUOTE {
            return Err("cmd.exe knows no escape for the quote in it, and what follows could be a command");
        }
        if is_line_end(unit) {
            return Err("cmd.exe stops reading at the end of a line");
        }
    }
    Ok(())
}

fn is_line_end(unit: u16) -> bool {
    matches!(unit, 0x0a | 0x0d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn argv(all: &[&str]) -> Vec<Vec<u16>> {
        all.iter().map(|text| wide(text)).collect()
    }

    fn narrow(line: Result<Vec<u16>, Refused>) -> String {
        String::from_utf16(&line.unwrap()).unwrap()
    }

    /// The documented rules of the C runtime, for arguments after the first.
    fn parse(line: &str) -> Vec<String> {
        let (mut all, mut now, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
        let mut rest = line.chars().peekable();
        while let Some(letter) = rest.next() {
            match letter {
                '\\' => {
                    let mut count = 1;
                    while rest.next_if_eq(&'\\').is_some() {
                        count += 1;
                    }
                    let before_quote = rest.peek() == Some(&'"');
                    now.extend(std::iter::repeat_n('\\', if before_quote { count / 2 } else { count }));
                    if before_quote && count % 2 == 1 {
                        now.push('"');
                        rest.next();
                    }
                    any = true;
                }
                '"' => (quoted, any) = (!quoted, true),
                ' ' | '\t' if !quoted => {
                    if any {
                        all.push(std::mem::take(&mut now));
                    }
                    any = false;
                }
                other => {
                    now.push(other);
                    any = true;
                }
            }
        }
        if any {
            all.push(now);
        }
        all
    }

    #[test]
    fn an_ordinary_program_gets_every_argument_back_as_it_was() {
        let hard = [
            "",
            " ",
            "a b",
            "\"",
            "\\",
            "\\\\",
            "a\\",
            "a b\\",
            "a\\\\b",
            "\\\"",
            "a\\\"b c\\\\",
            "%PATH%",
            "&|<>^!",
            "tab\there",
            "line\nend",
            "é✓",
            "--x=\"y z\"",
        ];
        for first in hard {
            for second in hard {
                let line = narrow(ordinary(&argv(&["p q", first, second])));
                assert_eq!(parse(&line), ["p q", first, second], "{line}");
            }
        }
    }

    #[test]
    fn the_name_of_a_program_with_a_quote_in_it_is_refused() {
        assert_eq!(ordinary(&argv(&["a\"b"])).unwrap_err().index, 0);
    }

    #[test]
    fn a_batch_file_gets_each_argument_within_quotes() {
        let line = narrow(batch(&wide("C:\\cmd.exe"), &wide("C:\\a b.bat"), &argv(&["x&y", "^|<>!", "d\\"])));
        let expected = r#""C:\cmd.exe" /e:on /v:off /d /s /c ""C:\a b.bat" "x&y" "^|<>!" "d\\"""#;
        assert_eq!(line, expected);
    }

    #[test]
    fn what_cmd_would_expand_or_cut_is_refused_with_its_place() {
        for bad in ["%PATH%", "\"&calc.exe", "a\nb", "a\rb"] {
            let refused = batch(&wide("cmd"), &wide("a.bat"), &argv(&["fine", bad])).unwrap_err();
            assert_eq!(refused.index, 2, "{bad}");
            let refused = shell(&argv(&["cmd", "/c", "echo", bad])).unwrap().unwrap_err();
            assert_eq!(refused.index, 3, "{bad}");
        }
        assert!(batch(&wide("cmd"), &wide("100%.bat"), &[]).is_err());
        assert!(shell(&argv(&["cmd", "/cecho"])).unwrap().is_err());
        assert!(shell(&argv(&["cmd", "&calc", "/c", "x"])).unwrap().is_err());
        assert!(shell(&argv(&["cmd", "/c", "a\nb"])).unwrap().is_err());
    }

    #[test]
    fn one_text_after_c_is_in_the_language_of_cmd_and_several_are_words() {
        let line = |all: &[&str]| narrow(shell(&argv(all)).unwrap());
        assert_eq!(line(&["cmd", "/c", "echo %A% & exit 3"]), r#""cmd" /s /c "echo %A% & exit 3""#);
        assert_eq!(line(&["cmd", "/D", "/C", "a b"]), r#""cmd" /D /s /C "a b""#);
        assert_eq!(line(&["cmd", "/c", "echo", "a&b", "c d"]), r#""cmd" /s /c "echo "a&b" "c d"""#);
        assert_eq!(shell(&argv(&["cmd", "/?"])), None);
    }
}
