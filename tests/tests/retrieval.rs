//! A call's packets through the cloud: from a sensor's store to whoever has the right, sealed.

use std::path::PathBuf;
use std::time::Instant;

use ringside_sensor::capture::file::FileSource;
use ringside_tests::api::Api;
use ringside_tests::browser::{self, BEGINS_WITHIN, Frame, Half, Resumption};
use ringside_tests::captures::{recent, write_file};
use ringside_tests::cloud::{CUSTOMER, Cloud};
use ringside_tests::folder::Folder;
use ringside_tests::processes::{Process, wait_until};
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
            .with("hep_bind_port", &free_port().to_string())
            .with("direct_bind", "127.0.0.1:0");
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

#[test]
fn the_first_byte_comes_at_once_and_the_file_is_that_of_the_sensor() {
    // Half an hour of one call: 36 MB of packets, and chunks of other calls between them.
    let site = Site::new(1, 1_800_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let began = Instant::now();
    let half = Half::new();
    let asked = browser::ask(&site.api, &call, &half, None).expect("it is asked for");
    let mut transfer = browser::open(&site.api, &call, half, &asked, 0).expect("it is sent");
    let first = began.elapsed();
    let file = transfer.read_all().expect("it is whole");
    let took = began.elapsed();
    println!(
        "first frame after {} ms, {} MB in {} ms",
        first.as_millis(),
        file.len() / 1_000_000,
        took.as_millis()
    );
    assert!(first < BEGINS_WITHIN, "{first:?}");
    assert_eq!(read(file), site.truth(0));
}

#[test]
fn a_browser_that_reads_nothing_stops_the_sensor_and_fills_nobody_s_memory() {
    let site = Site::new(1, 600_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let before = site.cloud.memory();
    let half = Half::new();
    let asked = browser::ask(&site.api, &call, &half, None).expect("it is asked for");
    let mut transfer = browser::open(&site.api, &call, half, &asked, 0).expect("it is sent");
    // As much as system and cloud take has come when nothing moves any more.
    let drawn = || row(&site.api, &call)["bytes"].as_u64().expect("bytes");
    let mut last = 0;
    wait_until("the relay to stand still", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = drawn();
        let stands = now > 0 && now == last;
        last = now;
        stands
    });
    let grown = site.cloud.memory().saturating_sub(before);
    println!("{last} bytes drawn; the cloud has grown by {grown} bytes");
    assert_eq!(row(&site.api, &call)["state"], "begun");
    assert!(grown < 2 << 20, "{grown} bytes for one transfer");
    // It goes on where it stood.
    let file = transfer.read_all().expect("it is whole");
    assert!(file.len() as u64 > 2 * last, "{} bytes are no test of {last}", file.len());
    assert_eq!(read(file), site.truth(0));
}

#[test]
fn a_transfer_that_is_cut_off_is_resumed_with_another_key() {
    let mut site = Site::new(1, 300_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let half = Half::new();
    let asked = browser::ask(&site.api, &call, &half, None).expect("it is asked for");
    let mut transfer = browser::open(&site.api, &call, half, &asked, 0).expect("it is sent");
    let mut part = Vec::new();
    while part.len() < 500_000 {
        match transfer.next_frame().expect("a frame") {
            Frame::Data(data) => part.extend(data),
            Frame::End(_) | Frame::Beside(_) => panic!("the call is too short"),
        }
    }
    let number = transfer.number.clone();
    let resumption = |key, offset| Resumption { transfer: number.clone(), key, offset };
    let good = resumption(transfer.resume_key, part.len() as u64);
    // The browser leaves in mid-transfer, and the sensor learns of it.
    transfer.stop();
    wait_until("the sensor to stop", || site.process.written().contains("broke off after"));
    wait_until("the cloud to know", || row(&site.api, &call)["state"] == "broken");

    let again = |resumption: &Resumption| {
        let half = Half::new();
        let asked = browser::ask(&site.api, &call, &half, Some(resumption))?;
        browser::open(&site.api, &call, half, &asked, resumption.offset)
    };
    let forged = again(&resumption([7; 32], part.len() as u64)).err();
    assert_eq!(forged, Some((409, "ticket_used".to_owned())), "somebody else resumes");
    let mut rest = again(&good).expect("it goes on");
    assert_eq!(rest.about.offset, part.len() as u64);
    part.extend(rest.read_all().expect("it is whole"));
    assert_eq!(read(part), site.truth(0));

    // A sensor that was started again knows the ticket, and its session.
    site.process.kill();
    site.process = connected(&site.sensor);
    let mut rest = again(&good).expect("it goes on after a restart, too");
    assert!(rest.read_all().is_ok());
    assert!(browser::download(&site.api, &call).is_ok(), "a new ticket is as good as ever");
}

#[test]
fn a_sensor_that_dies_in_mid_transfer_leaves_no_file_that_looks_whole() {
    let mut site = Site::new(1, 600_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let half = Half::new();
    let asked = browser::ask(&site.api, &call, &half, None).expect("it is asked for");
    let mut transfer = browser::open(&site.api, &call, half, &asked, 0).expect("it is sent");
    assert!(matches!(transfer.next_frame(), Ok(Frame::Data(_))));
    site.process.kill();
    assert!(transfer.read_all().is_err(), "there is no end marker");
    wait_until("the cloud to know", || row(&site.api, &call)["state"] == "broken");
    site.process = connected(&site.sensor);
    assert!(browser::download(&site.api, &call).is_ok(), "it is there again");
}

#[test]
fn who_may_not_is_told_so_and_every_use_is_in_the_audit_log() {
    let site = Site::new(2, 1000, "+49300000001");
    let (kept, other) = (site.call_of("+49300000001"), site.call_of("+49300000000"));
    let refused = |api: &Api, call: &str| browser::download(api, call).err().map(|it| it.1);
    assert_eq!(refused(&site.api, &other).as_deref(), Some("not_kept"));
    let viewer = site.cloud.viewer();
    assert_eq!(refused(&viewer, &kept).as_deref(), Some("forbidden"));
    site.cloud.admin(&["user", "rights", "vera", "packets"]);
    assert_eq!(refused(&viewer, &kept), None);
    site.cloud.admin(&["customer", "retrieval", CUSTOMER, "--reason", "asked"]);
    assert_eq!(refused(&viewer, &kept).as_deref(), Some("reason_needed"));
    site.cloud.admin(&["customer", "retrieval", CUSTOMER, "--relay", "off"]);
    assert_eq!(refused(&viewer, &kept).as_deref(), Some("way_forbidden"));
    let free = ["customer", "retrieval", CUSTOMER, "--relay", "on", "--reason", "free"];
    site.cloud.admin(&free);

    // Another customer's person does not learn that the call exists.
    let stranger = site.cloud.other_customer();
    assert_eq!(refused(&stranger, &kept).as_deref(), Some("not_found"));
    // Nor does somebody of the same customer get what another has asked for.
    let half = Half::new();
    let asked = browser::ask(&site.api, &kept, &half, None).expect("it is asked for");
    let theirs = browser::open(&viewer, &kept, half, &asked, 0).err();
    assert_eq!(theirs.map(|it| it.1).as_deref(), Some("not_found"));

    let entries = site.api.get("/audit");
    let entries = entries["entries"].as_array().expect("entries").clone();
    let uses: Vec<_> =
        entries.iter().filter(|entry| entry["action"] == "capture.packets").collect();
    assert_eq!(uses.len(), 2, "{entries:?}");
    assert!(uses.iter().all(|entry| entry["detail"].as_str().expect("text").contains(&kept)));
    let who: Vec<_> = uses.iter().map(|entry| entry["who"].as_str().expect("text")).collect();
    assert_eq!(who, ["eva", "vera"]);
}

#[test]
fn what_passes_the_cloud_stays_nowhere_in_it() {
    let site = Site::new(1, 60_000, "+49300000000");
    let call = site.call_of("+49300000000");
    // The sensor's store is not looked at: there it is meant to be.
    let needles = Needles::of(&site);
    let (_, file) = browser::download(&site.api, &call).expect("it is sent");
    assert_eq!(needles.count(&file), needles.0.len(), "they are in what was downloaded");
    let (in_memory, on_disk) = (needles.in_memory(&site), needles.on_disk(&site));
    assert_eq!((in_memory, on_disk), (0, 0), "packets' bytes are in the cloud");
}

/// The newest transfer of a call.
fn row(api: &Api, call: &str) -> Value {
    let captures = api.get(&format!("/captures/{call}"));
    captures["transfers"].as_array().and_then(|rows| rows.last()).cloned().expect("a transfer")
}

/// Bytes that only the call's packets hold: speech.
struct Needles(Vec<Vec<u8>>);

impl Needles {
    fn of(site: &Site) -> Self {
        let speech = site.truth(0).into_iter().filter(|(_, _, frame)| frame.len() == 214);
        Self(speech.step_by(97).map(|(_, _, frame)| frame[60..124].to_vec()).collect())
    }

    fn count(&self, haystack: &[u8]) -> usize {
        let is_there = |needle: &&Vec<u8>| memchr::memmem::find(haystack, needle).is_some();
        self.0.iter().filter(is_there).count()
    }

    /// In the memory of the cloud's process that can be written to.
    fn in_memory(&self, site: &Site) -> usize {
        use std::os::unix::fs::FileExt;
        assert!(self.0.len() > 20);
        let id = site.cloud.process().id();
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).expect("its memory map");
        let memory = std::fs::File::open(format!("/proc/{id}/mem")).expect("its memory");
        let regions = maps.lines().filter(|line| line.contains(" rw"));
        let mut found = 0;
        for region in regions {
            let range = region.split(' ').next().and_then(|range| range.split_once('-'));
            let (from, to) = range.expect("a range");
            let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).expect("an address"));
            let mut bytes = vec![0; usize::try_from(to - from).expect("it fits")];
            // What the kernel keeps for itself cannot be read.
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                found += self.count(&bytes);
            }
        }
        found
    }

    fn on_disk(&self, site: &Site) -> usize {
        let files = std::fs::read_dir(site.cloud.data()).expect("its folder");
        let files =
            files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        files.map(|path| self.count(&std::fs::read(path).expect("a file"))).sum()
    }
}

