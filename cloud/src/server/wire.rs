//! A handler's answer as HTTP/1.1, for the front to read (`front/answer.rs` has the other end).
//!
//! tiny_http's own writer ends a stream that failed as if it were whole, so answers are written
//! here. A stream is always chunked; a failed one ends in a chunk that is none.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{SystemTime, UNIX_EPOCH};

use ringside_protocol::time::UnixMicros;

use super::{Body, Park, PipeEnd, Response};
use crate::front::reason_phrase;

/// Bytes of a stream that are read, and sent as one chunk, at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// In a chunk size's place: the stream broke off.
const BROKEN_OFF: &[u8] = b"!\r\n";

/// Headers that are the front's and this module's to write.
const OURS: [&str; 7] = [
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "content-length",
    "date",
];

/// Writes an answer. `is_head`: the request was HEAD, so the body is left out.
pub(super) fn write(to: &mut dyn Write, response: Response, is_head: bool) -> io::Result<()> {
    if let Some(park) = &response.park {
        write_park(to, park)?;
        return to.flush();
    }
    let mut head = head(&response);
    if let Some(end) = &response.pipe {
        // Keys are the service's own: hexadecimal.
        head.push_str(&match end {
            PipeEnd::Pour(key) => format!("x-ringside-pour: {key}\r\n\r\n"),
            PipeEnd::Draw(key) => format!("x-ringside-draw: {key}\r\n\r\n"),
        });
        to.write_all(head.as_bytes())?;
        return to.flush();
    }
    let has_no_body = is_head || matches!(response.status, 100..=199 | 204 | 304);
    match response.body {
        Body::Bytes(bytes) => {
            if response.status != 204 {
                head.push_str(&format!("content-length: {}\r\n", bytes.len()));
            }
            head.push_str("\r\n");
            to.write_all(head.as_bytes())?;
            if !has_no_body {
                to.write_all(&bytes)?;
            }
        }
        Body::Stream(mut stream) => {
            if let Some(length) = declared_length(&response.headers) {
                head.push_str(&format!("x-ringside-length: {length}\r\n"));
            }
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            to.write_all(head.as_bytes())?;
            if !has_no_body {
                write_chunks(to, stream.as_mut())?;
            }
        }
    }
    to.flush()
}

fn write_park(to: &mut dyn Write, park: &Park) -> io::Result<()> {
    let share = park.share.as_ref();
    if !is_value(&park.key) || share.is_some_and(|share| !is_value(&share.of)) {
        log::error!("a request cannot be parked under the key {:?}", park.key);
        return write(to, Response::text(500, "the request failed inside the service"), false);
    }
    write!(
        to,
        "HTTP/1.1 204 {}\r\nx-ringside-park: {}\r\nx-ringside-park-generation: {}\r\n\
         x-ringside-park-millis: {}\r\n",
        reason_phrase(204),
        park.key,
        park.generation,
        park.wait.as_millis().min(u128::from(u64::MAX)),
    )?;
    if let Some(share) = share {
        write!(to, "x-ringside-park-share: {} {}\r\n", share.most, share.of)?;
    }
    to.write_all(b"\r\n")
}

/// Status line and headers, without length and empty line.
fn head(response: &Response) -> String {
    let status = response.status;
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status));
    head.push_str(&format!("date: {}\r\n", imf_fixdate(now())));
    for (name, value) in &response.headers {
        if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            continue;
        }
        if is_name(name) && is_value(value) {
            head.extend([name, ": ", value, "\r\n"]);
        } else {
            log::error!("the header {name:?} is left out: it would break the answer's head");
        }
    }
    head
}

fn declared_length(headers: &[(String, String)]) -> Option<u64> {
    let (_, value) =
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.parse().ok()
}

fn write_chunks(to: &mut dyn Write, stream: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match read_some(stream, &mut buffer) {
            Ok(0) => return to.write_all(b"0\r\n\r\n"),
            Ok(count) => {
                write!(to, "{count:x}\r\n")?;
                to.write_all(&buffer[..count])?;
                to.write_all(b"\r\n")?;
                to.flush()?;
            }
            Err(error) => {
                log::warn!("an answer broke off: {error}");
                to.write_all(BROKEN_OFF)?;
                to.flush()?;
                return Err(error);
            }
        }
    }
}

/// A panic of the reader is an error like another.
fn read_some(stream: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match catch_unwind(AssertUnwindSafe(|| stream.read(buffer))) {
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(result) => return result,
            Err(_) => return Err(io::Error::other("the reader panicked")),
        }
    }
}

/// RFC 9110 §5.6.2, as far as handlers need it.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !name.get(..11).is_some_and(|head| head.eq_ignore_ascii_case("x-ringside-"))
}

fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

fn now() -> UnixMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(u64::try_from(since.as_micros()).unwrap_or(0))
}

/// RFC 9110 §5.6.7, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(at: UnixMicros) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_rfc3339();
    let month: usize = text[5..7].parse().unwrap_or(1);
    // 1970-01-01 was a Thursday.
    let weekday = usize::try_from(at.day() % 7).unwrap_or(0);
    format!(
        "{}, {} {} {} {} GMT",
        WEEKDAYS[weekday],
        &text[8..10],
        MONTHS[month - 1],
        &text[..4],
        &text[11..19],
    )
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn written(response: Response, is_head: bool) -> String {
        let mut out = Vec::new();
        let _ = write(&mut out, response, is_head);
        let text = String::from_utf8(out).unwrap();
        text.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_date_is_written_as_rfc_9110_has_it() {
        assert_eq!(imf_fixdate(UnixMicros(784_111_777_000_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(imf_fixdate(UnixMicros(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn a_body_comes_with_its_length_and_head_without_it() {
        let text = "HTTP/1.1 200 OK|Content-Type: text/plain; charset=utf-8|content-length: 3|";
        assert_eq!(written(Response::text(200, "hi"), false), format!("{text}|hi"));
        assert_eq!(written(Response::text(200, "hi"), true), text);
        assert_eq!(written(Response::new(204), false), "HTTP/1.1 204 No Content|");
    }

    #[test]
    fn a_header_cannot_break_the_head_or_speak_to_the_front() {
        let response = Response::new(200)
            .with_header("X-A", "b\r\nX-C: d")
            .with_header("X\n", "b")
            .with_header("X-Ringside-Park", "k")
            .with_header("Connection", "close")
            .with_header("Content-Length", "9");
        assert_eq!(written(response, false), "HTTP/1.1 200 OK|content-length: 0|");
        let park = Response::parked("a\r\nb: c".to_owned(), 0, Duration::ZERO);
        assert!(written(park, false).starts_with("HTTP/1.1 500 "));
    }

    #[test]
    fn a_stream_that_fails_does_not_end_as_if_it_were_whole() {
        struct Failing(bool);
        impl Read for Failing {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if core::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("gone"));
                }
                buffer[0] = b'x';
                Ok(1)
            }
        }
        let failing = Response::stream(200, "a/b", Box::new(Failing(false)));
        let text = "HTTP/1.1 200 OK|Content-Type: a/b|transfer-encoding: chunked||1|x|";
        assert_eq!(written(failing, false), format!("{text}!"));
        let whole = Response::stream(200, "a/b", Box::new(&b"x"[..]));
        assert_eq!(written(whole, false), format!("{text}0|"));
    }
}
