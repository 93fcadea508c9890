//! The enrolment token: one line that configures a box.
//!
//! `rs1-` and the unpadded base64url of: CA key hash (32 bytes), secret (16 bytes), port (2 bytes,
//! big-endian), server name (the rest, UTF-8), and before all that a 4-byte check (the first bytes
//! of a CRC-32), so that a token that was not copied whole is told apart from an unknown one.

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use flate2::Crc;

const PREFIX: &str = "rs1-";
const FIXED: usize = 4 + 32 + 16 + 2;

/// The longest server name: DNS's own limit.
pub const MAX_HOST_LEN: usize = 253;

/// What a token says.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the SubjectPublicKeyInfo of the CA that signs the server's certificate; all zero
    /// where the public roots apply (see [`Token::pin`]).
    pub ca_key_sha256: [u8; 32],
    /// Known to the cloud by its SHA-256 only; single use.
    pub secret: [u8; 16],
    /// The server's sensor port.
    pub port: u16,
    /// The server's name or address.
    pub host: String,
}

impl Token {
    /// The CA to pin; `None` where the server's certificate is by a public authority.
    #[must_use]
    pub fn pin(&self) -> Option<[u8; 32]> {
        (self.ca_key_sha256 != [0; 32]).then_some(self.ca_key_sha256)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}:{}, secret hidden)", self.host, self.port)
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It does not begin with `rs1-`.
    Prefix,
    /// It holds a character that no token holds.
    Character,
    /// It is too short, or its check does not fit: not copied whole.
    Incomplete,
    /// The server name is none.
    Host,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "it does not begin with rs1-",
            Self::Character => "it holds a character that no token holds",
            Self::Incomplete => "it is incomplete",
            Self::Host => "it names no server",
        })
    }
}

impl core::error::Error for TokenError {}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = Vec::with_capacity(FIXED + self.host.len());
        body.extend_from_slice(&self.ca_key_sha256);
        body.extend_from_slice(&self.secret);
        body.extend_from_slice(&self.port.to_be_bytes());
        body.extend_from_slice(self.host.as_bytes());
        let mut bytes = check(&body).to_vec();
        bytes.extend_from_slice(&body);
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl core::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let bytes =
            BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|error| match error.kind {
                data_encoding::DecodeKind::Symbol => TokenError::Character,
                _ => TokenError::Incomplete,
            })?;
        let (claimed, body) = bytes.split_first_chunk::<4>().ok_or(TokenError::Incomplete)?;
        if *claimed != check(body) {
            return Err(TokenError::Incomplete);
        }
        let (ca_key_sha256, rest) = body.split_first_chunk().ok_or(TokenError::Incomplete)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(TokenError::Incomplete)?;
        let (port, host) = rest.split_first_chunk().ok_or(TokenError::Incomplete)?;
        let host = core::str::from_utf8(host).map_err(|_| TokenError::Host)?;
        if host.is_empty() || host.len() > MAX_HOST_LEN {
            return Err(TokenError::Host);
        }
        Ok(Self {
            ca_key_sha256: *ca_key_sha256,
            secret: *secret,
            port: u16::from_be_bytes(*port),
            host: host.to_owned(),
        })
    }
}

fn check(body: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(body);
    crc.sum().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            ca_key_sha256: [3; 32],
            secret: [9; 16],
            port: 60023,
            host: "cloud.example.net".to_owned(),
        }
    }

    #[test]
    fn token_survives_its_text() {
        assert_eq!(token().to_string().parse(), Ok(token()));
        assert_eq!(format!("  {}\n", token()).parse(), Ok(token()));
    }

    #[test]
    fn a_token_without_a_hash_pins_nothing() {
        assert_eq!(token().pin(), Some([3; 32]));
        assert_eq!(Token { ca_key_sha256: [0; 32], ..token() }.pin(), None);
    }

    #[test]
    fn a_cut_or_altered_token_is_told_apart_from_an_unknown_one() {
        let text = token().to_string();
        assert_eq!(text[..text.len() - 1].parse::<Token>(), Err(TokenError::Incomplete));
        assert_eq!("hello".parse::<Token>(), Err(TokenError::Prefix));
        assert_eq!("rs1-***".parse::<Token>(), Err(TokenError::Character));
        let altered = text.replace("CQkJ", "CQkK");
        assert_ne!(altered, text);
        assert_eq!(altered.parse::<Token>(), Err(TokenError::Incomplete));
    }
}