#[test]
fn more_downloads_than_a_sensor_sends_at_once_wait_in_a_queue_that_is_shown() {
    let site = Site::new(1, 600_000, "+49300000000");
    let call = site.call_of("+49300000000");
    // Two that nobody reads hold the sensor's places.
    let mut held: Vec<_> = (0..2)
        .map(|_| {
            let half = Half::new();
            let asked = browser::ask(&site.api, &call, &half, None).expect("it is asked for");
            browser::open(&site.api, &call, half, &asked, 0).expect("it is sent")
        })
        .collect();
    std::thread::scope(|scope| {
        let late: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| browser::download(&site.api, &call).map(|(_, file)| file)))
            .collect();
        wait_until("three to wait", || {
            let captures = site.api.get(&format!("/captures/{call}"));
            let rows = captures["transfers"].as_array().expect("transfers");
            let ahead = rows.iter().filter(|row| row["state"] == "queued").map(|row| &row["ahead"]);
            ahead.eq([&json!(0), &json!(1), &json!(2)])
        });
        for transfer in &mut held {
            assert!(transfer.read_all().is_ok());
        }
        for download in late {
            let file = download.join().expect("no panic").expect("its turn comes");
            assert_eq!(read(file), site.truth(0));
        }
    });
}

#[test]
fn the_sound_that_comes_is_what_the_sensor_exports() {
    let site = Site::new(1, 30_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let half = Half::new();
    let asked = browser::ask_for(&site.api, &call, "audio", &half, None).expect("it is asked for");
    let mut transfer = browser::open(&site.api, &call, half, &asked, 0).expect("it is sent");
    assert_eq!(transfer.about.media_type, "audio/wav");
    let wav = transfer.read_all().expect("it is whole");
    let exported = |format: &str| {
        let path = site.sensor.data().join(format);
        let path = path.display().to_string();
        let words = ["store", "export", &call, "--format", format, "--output", &path];
        let said = site.sensor.said(&words);
        assert_eq!(said.code, Some(0), "{}", said.err);
        std::fs::read(path).expect("it was exported")
    };
    assert!(wav == exported("wav") && wav.len() > 30 * 8000 * 4, "{} bytes", wav.len());
    assert!(transfer.beside == exported("overview"), "{} bytes", transfer.beside.len());
}

#[test]
fn the_direct_way_gives_what_the_relay_gives_and_refuses_what_the_cloud_would() {
    let site = Site::new(1, 30_000, "+49300000000");
    let call = site.call_of("+49300000000");
    let (_, relayed) = browser::download(&site.api, &call).expect("it is sent");
    let ask = |action: &str| {
        let body = json!({ "action": action, "way": "direct" });
        site.api.try_post(&format!("/captures/{call}"), &body)
    };
    wait_until("the sensor to tell of its page", || {
        site.api.get(&format!("/captures/{call}"))["direct"].is_object()
    });
    let url = |action: &str| {
        let (status, said) = ask(action);
        assert_eq!(status, 201, "{said}");
        said["url"].as_str().expect("an address").to_owned()
    };
    let packets = url("packets");
    let direct = Direct::enter(&site, &packets).expect("it opens");
    assert_eq!(read(direct.get("/packets.pcapng", "")), site.truth(0));
    assert!(direct.get("/packets.pcapng", "") == relayed);
    assert!(direct.get("/packets.pcapng", "bytes=1000-1999") == relayed[1000..2000]);
    assert_eq!(Direct::enter(&site, &packets).err().as_deref(), Some("ticket_used"));

    let exported = |format: &str| {
        let path = site.sensor.data().join(format);
        let path = path.display().to_string();
        let words = ["store", "export", &call, "--format", format, "--output", &path];
        let said = site.sensor.said(&words);
        assert_eq!(said.code, Some(0), "{}", said.err);
        std::fs::read(path).expect("it was exported")
    };
    let sound = Direct::enter(&site, &url("audio")).expect("it opens");
    let wav = exported("wav");
    assert!(sound.get("/sound.wav", "") == wav, "{} bytes", wav.len());
    assert!(sound.get("/sound.wav", "bytes=44-9999") == wav[44..10_000]);
    assert!(sound.get("/overview", "") == exported("overview"));

    // Somebody without the right is not led there, nor is a foreign customer's ticket taken.
    let viewer = site.cloud.viewer();
    let body = json!({ "action": "packets", "way": "direct" });
    let refused = viewer.try_post(&format!("/captures/{call}"), &body);
    assert_eq!((refused.0, refused.1["error"]["code"].as_str()), (403, Some("forbidden")));
    let entries = site.api.get("/audit");
    let entries = entries["entries"].as_array().expect("entries");
    let told =
        |entry: &&Value| entry["detail"].as_str().is_some_and(|it| it.contains("directly at"));
    assert_eq!(entries.iter().filter(told).count(), 2);
    assert!(site.process.written().contains("opened for eva"), "the sensor's log, too");
}

/// A call that is open on the sensor's own page.
struct Direct {
    agent: ureq::Agent,
    page: String,
    cookie: String,
}

impl Direct {
    /// Goes to the page with the ticket that stands behind its `#`; the code of a refusal.
    fn enter(site: &Site, url: &str) -> Result<Self, String> {
        let (base, ticket) = url.split_once("/#").expect("a ticket");
        let json = std::fs::read(site.sensor.data().join("direct.json")).expect("a certificate");
        let saved: Value = serde_json::from_slice(&json).expect("JSON");
        let der = data_encoding::BASE64.decode(saved["der"].as_str().expect("text").as_bytes());
        let agent = ringside_tests::api::agent_of(&der.expect("base64"));
        let mut said = agent.post(format!("{base}/session")).send(ticket).expect("it answers");
        let cookie =
            said.headers().get("set-cookie").map(|it| it.to_str().expect("text").to_owned());
        let text = said.body_mut().read_to_string().expect("text");
        let body: Value = serde_json::from_str(&text).expect("JSON");
        match body["page"].as_str().zip(cookie) {
            Some((page, cookie)) => {
                let cookie = cookie.split(';').next().expect("a pair").to_owned();
                Ok(Self { agent, page: format!("{base}{page}"), cookie })
            }
            None => Err(body["code"].as_str().expect("a code").to_owned()),
        }
    }

    fn get(&self, what: &str, range: &str) -> Vec<u8> {
        let mut request = self.agent.get(format!("{}{what}", self.page));
        request = request.header("Cookie", &self.cookie);
        if !range.is_empty() {
            request = request.header("Range", range);
        }
        let mut answer = request.call().expect("it answers");
        assert_eq!(answer.status(), if range.is_empty() { 200 } else { 206 }, "{what}");
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().expect("it is whole")
    }
}
