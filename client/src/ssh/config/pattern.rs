//! The patterns of `Host`, `Match` and known_hosts: `*`, `?`, lists with `!`.

/// Whether `text` matches `pattern`, where `*` is any run and `?` any one character.
pub(crate) fn matches_pattern(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    // Linear with one remembered star: patterns come from files, so no exponential backtracking.
    let (mut at, mut wanted) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at) {
        match pattern.get(wanted) {
            Some('*') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(p) if *p == '?' || p == c => {
                at += 1;
                wanted += 1;
            }
            _ => match &mut star {
                Some((star_wanted, star_at)) => {
                    *star_at += 1;
                    at = *star_at;
                    wanted = *star_wanted + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(wanted).all(|p| *p == '*')
}

/// A list of patterns: one that matches with `!` before it decides against all others.
pub(in crate::ssh) fn matches_list<'a>(
    text: &str,
    patterns: impl IntoIterator<Item = &'a str>,
) -> bool {
    let mut matched = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(text, negated) => return false,
            Some(_) => {}
            None => matched |= matches_pattern(text, pattern),
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (text, pattern, expected) in [
            ("web", "web", true),
            ("web", "w?b", true),
            ("web", "w*", true),
            ("web", "*", true),
            ("", "*", true),
            ("", "?", false),
            ("a.b.example", "*.example", true),
            ("a.b.example", "a.*.ex*le", true),
            ("aaab", "*a*b", true),
            ("aaa", "*a*b", false),
            ("web", "we", false),
            ("we", "web", false),
        ] {
            assert_eq!(matches_pattern(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn a_negated_match_decides() {
        assert!(matches_list("a.x", ["*.x", "!b.x"]));
        assert!(!matches_list("b.x", ["*.x", "!b.x"]));
        assert!(!matches_list("b.x", ["!c.x"]));
    }
}
