//! A call in progress, to be heard.

use std::io;

use super::content::{Content, file_name};
use crate::audio::live::LiveSound;

/// Its sound, as it goes.
pub(super) struct Live {
    call: String,
    sound: LiveSound,
}

impl Live {
    pub(super) const fn new(call: String, sound: LiveSound) -> Self {
        Self { call, sound }
    }
}

impl Content for Live {
    fn name(&self) -> String {
        file_name(&self.call, "wav")
    }

    fn media_type(&self) -> &'static str {
        "audio/wav"
    }

    fn about_bytes(&self) -> Option<u64> {
        None
    }

    fn next_piece(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        Ok(self.sound.next(out))
    }

    fn missing(&self) -> u32 {
        0
    }
}
