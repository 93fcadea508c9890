//! The syntax of `voipmonitor.conf`: bytes in, `key = value` lines out.
//!
//! As VoIPmonitor reads it: a line that begins with `#` or `;` is a comment; a value ends before
//! white space followed by `#` (a `;` inside a value separates, it starts no comment); keys match
//! in any case; the `[general]` heading may be left out, and lines under any other heading are not
//! read. Beyond that a value may stand in quotes, which are taken off. A line that is not UTF-8 is
//! taken as Latin-1.

/// One `key = value` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Counted from 1.
    pub(super) line: usize,
    /// In lower case.
    pub(super) key: String,
    /// Without quotes and trailing comment; may be empty.
    pub(super) value: String,
}

/// A line that is none and that the reader passes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Counted from 1.
    pub(super) line: usize,
    /// Why.
    pub(super) reason: Reason,
}

/// Why a line is passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It has no `=`, or nothing before it.
    NoKey,
    /// It begins a section that is not `[general]`.
    Section(String),
}

/// Everything in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) entries: Vec<Entry>,
    pub(super) skipped: Vec<Skipped>,
}

/// Reads a whole file.
pub(super) fn parse(bytes: &[u8]) -> Lines {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = Lines::default();
    let mut in_general = true;
    for (index, raw) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let text = decode(raw);
        let text = text.trim();
        let line = index + 1;
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = section(text) {
            in_general = section.eq_ignore_ascii_case("general");
            if !in_general {
                let reason = Reason::Section(section.to_owned());
                lines.skipped.push(Skipped { line, reason });
            }
            continue;
        }
        if !in_general {
            continue;
        }
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => lines.entries.push(Entry {
                line,
                key: key.trim().to_ascii_lowercase(),
                value: self::value(value).to_owned(),
            }),
            _ => lines.skipped.push(Skipped { line, reason: Reason::NoKey }),
        }
    }
    lines
}

fn decode(raw: &[u8]) -> String {
    match core::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => raw.iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn section(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

/// The value within what stands after `=`.
fn value(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    quoted(text).unwrap_or_else(|| before_comment(text))
}

/// What stands in quotes, when nothing but a comment follows them.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (inside, rest) = text[1..].split_once(quote)?;
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(inside)
}

fn before_comment(text: &str) -> &str {
    let starts_comment = |&(at, _): &(usize, &str)| text[..at].ends_with(char::is_whitespace);
    match text.match_indices('#').find(starts_comment) {
        Some((at, _)) => text[..at].trim_end(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &[u8]) -> Vec<(usize, String, String)> {
        let lines = parse(text);
        lines.entries.into_iter().map(|entry| (entry.line, entry.key, entry.value)).collect()
    }

    fn value_of(text: &str) -> String {
        pairs(text.as_bytes()).remove(0).2
    }

    #[test]
    fn general_may_be_written_or_left_out() {
        let expected = vec![(1, "sipport".to_owned(), "5060".to_owned())];
        assert_eq!(pairs(b"sipport=5060"), expected);
        assert_eq!(pairs(b"\n[general]\nsipport = 5060\n")[0].0, 3);
        assert_eq!(pairs(b"[GENERAL]\nsipport = 5060\n").len(), 1);
    }

    #[test]
    fn lines_under_another_heading_are_passed_over_until_general_comes_back() {
        let lines = parse(b"a = 1\n[web]\nb = 2\n[general]\nc = 3\n");
        assert_eq!(lines.entries.len(), 2);
        assert_eq!(lines.skipped, [Skipped { line: 2, reason: Reason::Section("web".to_owned()) }]);
    }

    #[test]
    fn a_comment_begins_a_line_or_follows_white_space_and_hash() {
        assert!(pairs(b"# a = 1\n;b = 2\n  # c = 3\n").is_empty());
        assert_eq!(value_of("interface = eth0 # the mirror"), "eth0");
        assert_eq!(value_of("interface = eth0\t#the mirror"), "eth0");
        assert_eq!(value_of("server_password = a#b"), "a#b");
        assert_eq!(value_of("sipport = 5060;5061 ; 5062"), "5060;5061 ; 5062");
        assert_eq!(value_of("mysqlpassword = # none"), "");
    }

    #[test]
    fn quotes_come_off_only_as_a_pair_around_all_of_it() {
        assert_eq!(value_of("name_sensor = \"Box # 7\""), "Box # 7");
        assert_eq!(value_of("name_sensor = 'Box 7'  # upstairs"), "Box 7");
        assert_eq!(value_of("name_sensor = \"Box\" 7"), "\"Box\" 7");
        assert_eq!(value_of("name_sensor = \"Box"), "\"Box");
        assert_eq!(value_of("name_sensor = \"\""), "");
    }

    #[test]
    fn line_ends_marks_and_latin_1_of_other_editors_are_taken() {
        let text = b"\xef\xbb\xbf[general]\r\nname_sensor = B\xfcro\r\n; x\r\nsnaplen = 0";
        assert_eq!(
            pairs(text),
            [
                (2, "name_sensor".to_owned(), "B\u{fc}ro".to_owned()),
                (4, "snaplen".to_owned(), "0".to_owned()),
            ]
        );
    }

    #[test]
    fn keys_match_in_any_case_and_repeat() {
        let pairs = pairs(b"SipPort = 5060\nsipport = 5070\n");
        assert_eq!((pairs[0].1.as_str(), pairs[1].1.as_str()), ("sipport", "sipport"));
    }

    #[test]
    fn a_line_without_key_is_told() {
        let lines = parse(b"promisc\n= 5\nx = y = z\n");
        assert_eq!(lines.skipped.len(), 2);
        assert_eq!(lines.entries[0].value, "y = z");
    }
}
