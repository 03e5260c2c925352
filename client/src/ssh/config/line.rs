//! One line of a configuration: a keyword and its arguments.

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits off the keyword. `None` for blank lines and comments.
pub(super) fn split_keyword(line: &str) -> Option<(&str, &str)> {
    // Other white space than ssh's would be part of a word there.
    let line = line.trim_end_matches(|c| BLANK.contains(&c) || c == '\u{c}');
    let line = line.trim_start_matches(BLANK);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Some((keyword, rest)) = line.strip_prefix('"').and_then(|line| line.split_once('"')) {
        return Some((keyword, rest.trim_start_matches(BLANK)));
    }
    let end = line
        .find(|c| BLANK.contains(&c) || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANK);
    // At most one `=` belongs to the keyword; a second one is part of the value.
    let rest = rest
        .strip_prefix('=')
        .map_or(rest, |rest| rest.trim_start_matches(BLANK));
    Some((keyword, rest))
}

/// The rest of a line as a command or a list of jump hosts takes it: as it stands, but for `=`.
pub(super) fn tail(rest: &str) -> &str {
    rest.trim_start_matches(|c| BLANK.contains(&c) || c == '=')
}

/// Splits the rest of a line as ssh's `argv_split` does: quotes group, a backslash escapes quotes,
/// backslashes and spaces, `#` at the start of a word ends the line.
pub(super) fn arguments(rest: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('#', None) if word.is_none() => break,
            ('\\', _) => {
                let escaped = chars.next_if(|next| {
                    matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' ')
                });
                word.get_or_insert_default().push(escaped.unwrap_or('\\'));
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, Some(open)) if c == open => quote = None,
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyword_and_value_separate_at_space_or_one_equals_sign() {
        assert_eq!(split_keyword("  Port 22 "), Some(("Port", "22")));
        assert_eq!(split_keyword("Port=22"), Some(("Port", "22")));
        assert_eq!(split_keyword("Port = =22"), Some(("Port", "=22")));
        assert_eq!(split_keyword("Port"), Some(("Port", "")));
        assert_eq!(split_keyword("\"Port\" 22\u{c}"), Some(("Port", "22")));
        assert_eq!(split_keyword("\t# note"), None);
        assert_eq!(split_keyword("   "), None);
    }

    #[test]
    fn words_follow_quotes_escapes_and_comments() {
        assert_eq!(
            arguments(r#"a "b c" d'e f'g"#).unwrap(),
            ["a", "b c", "de fg"]
        );
        assert_eq!(arguments(r#"a\ b \"c # note"#).unwrap(), ["a b", "\"c"]);
        assert_eq!(arguments("a#b \"\"").unwrap(), ["a#b", ""]);
        assert_eq!(arguments(r"C:\dir").unwrap(), [r"C:\dir"]);
        assert!(arguments("\"open").is_err());
    }

    #[test]
    fn a_command_is_left_alone() {
        assert_eq!(tail("= nc \"%h\" # %p"), "nc \"%h\" # %p");
    }
}
