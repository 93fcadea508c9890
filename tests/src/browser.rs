//! A browser's half of a retrieval, as `cloud/web/src/retrieve.ts` does it with WebCrypto.

use std::io::{self, Read};
use std::time::Duration;

use data_encoding::BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, UnparsedPublicKey as SigningKey};
use ringside_protocol::retrieval::{
    About, End, FRAME_KEY_INFO, MAX_FRAME_BYTES, OPENING_BYTES, PUBLIC_KEY_BYTES, RESUME_KEY_INFO,
    SignedTicket, nonce, resume_proof_message, transcript,
};
use serde_json::{Value, json};

use crate::api::Api;

/// Asks again so often while a transfer waits.
const PATIENCE: usize = 60;

/// A key that was made for one transfer.
pub struct Half {
    key: EphemeralPrivateKey,
    /// Its public half.
    pub public: [u8; PUBLIC_KEY_BYTES],
}

impl Half {
    /// A new one.
    ///
    /// # Panics
    /// Without random bytes.
    #[must_use]
    pub fn new() -> Self {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).expect("a key");
        let public = key.compute_public_key().expect("a key");
        let public = public.as_ref().try_into().expect("an uncompressed key");
        Self { key, public }
    }
}

impl Default for Half {
    fn default() -> Self {
        Self::new()
    }
}

/// Where to go on, and the key that proves who asks.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// The first transfer's number.
    pub transfer: String,
    /// Its resume key.
    pub key: [u8; 32],
    /// Bytes that are there.
    pub offset: u64,
}

/// A transfer that comes.
pub struct Transfer {
    /// Its number.
    pub number: String,
    /// The key of later resumptions, if this is no resumption itself.
    pub resume_key: [u8; 32],
    key: LessSafeKey,
    frames: u64,
    stream: Box<dyn Read>,
    /// What comes.
    pub about: About,
}

/// What a frame was.
pub enum Frame {
    /// Bytes of the file.
    Data(Vec<u8>),
    /// The end.
    End(End),
}

/// Asks for packets; answers the body's fields of a refusal: its status and code.
///
/// # Errors
/// Status and code of a refusal.
pub fn ask(
    api: &Api,
    call: &str,
    half: &Half,
    resume: Option<&Resumption>,
) -> Result<Value, (u16, String)> {
    let mut body = json!({ "action": "packets", "key": BASE64.encode(&half.public) });
    if let Some(Resumption { transfer, key, offset }) = resume {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let proof = hmac::sign(&key, &resume_proof_message(&half.public, *offset));
        let proof = BASE64.encode(proof.as_ref());
        body["resume"] = json!({ "transfer": transfer, "offset": offset, "proof": proof });
    }
    let (status, said) = api.try_post(&format!("/captures/{call}"), &body);
    if status == 201 { Ok(said) } else { Err((status, code(&said))) }
}

/// Waits for a transfer that was asked for, and checks everything up to its first frame.
///
/// # Errors
/// Status and code of a refusal.
///
/// # Panics
/// Where the sensor's bytes are not as the protocol has them.
pub fn open(
    api: &Api,
    call: &str,
    half: Half,
    asked: &Value,
    offset: u64,
) -> Result<Transfer, (u16, String)> {
    let number = asked["transfer"].as_str().expect("a number").to_owned();
    let mut answer = api.open(&format!("/captures/{call}/{number}"));
    for _ in 0..PATIENCE {
        if answer.status() != 202 {
            break;
        }
        answer = api.open(&format!("/captures/{call}/{number}"));
    }
    let status = answer.status().as_u16();
    if status != 200 {
        let text = answer.body_mut().read_to_string().expect("a sentence");
        return Err((status, code(&serde_json::from_str(&text).expect("JSON"))));
    }
    let ticket = answer.headers()["ringside-ticket"].as_bytes();
    let ticket =
        SignedTicket { ticket: BASE64.decode(ticket).expect("base64"), signature: [0; 64] };
    let mut stream = Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader());
    let mut opening = [0; OPENING_BYTES];
    stream.read_exact(&mut opening).expect("an opening");
    assert_eq!(opening[..5], *b"RSrt\x01");
    let (sensor_key, rest) = opening[5..].split_at(PUBLIC_KEY_BYTES);
    let (device_key, signature) = rest.split_at(32);
    let known = BASE64.decode(asked["device"]["key"].as_str().expect("a key").as_bytes());
    assert_eq!(device_key, known.expect("base64"), "another device answers");
    let transfer: [u8; 16] =
        data_encoding::HEXLOWER.decode(number.as_bytes()).expect("hex").try_into().expect("16");
    let sensor: [u8; PUBLIC_KEY_BYTES] = sensor_key.try_into().expect("a key");
    let said = transcript(&ticket, &transfer, offset, &half.public, &sensor);
    SigningKey::new(&ED25519, device_key).verify(&said, signature).expect("the device's word");

    let (frame_key, resume_key) = agree(half, sensor_key, &said);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &frame_key).expect("a key"));
    let about = About { name: String::new(), media_type: String::new(), about_bytes: None, offset };
    let mut transfer = Transfer { number, resume_key, key, frames: 0, stream, about };
    let first = transfer.read_frame().expect("a frame");
    assert_eq!(first[0], 0, "About comes first");
    transfer.about = serde_json::from_slice(&first[1..]).expect("JSON");
    Ok(transfer)
}

