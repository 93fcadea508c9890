#![no_main]
use ringside_sensor::capture::LinkType;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringside_sensor_fuzz::frames(
    LinkType::LinuxSll2,
    bytes
));
