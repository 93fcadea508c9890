//! A place in a list of records, as an opaque text.

use data_encoding::BASE64URL_NOPAD;
use ringside_protocol::cdr::{Boot, Fingerprint};
use ringside_protocol::time::UnixMicros;

use crate::db::search::Position;
use crate::routes::ApiError;

/// The text that `next` carries.
pub(super) fn text(position: &Position) -> String {
    let mut bytes = Vec::with_capacity(48);
    bytes.extend_from_slice(&position.ended_at.0.to_be_bytes());
    bytes.extend_from_slice(&position.device.0);
    bytes.extend_from_slice(&position.boot.0);
    bytes.extend_from_slice(&position.number.to_be_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

/// The place that a text names.
pub(super) fn position(text: &str) -> Result<Position, ApiError> {
    read(text).ok_or_else(|| ApiError::parameter("cursor", "the next of an earlier answer, whole"))
}

fn read(text: &str) -> Option<Position> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (ended_at, rest) = bytes.split_first_chunk()?;
    let (device, rest) = rest.split_first_chunk()?;
    let (boot, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    rest.is_empty().then_some(Position {
        ended_at: UnixMicros(u64::from_be_bytes(*ended_at)),
        device: Fingerprint(*device),
        boot: Boot(*boot),
        number: u64::from_be_bytes(*number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        let there = Position {
            ended_at: UnixMicros(1_795_420_859_453_875),
            device: Fingerprint([1; 16]),
            boot: Boot([0xfe; 16]),
            number: u64::MAX,
        };
        assert_eq!(position(&text(&there)).unwrap(), there);
        for bad in ["", "x", "****", &format!("{}AAAA", text(&there)), &text(&there)[1..]] {
            assert!(position(bad).is_err(), "{bad}");
        }
    }
}
