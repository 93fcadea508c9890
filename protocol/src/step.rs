//! The named steps from a sensor to its cloud, and what to do when one fails.
//!
//! Every way to fail is a [`Failure`]; [`Failure::sentence`] is the only place that puts one into
//! words, so the log, `doctor`, the status page and the cloud's sensor page say the same.

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

/// The steps, in the order in which a sensor takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// The server's name becomes addresses.
    Lookup,
    /// A TCP connection opens.
    Tcp,
    /// The server proves that it is the one the sensor trusts.
    Tls,
    /// Both agree what time it is.
    Clock,
    /// Both speak a common protocol version.
    Version,
    /// The device is known, or joins with a token.
    Enrolment,
    /// The sensor's number is its own.
    SensorId,
    /// The cloud has opened a session.
    Accepted,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Self; 8] = [
        Self::Lookup,
        Self::Tcp,
        Self::Tls,
        Self::Clock,
        Self::Version,
        Self::Enrolment,
        Self::SensorId,
        Self::Accepted,
    ];

    /// The step's name, the same everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Clock => "clock",
            Self::Version => "version",
            Self::Enrolment => "enrolment",
            Self::SensorId => "sensor_id",
            Self::Accepted => "accepted",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One way in which a step can fail, with the facts that its sentence needs. New ones are
/// appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The resolver says that there is no such name.
    NoSuchName {
        /// The configured server.
        host: String,
    },
    /// The resolver does not answer.
    NoResolver {
        /// The configured server.
        host: String,
        /// The system's words.
        detail: String,
    },
    /// The connection was refused.
    PortClosed {
        /// Where to.
        address: SocketAddr,
    },
    /// Nothing answered the connection attempt.
    PortFiltered {
        /// Where to.
        address: SocketAddr,
        /// Seconds waited.
        seconds: u32,
    },
    /// The network has no way there.
    Unreachable {
        /// Where to.
        address: SocketAddr,
        /// The system's words.
        detail: String,
    },
    /// The certificate is not signed by the pinned CA, or by any trusted one.
    WrongCa {
        /// The configured server.
        host: String,
    },
    /// The certificate is for another name.
    WrongName {
        /// The configured server.
        host: String,
    },
    /// What answers is not TLS, or breaks off.
    NotTls {
        /// The configured server.
        host: String,
        /// The library's words.
        detail: String,
    },
    /// The certificate is not valid at the sensor's time.
    CertificateTime {
        /// The sensor's time.
        sensor_time: UnixMicros,
        /// The certificate's first moment.
        not_before: UnixMicros,
        /// The certificate's last moment.
        not_after: UnixMicros,
    },
    /// The two clocks differ by more than [`MAX_CLOCK_SKEW_SECONDS`].
    ClockSkew {
        /// The sensor's time.
        sensor_time: UnixMicros,
        /// The cloud's time.
        cloud_time: UnixMicros,
    },
    /// The sensor's protocol is older than the cloud reads.
    SensorTooOld {
        /// The sensor's newest.
        sensor: u8,
        /// The cloud's oldest.
        cloud_oldest: u8,
    },
    /// The cloud's protocol is older than the sensor speaks.
    CloudTooOld {
        /// The sensor's oldest.
        sensor_oldest: u8,
        /// The cloud's newest.
        cloud: u8,
    },
    /// What answers over TLS does not speak this protocol.
    NotRingside {
        /// The configured server.
        host: String,
        /// What came instead.
        detail: String,
    },
    /// The device has no token and the cloud does not know its key.
    NotEnrolled,
    /// The token's text cannot be read.
    TokenMalformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The cloud has not given out this token.
    TokenUnknown,
    /// The token has been used by another device.
    TokenUsed,
    /// The token's time is over.
    TokenExpired {
        /// When.
        at: UnixMicros,
    },
    /// Somebody revoked this device in the cloud.
    Revoked,
    /// The signature does not fit the device's key.
    BadSignature,
    /// Another device of the customer has this `id_sensor`.
    IdTaken {
        /// The number.
        id_sensor: u16,
        /// The other device's name.
        by: String,
    },
    /// Two live sensors present the same device key.
    ClonedDevice {
        /// From where the other one connects.
        other: String,
    },
    /// The cloud is at one of its limits.
    Busy {
        /// Which one.
        limit: String,
    },
    /// The cloud could not do its part.
    CloudFault {
        /// In its words.
        detail: String,
    },
    /// The session is over; the sensor opens a new one.
    SessionEnded,
    /// The connection broke or stalled within a request.
    Interrupted {
        /// The system's words.
        detail: String,
    },
    /// The other side cannot read a message of this sensor, or takes none so large. The session
    /// stands. A `Hello` does not tell of it: a cloud of an earlier build could not read that.
    MessageRefused {
        /// In its words.
        detail: String,
    },
}

