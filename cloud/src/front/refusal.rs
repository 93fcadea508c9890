//! What the front itself answers, and why.
//!
//! Each refusal has a status, a name that counters carry, and one sentence of plain text.

/// Why a request or a connection is turned away before any handler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The listener holds as many connections as it may.
    Connections,
    /// The address holds as many connections as it may.
    ConnectionsPerAddress,
    /// A line feed without carriage return, or the other way round.
    BareLineEnd,
    /// The request line is none (RFC 9112 §3).
    RequestLine,
    /// The target does not begin with `/`.
    Target,
    /// A header line is none (RFC 9112 §5).
    HeaderLine,
    /// A header line begins with a space (RFC 9112 §5.2).
    FoldedHeader,
    /// A space before the colon (RFC 9112 §5.1).
    SpaceBeforeColon,
    /// Not exactly one `Host` (RFC 9112 §3.2).
    Host,
    /// Content-Length is no number, or stands there twice.
    ContentLength,
    /// Content-Length and Transfer-Encoding together (RFC 9112 §6.3).
    BothLengths,
    /// A chunk is not as RFC 9112 §7.1 has it.
    Chunk,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is too large.
    BodyBytes,
    /// The request line is too long.
    RequestLineBytes,
    /// An `Expect` other than `100-continue`.
    Expectation,
    /// Request line and headers are too long together.
    HeadBytes,
    /// Too many header lines.
    HeaderLines,
    /// Too many options of `Connection`.
    ConnectionOptions,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// The workers' answer is none.
    BadAnswer,
    /// As many requests wait as may.
    QueueFull,
    /// As many requests of the address wait as may.
    QueuePerAddress,
    /// No worker was free in time.
    QueueTimeout,
    /// As many long polls wait as may.
    ParkedFull,
    /// All connections together hold as many bytes as they may.
    BuffersFull,
    /// The connections of the address together hold as many bytes as they may.
    BuffersPerAddress,
    /// As many long answers are on their way as may, to the address or to all.
    Streams,
    /// The service is ending.
    ShuttingDown,
    /// The handler did not answer in time.
    HandlerTimeout,
    /// Not HTTP/1.1.
    Version,
    /// Nobody is at the other end of the transfer any more.
    TransferOver,
}

impl Refusal {
    /// Every refusal, in the order of the counters.
    pub const ALL: [Self; 33] = [
        Self::Connections,
        Self::ConnectionsPerAddress,
        Self::BareLineEnd,
        Self::RequestLine,
        Self::Target,
        Self::HeaderLine,
        Self::FoldedHeader,
        Self::SpaceBeforeColon,
        Self::Host,
        Self::ContentLength,
        Self::BothLengths,
        Self::Chunk,
        Self::HeadTimeout,
        Self::BodyTimeout,
        Self::BodyBytes,
        Self::RequestLineBytes,
        Self::Expectation,
        Self::HeadBytes,
        Self::HeaderLines,
        Self::ConnectionOptions,
        Self::TransferCoding,
        Self::BadAnswer,
        Self::QueueFull,
        Self::QueuePerAddress,
        Self::QueueTimeout,
        Self::ParkedFull,
        Self::BuffersFull,
        Self::BuffersPerAddress,
        Self::Streams,
        Self::ShuttingDown,
        Self::HandlerTimeout,
        Self::Version,
        Self::TransferOver,
    ];

    /// The HTTP status; for the two refusals of a connection nobody gets to see it.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.facts().0
    }

    /// The name that counters carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().1
    }

    /// What went wrong and what to do, for the one who sent the request.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.facts().2
    }

    #[rustfmt::skip]
    const fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Connections => (503, "connections", "too many connections: try again later"),
            Self::ConnectionsPerAddress => (503, "connections_per_address", "too many connections from this address: close some"),
            Self::BareLineEnd => (400, "bare_line_end", "a line of the head does not end in CR LF"),
            Self::RequestLine => (400, "request_line", "the request line is not METHOD TARGET HTTP/1.1"),
            Self::Target => (400, "target", "the request target does not begin with /"),
            Self::HeaderLine => (400, "header_line", "a header line is not NAME: VALUE in visible ASCII"),
            Self::FoldedHeader => (400, "folded_header", "a header line begins with a space: folded headers are not read"),
            Self::SpaceBeforeColon => (400, "space_before_colon", "a header name has a space before its colon"),
            Self::Host => (400, "host", "the request needs exactly one Host header"),
            Self::ContentLength => (400, "content_length", "Content-Length is not one decimal number"),
            Self::BothLengths => (400, "both_lengths", "Content-Length and Transfer-Encoding exclude each other"),
            Self::Chunk => (400, "chunk", "the chunked body is malformed"),
            Self::HeadTimeout => (408, "head_timeout", "the request's head did not arrive in time"),
            Self::BodyTimeout => (408, "body_timeout", "the request's body did not arrive in time"),
            Self::BodyBytes => (413, "body_bytes", "the request's body is too large"),
            Self::RequestLineBytes => (414, "request_line_bytes", "the request line is too long"),
            Self::Expectation => (417, "expectation", "the only expectation that is met is 100-continue"),
            Self::HeadBytes => (431, "head_bytes", "the request's headers are too large"),
            Self::HeaderLines => (431, "header_lines", "the request has too many header lines"),
            Self::ConnectionOptions => (431, "connection_options", "the Connection header has too many options"),
            Self::TransferCoding => (501, "transfer_coding", "the only transfer coding that is read is chunked"),
            Self::BadAnswer => (502, "bad_answer", "the request failed inside the service: see its log"),
            Self::QueueFull => (503, "queue_full", "too many requests wait: try again later"),
            Self::QueuePerAddress => (503, "queue_per_address", "too many requests from this address wait: try again later"),
            Self::QueueTimeout => (503, "queue_timeout", "the service is too busy: try again later"),
            Self::ParkedFull => (503, "parked_full", "too many long polls wait: try again later"),
            Self::BuffersFull => (503, "buffers_full", "too many requests arrive at once: try again later"),
            Self::BuffersPerAddress => (503, "buffers_per_address", "too many requests arrive from this address at once: try again later"),
            Self::Streams => (503, "streams", "too many long answers are on their way: try again later"),
            Self::ShuttingDown => (503, "shutting_down", "the service is ending: try again later"),
            Self::HandlerTimeout => (504, "handler_timeout", "the request took too long inside the service"),
            Self::Version => (505, "version", "this service speaks HTTP/1.1"),
            Self::TransferOver => (410, "transfer_over", "nobody is at the other end of this transfer any more"),
        }
    }
}

/// The reason phrase of a status (RFC 9110 §15); empty where none is known, which is allowed.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_stands_at_its_own_place_with_a_name_of_its_own() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
            assert!(refusal.status() >= 400 && !refusal.sentence().is_empty());
            assert!(!reason_phrase(refusal.status()).is_empty());
            let same = Refusal::ALL.iter().filter(|other| other.name() == refusal.name());
            assert_eq!(same.count(), 1, "{refusal:?}");
        }
    }
}
