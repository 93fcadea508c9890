//! A call's packets through the cloud: from a sensor's store to whoever has the right, sealed.

use std::path::PathBuf;
use std::time::Instant;

use ringside_protocol::cdr::CallId;
use ringside_sensor::capture::file::FileSource;
use ringside_tests::api::Api;
use ringside_tests::browser::{self, BEGINS_WITHIN, Half};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::Cloud;
use ringside_tests::folder::Folder;
use ringside_tests::processes::{Process, wait_for, wait_until};
use ringside_tests::sensor::Sensor;
use serde_json::{Value, json};

/// A packet as files have it: time in microseconds, length on the wire, bytes.
type Packet = (u64, u32, Vec<u8>);

/// A cloud, and a sensor that has kept calls of a capture and is connected.
struct Site {
    cloud: Cloud,
    api: Api,
    sensor: Sensor,
    process: Process,
    capture: PathBuf,
    _folder: Folder,
}

impl Site {
    /// With so many calls that talk for so long; a rule keeps those of `caller`.
    fn new(calls: u32, talk_ms: u64, caller: &str) -> Self {
        let (cloud, folder) = (Cloud::start(), Folder::new());
        let (capture, _) = write_file(&folder, &recent(calls, talk_ms, 150_000, 7));
        // Nothing is captured: HEP takes no root.
        let sensor = Sensor::joined("gate-1", &cloud.token())
            .without("interface")
            .with("hep", "yes")
            .with("hep_bind_ip", "127.0.0.1")
            .with("hep_bind_port", &free_port().to_string());
        let api = cloud.api();
        let mut process = connected(&sensor);
        api.post_json(
            "/rules",
            &json!({ "text": format!("keep sip, rtp when caller = {caller}") }),
        );
        wait_until("the rule to be applied", || {
            api.get("/rules")["sensors"][0]["is_applied"] == true
        });
        process.terminate();
        process.wait();
        let mut process = sensor.run(Some(&capture), "max");
        assert!(process.wait().success(), "{}", process.written());
        let process = connected(&sensor);
        Self { cloud, api, sensor, process, capture, _folder: folder }
    }

    /// The id of the call that `caller` made.
    fn call_of(&self, caller: &str) -> String {
        let calls = self.api.calls();
        let call = calls.iter().find(|call| call["caller"]["user"] == caller);
        call.expect("the call")["id"].as_str().expect("an id").to_owned()
    }

    /// The packets of call `number` as the capture has them.
    fn truth(&self, number: u8) -> Vec<Packet> {
        let hosts = [[10, 20, 0, number], [10, 21, 0, number]];
        let is_its = |(_, _, frame): &Packet| hosts.iter().any(|host| frame[26..30] == *host);
        packets(FileSource::open(&self.capture).expect("a capture")).filter(is_its).collect()
    }
}

fn free_port() -> u16 {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    taken.expect("a port is free").port()
}

fn connected(sensor: &Sensor) -> Process {
    let process = sensor.run(None, "");
    _ = process.wait_for_line("accepted: connected to");
    process
}

fn packets(mut source: FileSource) -> impl Iterator<Item = Packet> {
    core::iter::from_fn(move || {
        let frame = source.next_frame().expect("a whole file")?;
        Some((frame.at.as_micros(), frame.original_len, frame.bytes.to_vec()))
    })
}

fn read(file: Vec<u8>) -> Vec<Packet> {
    packets(FileSource::from_reader(std::io::Cursor::new(file)).expect("a capture file")).collect()
}

#[test]
fn a_download_is_the_call_s_packets_and_no_others() {
    let site = Site::new(3, 3000, "+49300000001");
    let call = site.call_of("+49300000001");
    let (about, file) = browser::download(&site.api, &call).expect("it is sent");
    assert!(about.name.ends_with(".pcapng"), "{about:?}");
    let estimate = about.about_bytes.expect("an estimate");
    assert!(estimate.abs_diff(file.len() as u64) < 4096 + estimate / 10, "{estimate}");
    let truth = site.truth(1);
    assert!(truth.len() > 250, "{} packets", truth.len());
    assert_eq!(read(file), truth);
}
