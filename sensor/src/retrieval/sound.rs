//! A call's sound: the overview beside it, then the WAV.

use std::io;

use ringside_protocol::retrieval::{MAX_DATA_BYTES, Refusal};

use super::content::{Content, file_name};
use crate::audio::{self, AudioError, Problem, Sound};
use crate::store::ring::reader::StoredCall;

/// A call's WAV file, made as it is sent.
pub(super) struct Wave {
    call_id: String,
    sound: Sound,
    at: u64,
}

impl Wave {
    pub(super) fn open(stored: StoredCall) -> Result<Self, Refusal> {
        let call_id = stored.facts.call_id.clone();
        let sound = audio::open_chunks(stored.chunks()).map_err(|error| match error {
            AudioError::Io(error) => {
                log::error!("the store cannot be read: {error}");
                Refusal::Disk
            }
            AudioError::NoMedia => Refusal::NoMedia,
            AudioError::Problem(Problem::Encrypted) => Refusal::Encrypted,
            AudioError::Problem(Problem::HeadersOnly) => Refusal::HeadersOnly,
            AudioError::Problem(Problem::NoDecoder(_)) => Refusal::NoDecoder,
        })?;
        Ok(Self { call_id, sound, at: 0 })
    }
}

fn io_error(error: AudioError) -> io::Error {
    match error {
        AudioError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl Content for Wave {
    fn name(&self) -> String {
        file_name(&self.call_id, "wav")
    }

    fn media_type(&self) -> &'static str {
        "audio/wav"
    }

    fn about_bytes(&self) -> Option<u64> {
        Some(self.sound.len())
    }

    fn exact_bytes(&self) -> Option<u64> {
        Some(self.sound.len())
    }

    fn pass_over(&mut self, offset: u64) -> io::Result<u64> {
        self.at = offset.min(self.sound.len());
        Ok(self.at)
    }

    fn beside(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let overview = self.sound.overview_step().map_err(io_error)?;
        out.extend_from_slice(overview.as_ref().map_or(&[], |overview| overview.bytes()));
        Ok(overview.is_some())
    }

    fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let end = (self.at + MAX_DATA_BYTES as u64).min(self.sound.len());
        self.sound.write_range(self.at..end, out).map_err(io_error)?;
        self.at = end;
        Ok(end < self.sound.len())
    }

    fn missing(&self) -> u32 {
        // What is not there is a gap, and a mark.
        0
    }
}
