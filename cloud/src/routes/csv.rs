//! Records as lines of CSV (RFC 4180).
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe before it (CWE-1236); a
//! plus sign with digits alone is a telephone number and stays as it is.

use serde_json::Value;

/// A column's name, and where in a record's JSON it stands.
pub(super) type Column = (&'static str, &'static str);

/// The names of the columns.
pub(super) fn header(columns: &[Column]) -> Vec<u8> {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    format!("{}\r\n", names.join(",")).into_bytes()
}

/// A record.
pub(super) fn line(to: &mut Vec<u8>, columns: &[Column], record: &Value) {
    for (index, (_, place)) in columns.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        let text = match record.pointer(place) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.to_string(),
        };
        to.extend_from_slice(cell(&text).as_bytes());
    }
    to.extend_from_slice(b"\r\n");
}

fn cell(text: &str) -> String {
    let text = if is_formula(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Whether a spreadsheet may calculate with a cell.
fn is_formula(text: &str) -> bool {
    let starts = text.trim_start_matches(' ').starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let digits = text.strip_prefix('+').unwrap_or("");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    starts && !is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_calculate_nothing() {
        for (text, written) in [
            ("4930123", "4930123"),
            ("+4930123", "+4930123"),
            ("+49+1", "'+49+1"),
            ("=1+2", "'=1+2"),
            (" =1", "' =1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("a,b", "\"a,b\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
