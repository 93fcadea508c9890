use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0xf4];

/// A frame with its length in the shortest form.
pub(in crate::decode) fn frame(flags_and_opcode: u8, is_client: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = u8::from(is_client) << 7;
    let len = match payload.len() {
        len @ 0..126 => vec![mask_bit | u8::try_from(len).expect("short")],
        len @ 126..65_536 => {
            let len = u16::try_from(len).expect("16 bits").to_be_bytes();
            vec![mask_bit | 126, len[0], len[1]]
        }
        len => [&[mask_bit | 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    let masked = payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key);
    let content = if is_client { masked.collect() } else { payload.to_vec() };
    let mask = if is_client { &MASK[..] } else { &[] };
    [&[flags_and_opcode][..], &len, mask, &content].concat()
}

fn read(bytes: &[u8], is_client: bool) -> (usize, Result<Vec<u8>, Option<Reason>>) {
    let mut room = vec![0; MAX_TCP_BUFFER];
    match next(bytes, is_client, &mut room) {
        Next::NeedMore => (0, Err(None)),
        Next::Skip(len, reason) => (usize::try_from(len).expect("small"), Err(Some(reason))),
        Next::Message { len, payload } => (len, Ok(payload.to_vec())),
    }
}

#[test]
fn the_examples_of_rfc_6455_read_as_it_says() {
    let unmasked = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&unmasked, false), (7, Ok(b"Hello".to_vec())));
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(&masked, true), (11, Ok(b"Hello".to_vec())));
    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(read(&fragmented, false), (9, Ok(b"Hello".to_vec())));
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(read(&ping, false), (7, Err(Some(Reason::Control))));
}

#[test]
fn every_form_of_length_is_read() {
    for len in [0, 125, 126, 65_000] {
        for is_client in [false, true] {
            let payload = vec![7; len];
            let frame = frame(0x82, is_client, &payload);
            assert_eq!(read(&frame, is_client), (frame.len(), Ok(payload)));
            assert_eq!(read(&frame[..frame.len() - 1], is_client), (0, Err(None)));
        }
    }
}

#[test]
fn control_frames_may_stand_between_fragments() {
    let parts = [frame(0x01, true, b"INV"), frame(0x8a, true, b"pong"), frame(0x80, true, b"ITE")];
    let bytes = parts.concat();
    assert_eq!(read(&bytes, true), (bytes.len(), Ok(b"INVITE".to_vec())));
    let last_is_control = [&frame(0x01, false, b"INV")[..], &frame(0x89, false, b"")].concat();
    assert_eq!(read(&last_is_control, false), (0, Err(None)));
}

#[test]
fn what_is_not_read_is_passed_over_frame_by_frame() {
    let compressed = frame(0xc1, true, b"packed");
    assert_eq!(read(&compressed, true), (compressed.len(), Err(Some(Reason::Compressed))));
    let rest = frame(0x80, true, b"rest");
    assert_eq!(read(&rest, true), (rest.len(), Err(Some(Reason::Remainder))));
    let large = frame(0x81, true, &vec![0; MAX_TCP_BUFFER]);
    assert_eq!(read(&large[..20], true), (large.len(), Err(Some(Reason::TooLarge))));
}

#[test]
fn what_is_no_frame_is_passed_over_as_a_whole() {
    for bytes in [
        &[0x91, 0x02, 1, 2][..],
        &[0x83, 0x02, 1, 2],
        &[0x81, 0x85, 1, 2],
        &[0x09, 0x00, 1, 2],
        &[0x89, 0x7e, 1, 2],
        &[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(read(bytes, false), (bytes.len(), Err(Some(Reason::Bad))), "{bytes:x?}");
    }
    let second_begins = [frame(0x01, false, b"INV"), frame(0x81, false, b"BYE")].concat();
    assert_eq!(read(&second_begins, false), (5, Err(Some(Reason::Bad))));
}

#[test]
fn frames_of_one_message_end_at_the_limit() {
    let message = |count: usize| {
        let mut frames = vec![frame(0x01, false, b"a")];
        frames.resize(count - 1, frame(0x00, false, b"a"));
        frames.push(frame(0x80, false, b"a"));
        frames.concat()
    };
    let most = message(MAX_WEBSOCKET_FRAMES);
    assert_eq!(read(&most, false), (most.len(), Ok(vec![b'a'; MAX_WEBSOCKET_FRAMES])));
    let more = message(MAX_WEBSOCKET_FRAMES + 1);
    assert_eq!(read(&more, false), (more.len() - 3, Err(Some(Reason::Bad))));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_get_shorter(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        is_client in any::<bool>(),
    ) {
        let mut room = vec![0; MAX_TCP_BUFFER];
        match next(&bytes, is_client, &mut room) {
            Next::NeedMore => {}
            Next::Skip(len, _) => prop_assert!(len > 0),
            Next::Message { len, payload } => {
                prop_assert!(len > 0 && len <= bytes.len() && payload.len() < len);
            }
        }
    }

    #[test]
    fn any_fragmentation_gives_the_message_back(
        message in proptest::collection::vec(any::<u8>(), 0..2000),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        pings in any::<u32>(),
        is_client in any::<bool>(),
    ) {
        let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
        ends.push(message.len());
        ends.sort_unstable();
        let mut bytes = Vec::new();
        let mut from = 0;
        for (number, &end) in ends.iter().enumerate() {
            let is_last = number == ends.len() - 1;
            let opcode = if number == 0 { TEXT } else { CONTINUATION };
            if number > 0 && pings & 1 << number != 0 {
                bytes.extend(frame(0x89, is_client, b"ping"));
            }
            let flags = u8::from(is_last) << 7 | opcode;
            bytes.extend(frame(flags, is_client, &message[from..end]));
            from = end;
        }
        prop_assert_eq!(read(&bytes, is_client), (bytes.len(), Ok(message)));
    }
}
