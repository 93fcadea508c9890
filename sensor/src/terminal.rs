//! What may be written to a terminal.
//!
//! Names and texts come from the wire and from files: control characters in them must not reach a
//! terminal as commands.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// How wide a text may be, and whether it may have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line.
    pub columns: usize,
    /// Whether colours may be used.
    pub colour: bool,
}

/// Colours that both dark and light terminals show well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Something is wrong.
    Red,
    /// Something may be wrong.
    Yellow,
    /// All is well.
    Green,
    /// Less important.
    Faint,
}

impl Style {
    /// For a file or a pipe.
    pub const PLAIN: Self = Self { columns: 120, colour: false };

    /// For standard output: a terminal's own width, and colours unless `NO_COLOR` is set
    /// (no-color.org) or the terminal is `dumb`; [`Style::PLAIN`] where it is no terminal.
    #[must_use]
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::PLAIN;
        }
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let columns = rustix::termios::tcgetwinsize(&stdout)
            .map(|size| usize::from(size.ws_col))
            .ok()
            .filter(|&columns| columns > 0);
        Self {
            columns: columns.unwrap_or(Self::PLAIN.columns),
            colour: !is_set("NO_COLOR") && !is_dumb,
        }
    }

    /// `text` in a colour, where colours may be used.
    #[must_use]
    pub fn paint<'a>(self, colour: Option<Colour>, text: &'a str) -> Cow<'a, str> {
        let Some(colour) = colour.filter(|_| self.colour) else {
            return Cow::Borrowed(text);
        };
        let code = match colour {
            Colour::Red => 31,
            Colour::Yellow => 33,
            Colour::Green => 32,
            Colour::Faint => 2,
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }
}

/// `text` with everything that is not plain printing replaced by `\u{…}` escapes: control
/// characters, and marks that turn the direction of writing.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(commands_terminal) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if commands_terminal(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// JSON `text` with the same characters replaced by its own escapes, where JSON leaves them as they
/// are; they can stand inside strings only, so it means the same.
#[must_use]
pub fn printable_json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut units = [0; 2];
    for character in text.chars() {
        if character != '\n' && commands_terminal(character) {
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// C0, DEL, C1 (ECMA-48), line separators, and the bidirectional and zero-width format characters
/// of Unicode, with which a name can look like another.
const fn commands_terminal(character: char) -> bool {
    matches!(
        character,
        '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Columns that `text` takes: two for East Asian wide characters and emoji, none for marks that
/// combine with the character before.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

const fn columns(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// `text` in exactly `columns` columns: filled with spaces, or cut with `…` at its end.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    let mut fitted = cut(text, columns);
    let missing = columns.saturating_sub(width(&fitted));
    fitted.extend(core::iter::repeat_n(' ', missing));
    fitted
}

/// `text` in at most `columns` columns, cut with `…` at its end where it is longer.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for character in text.chars() {
        used += self::columns(character);
        if used + 1 > columns {
            break;
        }
        kept.push(character);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// `text` broken at spaces into lines of at most `columns` columns; a longer word keeps a line of
/// its own.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_to_the_terminal_become_text() {
        assert_eq!(printable("Bob"), "Bob");
        assert_eq!(printable("\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(printable("a\r\nb\tc\x7f"), "a\\r\\nb\\tc\\u{7f}");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(printable("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(printable("Zoë 東"), "Zoë 東");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let text = "{\n  \"a\": \"\u{9b}31m \u{e0001} Zoë\"\n}";
        let safe = printable_json(text);
        assert!(safe.contains("\\u009b31m \\udb40\\udc01 Zoë"), "{safe}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&safe), value(text));
    }

    #[test]
    fn a_fitted_text_takes_exactly_its_columns() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("東京都", 4), "東… ");
        assert_eq!(fit("e\u{301}x", 3), "e\u{301}x ");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn wrapping_breaks_at_spaces_only() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("incomprehensible a", 4), ["incomprehensible", "a"]);
        assert!(wrap("  ", 4).is_empty());
    }

    #[test]
    fn colours_stay_away_where_they_may_not_be_used() {
        let plain = Style::PLAIN;
        assert_eq!(plain.paint(Some(Colour::Red), "bad"), "bad");
        let coloured = Style { colour: true, ..plain };
        assert_eq!(coloured.paint(Some(Colour::Red), "bad"), "\x1b[31mbad\x1b[0m");
        assert_eq!(coloured.paint(None, "bad"), "bad");
    }

    proptest! {
        #[test]
        fn no_text_from_outside_reaches_the_terminal_as_a_command(text in any::<String>()) {
            let safe = printable(&text);
            prop_assert!(!safe.chars().any(char::is_control));
        }

        #[test]
        fn any_text_fits_any_width(text in any::<String>(), columns in 0..50_usize) {
            prop_assert_eq!(width(&fit(&text, columns)), columns);
        }
    }
}
