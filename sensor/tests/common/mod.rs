//! A capture file through the whole analysis, as `ringside-sensor analyze` does it.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use ringside_protocol::cdr::Cdr;
use ringside_protocol::record::Record;
use ringside_sensor::analysis::{Analysis, AnalysisSettings};
use ringside_sensor::call::CallSettings;
use ringside_sensor::capture::file::FileSource;
use ringside_sensor::decode::{Options, PortSet};
use ringside_sensor::peer::Methods;

/// With the default ports and timeouts.
pub(crate) fn settings() -> AnalysisSettings {
    let mut sip_ports = PortSet::new();
    sip_ports.insert(5060);
    AnalysisSettings {
        sip_ports,
        is_sip_anywhere: true,
        decode: Options::default(),
        call: CallSettings::default(),
        has_registrations: true,
        peer_methods: Methods::ALL,
        leg_header: Some("X-CID".to_owned()),
    }
}

/// Every call of a file.
pub(crate) fn analyse(path: &Path) -> Vec<Cdr> {
    analyse_all(path).into_iter().filter_map(Record::into_call).collect()
}

/// Every record of a file.
pub(crate) fn analyse_all(path: &Path) -> Vec<Record> {
    let mut source = FileSource::open(path).unwrap();
    let mut analysis = Analysis::new(settings());
    let mut records = Vec::new();
    while let Ok(Some(frame)) = source.next_frame() {
        analysis.handle_frame(&frame);
        records.extend(core::iter::from_fn(|| analysis.poll_record()));
    }
    analysis.finish();
    records.extend(core::iter::from_fn(|| analysis.poll_record()));
    records
}
