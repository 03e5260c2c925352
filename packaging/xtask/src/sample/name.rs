//! What a script is called: by the path it was given, or by that of the session's copy of it.
//! Both become what was given.

use std::path::Path;

use super::inside::SESSIONS;

/// Length of an instance ID.
const ID: usize = 36;
const RUNSPACE: &str = "/runspace";

/// With our names of the script and its directory put back.
pub(crate) fn given(said: &[u8], script: &Path) -> Vec<u8> {
    let text = replace_directory(said, script);
    let name = script.file_name().unwrap_or_default().as_encoded_bytes();
    // A script that goes by its base name.
    replace(&text, &copy(name), name)
}

/// What the host calls its copy of a script: without what would be odd in a path.
fn copy(name: &[u8]) -> Vec<u8> {
    let kept = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_+,@.".contains(*byte);
    let name = name.iter().filter(kept).take(64).copied();
    b"1-".iter().copied().chain(name).collect()
}

/// With the names of a copy of our own put back.
pub(crate) fn copied(said: &[u8], script: &Path) -> Vec<u8> {
    let name = script.file_name().unwrap_or_default().as_encoded_bytes();
    let copy = [b"/tmp/one/", name].concat();
    let text = replace(said, &copy, script.as_os_str().as_encoded_bytes());
    let parent = script.parent().unwrap_or(script);
    replace(&text, b"/tmp/one", parent.as_os_str().as_encoded_bytes())
}

/// `/run/sessions/ID/runspace/1-NAME` and `/run/sessions/ID/runspace`.
fn replace_directory(said: &[u8], script: &Path) -> Vec<u8> {
    let begin = format!("{SESSIONS}/");
    let path = script.as_os_str().as_encoded_bytes();
    let name = script.file_name().unwrap_or_default().as_encoded_bytes();
    let parent = script
        .parent()
        .unwrap_or(script)
        .as_os_str()
        .as_encoded_bytes();
    let mut text = Vec::with_capacity(said.len());
    let mut rest = said;
    while let Some(at) = find(rest, begin.as_bytes()) {
        let (before, from) = rest.split_at(at);
        text.extend_from_slice(before);
        let after = from.get(begin.len() + ID..).unwrap_or_default();
        let Some(after) = after.strip_prefix(RUNSPACE.as_bytes()) else {
            text.extend_from_slice(begin.as_bytes());
            rest = from.get(begin.len()..).unwrap_or_default();
            continue;
        };
        let whole = [b"/", copy(name).as_slice()].concat();
        match after.strip_prefix(whole.as_slice()) {
            Some(after) => {
                text.extend_from_slice(path);
                rest = after;
            }
            None => {
                text.extend_from_slice(parent);
                rest = after;
            }
        }
    }
    text.extend_from_slice(rest);
    text
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, from) {
        let (before, after) = rest.split_at(at);
        replaced.extend_from_slice(before);
        replaced.extend_from_slice(to);
        rest = after.get(from.len()..).unwrap_or_default();
    }
    replaced.extend_from_slice(rest);
    replaced
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_odd_in_a_path_comes_back() {
        let script = Path::new("/a/b:c.postrm");
        assert_eq!(given(b"1-bc.postrm: no", script), b"b:c.postrm: no");
        let ours = b"/run/sessions/0123456789abcdef0123456789abcdef0123/runspace/1-bc.postrm: no";
        assert_eq!(given(ours, script), b"/a/b:c.postrm: no");
    }

    #[test]
    fn our_names_become_the_given_ones() {
        let script = Path::new("./a.tests");
        let ours = "/run/sessions/0123456789abcdef0123456789abcdef0123/runspace";
        for (said, is) in [
            (
                format!("{ours}/1-a.tests: line 3: no"),
                "./a.tests: line 3: no",
            ),
            (format!("in {ours}: {ours}"), "in .: ."),
            ("Usage: 1-a.tests FILE".to_owned(), "Usage: a.tests FILE"),
            ("/run/sessions/short".to_owned(), "/run/sessions/short"),
            ("nothing".to_owned(), "nothing"),
        ] {
            assert_eq!(
                String::from_utf8(given(said.as_bytes(), script)).unwrap(),
                is
            );
        }
    }
}