/// The greatest difference between the sensor's and the cloud's clock that is accepted.
pub const MAX_CLOCK_SKEW_SECONDS: u64 = 300;

impl Failure {
    /// The step that fails in this way.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::NoSuchName { .. } | Self::NoResolver { .. } => Step::Lookup,
            Self::PortClosed { .. } | Self::PortFiltered { .. } | Self::Unreachable { .. } => {
                Step::Tcp
            }
            Self::WrongCa { .. } | Self::WrongName { .. } | Self::NotTls { .. } => Step::Tls,
            Self::CertificateTime { .. } | Self::ClockSkew { .. } => Step::Clock,
            Self::SensorTooOld { .. } | Self::CloudTooOld { .. } | Self::NotRingside { .. } => {
                Step::Version
            }
            Self::NotEnrolled
            | Self::TokenMalformed { .. }
            | Self::TokenUnknown
            | Self::TokenUsed
            | Self::TokenExpired { .. }
            | Self::Revoked
            | Self::BadSignature => Step::Enrolment,
            Self::IdTaken { .. } | Self::ClonedDevice { .. } => Step::SensorId,
            Self::Busy { .. }
            | Self::CloudFault { .. }
            | Self::SessionEnded
            | Self::Interrupted { .. }
            | Self::MessageRefused { .. } => Step::Accepted,
        }
    }

    /// What is wrong and what to do about it, one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NoSuchName { host } => format!(
                "there is no server named {host}: correct server_destination, or have the name \
                 added to DNS"
            ),
            Self::NoResolver { host, detail } => format!(
                "the name {host} could not be looked up ({detail}): check the DNS server that \
                 this machine uses, and its network cable"
            ),
            Self::PortClosed { address } => format!(
                "{address} refuses the connection: check that ringside-cloud runs there and that \
                 server_destination_port is its sensor port"
            ),
            Self::PortFiltered { address, seconds } => format!(
                "{address} did not answer within {seconds} s: have the firewall let this machine \
                 open outgoing TCP connections to port {}",
                address.port()
            ),
            Self::Unreachable { address, detail } => format!(
                "there is no route to {address} ({detail}): check this machine's address, netmask \
                 and gateway"
            ),
            Self::WrongCa { host } => format!(
                "the certificate of {host} is not signed by the authority that this sensor trusts: \
                 if a firewall inspects TLS, exempt this connection; if the cloud was set up anew, \
                 enrol with a new token"
            ),
            Self::WrongName { host } => format!(
                "the certificate that answered is not for {host}: write the name that the \
                 certificate holds into server_destination"
            ),
            Self::NotTls { host, detail } => format!(
                "the server {host} did not complete a TLS handshake ({detail}): check that \
                 server_destination_port is the cloud's sensor port and that no proxy intercepts it"
            ),
            Self::CertificateTime { sensor_time, not_before, not_after } => format!(
                "this sensor's clock says {}, but the cloud's certificate is valid from {} to {}: \
                 set the clock (NTP), or renew the certificate if the clock is right",
                sensor_time.to_the_second(),
                not_before.to_the_second(),
                not_after.to_the_second()
            ),
            Self::ClockSkew { sensor_time, cloud_time } => format!(
                "this sensor's clock says {} and the cloud's says {}: set the sensor's clock (NTP) \
                 to within {MAX_CLOCK_SKEW_SECONDS} s",
                sensor_time.to_the_second(),
                cloud_time.to_the_second()
            ),
            Self::SensorTooOld { sensor, cloud_oldest } => format!(
                "this sensor speaks protocol {sensor}, and the cloud needs {cloud_oldest} or newer: \
                 upgrade the sensor"
            ),
            Self::CloudTooOld { sensor_oldest, cloud } => format!(
                "this sensor needs protocol {sensor_oldest} or newer, and the cloud speaks {cloud}: \
                 upgrade the cloud, or install an older sensor"
            ),
            Self::NotRingside { host, detail } => format!(
                "what answers at {host} is not a Ringside cloud ({detail}): correct \
                 server_destination and server_destination_port"
            ),
            Self::NotEnrolled => {
                "the cloud does not know this device: enter its claim code in the \
                                  cloud under Sensors, Add, or make an enrolment token there and \
                                  run `ringside-sensor enrol` with it"
                    .to_owned()
            }
            Self::TokenMalformed { detail } => format!(
                "the enrolment token cannot be read ({detail}): copy it again, whole, from the \
                 cloud's page"
            ),
            Self::TokenUnknown => "the cloud does not know this enrolment token: make a new one \
                                   under Sensors, Add"
                .to_owned(),
            Self::TokenUsed => "this enrolment token has been used by another device: make a new \
                                one under Sensors, Add"
                .to_owned(),
            Self::TokenExpired { at } => format!(
                "this enrolment token expired at {}: make a new one under Sensors, Add",
                at.to_the_second()
            ),
            Self::Revoked => "this device was revoked in the cloud: enrol it with a new token if \
                              it should join again"
                .to_owned(),
            Self::BadSignature => "the cloud could not verify this device's signature: its key \
                                   file is damaged or was exchanged; enrol it with a new token"
                .to_owned(),
            Self::IdTaken { id_sensor, by } => format!(
                "id_sensor {id_sensor} already belongs to \"{by}\": choose another number, or \
                 remove that sensor in the cloud first"
            ),
            Self::ClonedDevice { other } => format!(
                "another running sensor at {other} presents the same device key: delete the \
                 device key on the copied machine and enrol it with a token of its own"
            ),
            Self::Busy { limit } => format!(
                "the cloud is at its limit of {limit}: it will be tried again; if this stays, ask \
                 the cloud's operator"
            ),
            Self::CloudFault { detail } => format!(
                "the cloud could not answer ({detail}): it will be tried again; if this stays, ask \
                 the cloud's operator"
            ),
            Self::SessionEnded => {
                "the cloud has ended this session: a new one is being opened".to_owned()
            }
            Self::Interrupted { detail } => {
                format!("the connection to the cloud broke off ({detail}): it will be opened again")
            }
            Self::MessageRefused { detail } => format!(
                "the cloud cannot take a message of this sensor ({detail}): run the same version \
                 on both sides; if this stays, report it as a fault"
            ),
        }
    }

    /// A short code for machines, stable.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchName { .. } => "no_such_name",
            Self::NoResolver { .. } => "no_resolver",
            Self::PortClosed { .. } => "port_closed",
            Self::PortFiltered { .. } => "port_filtered",
            Self::Unreachable { .. } => "unreachable",
            Self::WrongCa { .. } => "wrong_ca",
            Self::WrongName { .. } => "wrong_name",
            Self::NotTls { .. } => "not_tls",
            Self::CertificateTime { .. } => "certificate_time",
            Self::ClockSkew { .. } => "clock_skew",
            Self::SensorTooOld { .. } => "sensor_too_old",
            Self::CloudTooOld { .. } => "cloud_too_old",
            Self::NotRingside { .. } => "not_ringside",
            Self::NotEnrolled => "not_enrolled",
            Self::TokenMalformed { .. } => "token_malformed",
            Self::TokenUnknown => "token_unknown",
            Self::TokenUsed => "token_used",
            Self::TokenExpired { .. } => "token_expired",
            Self::Revoked => "revoked",
            Self::BadSignature => "bad_signature",
            Self::IdTaken { .. } => "id_taken",
            Self::ClonedDevice { .. } => "cloned_device",
            Self::Busy { .. } => "busy",
            Self::CloudFault { .. } => "cloud_fault",
            Self::SessionEnded => "session_ended",
            Self::Interrupted { .. } => "interrupted",
            Self::MessageRefused { .. } => "message_refused",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step(), self.sentence())
    }
}

impl core::error::Error for Failure {}

/// A failure's sentence where it stands alone: with a capital letter and a full stop. A first word
/// that is no word but a setting's name or an address keeps its letters.
#[must_use]
pub fn alone(sentence: &str) -> String {
    let first = sentence.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|letter| letter.is_alphabetic() || ",'".contains(letter));
    let mut letters = sentence.chars();
    let head = match letters.next() {
        Some(letter) if is_word => letter.to_uppercase().to_string(),
        Some(letter) => letter.to_string(),
        None => return String::new(),
    };
    let end = if sentence.ends_with('.') { "" } else { "." };
    format!("{head}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_stands_alone_never_changes_the_name_of_a_setting() {
        for (sentence, stands) in [
            ("id_sensor 1 belongs to \"vm\"", "id_sensor 1 belongs to \"vm\"."),
            ("192.0.2.1:60023 refuses", "192.0.2.1:60023 refuses."),
            ("the cloud's clock differs", "The cloud's clock differs."),
            ("it is over.", "It is over."),
            ("", ""),
        ] {
            assert_eq!(alone(sentence), stands);
        }
    }
}