fn agree(half: Half, sensor_key: &[u8], said: &[u8]) -> ([u8; 32], [u8; 32]) {
    struct Len;
    impl KeyType for Len {
        fn len(&self) -> usize {
            32
        }
    }
    let sensor_key = UnparsedPublicKey::new(&ECDH_P256, sensor_key);
    agree_ephemeral(half.key, &sensor_key, |shared| {
        let prk = Salt::new(HKDF_SHA256, digest(&SHA256, said).as_ref()).extract(shared);
        let expand = |info: &[u8]| {
            let mut key = [0; 32];
            prk.expand(&[info], Len).and_then(|okm| okm.fill(&mut key)).expect("a key");
            key
        };
        (expand(FRAME_KEY_INFO), expand(RESUME_KEY_INFO))
    })
    .expect("the sensor's key is one")
}

impl Transfer {
    /// Leaves: the connection ends.
    pub fn stop(&mut self) {
        self.stream = Box::new(io::empty());
    }

    /// The next frame.
    ///
    /// # Errors
    /// The transfer was cut off.
    ///
    /// # Panics
    /// Where it is not what the sensor sealed.
    pub fn next_frame(&mut self) -> io::Result<Frame> {
        let frame = self.read_frame()?;
        match frame[0] {
            1 => Ok(Frame::Data(frame[1..].to_vec())),
            2 => Ok(Frame::End(serde_json::from_slice(&frame[1..]).expect("JSON"))),
            other => panic!("frame kind {other}"),
        }
    }

    /// Everything up to the end, which must agree.
    ///
    /// # Errors
    /// Cut off: what came before that.
    ///
    /// # Panics
    /// Where the end does not agree.
    pub fn read_all(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        let mut file = Vec::new();
        loop {
            match self.next_frame() {
                Ok(Frame::Data(data)) => file.extend(data),
                Ok(Frame::End(end)) => {
                    assert_eq!(end.bytes, self.about.offset + file.len() as u64);
                    assert_eq!(end.missing, 0);
                    assert_eq!(self.stream.read(&mut [0]).expect("the end"), 0);
                    return Ok(file);
                }
                Err(_) => return Err(file),
            }
        }
    }

    fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        assert!(length <= MAX_FRAME_BYTES, "a frame of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        let nonce = Nonce::assume_unique_for_key(nonce(self.frames));
        self.frames += 1;
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut frame);
        let length = opened.expect("what the sensor sealed").len();
        frame.truncate(length);
        Ok(frame)
    }
}

/// Asks, waits, and reads everything.
///
/// # Errors
/// Status and code of a refusal.
///
/// # Panics
/// Where it is cut off.
pub fn download(api: &Api, call: &str) -> Result<(About, Vec<u8>), (u16, String)> {
    let half = Half::new();
    let asked = ask(api, call, &half, None)?;
    let mut transfer = open(api, call, half, &asked, 0)?;
    let file = transfer.read_all().unwrap_or_else(|part| panic!("cut off after {}", part.len()));
    Ok((transfer.about, file))
}

/// How long a machine under load may take to begin.
pub const BEGINS_WITHIN: Duration = Duration::from_secs(10);

fn code(said: &Value) -> String {
    said["error"]["code"].as_str().unwrap_or_default().to_owned()
}
