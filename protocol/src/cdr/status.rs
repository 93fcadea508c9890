//! How a call was answered.

use serde::{Deserialize, Serialize};

/// A final response's status line (RFC 3261 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// 200 to 699.
    pub code: u16,
    /// As written; empty where it is the usual one for the code ([`usual_reason_phrase`]).
    pub reason_phrase: String,
}

impl Status {
    /// With the reason phrase that was written, which is left out where it is the usual one.
    #[must_use]
    pub fn new(code: u16, phrase: String) -> Self {
        let is_usual = phrase == usual_reason_phrase(code);
        Self { code, reason_phrase: if is_usual { String::new() } else { phrase } }
    }

    /// The reason phrase as it was written on the wire.
    #[must_use]
    pub fn phrase(&self) -> &str {
        if self.reason_phrase.is_empty() {
            usual_reason_phrase(self.code)
        } else {
            &self.reason_phrase
        }
    }
}

/// The reason phrase that RFC 3261 §21 gives a status code, or RFC 6665 and RFC 3903 do; empty
/// where none of them does.
#[must_use]
pub const fn usual_reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        420 => "Bad Extension",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "",
    }
}
