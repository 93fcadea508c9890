//! The part of an address after the `?`.

use super::reply::ApiError;

/// Parameters in one address.
pub const MAX_PARAMETERS: usize = 64;

/// Names and values in order, decoded; those without a value are left out, as forms send them for
/// fields that were not filled in.
///
/// # Errors
/// An [`ApiError`] for text that is not encoded as `application/x-www-form-urlencoded`.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    let parts: Vec<_> = query.split('&').filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_PARAMETERS {
        let message = format!("An address has at most {MAX_PARAMETERS} parameters.");
        return Err(ApiError::new(400, "bad_parameter", message));
    }
    let mut parameters = Vec::with_capacity(parts.len());
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = decode(name, true).zip(decode(value, true));
        let (name, value) = decoded.ok_or_else(|| {
            let message = "The address holds a % that no two hex digits follow, or bytes that are \
                           no UTF-8: encode its parameters.";
            ApiError::new(400, "bad_parameter", message)
        })?;
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    Ok(parameters)
}

/// Decodes percent-encoding (RFC 3986 §2.1), and in forms `+` as a space.
#[must_use]
pub(super) fn decode(text: &str, form: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if form => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_in_order() {
        let read = |query| parameters(query).ok();
        let pairs = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(read(""), pairs(&[]));
        assert_eq!(read("a=1&b=%2B49+30&&c=&d"), pairs(&[("a", "1"), ("b", "+49 30")]));
        assert_eq!(read("a=x%3Dy=z&a=%C3%A9"), pairs(&[("a", "x=y=z"), ("a", "é")]));
        for bad in ["a=%", "a=%2", "a=%zz", "a=%ff"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_number_of_parameters_is_limited() {
        assert!(parameters(&"a=1&".repeat(MAX_PARAMETERS)).is_ok());
        assert!(parameters(&"a=1&".repeat(MAX_PARAMETERS + 1)).is_err());
    }
}
