//! Capture from real interfaces: a veth pair made for each test. Only root may; without its rights
//! these tests say so and pass.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_protocol::counters::Counter;
use ringside_sensor::capture::clock::ClockStart;
use ringside_sensor::capture::interface::InterfaceSettings;
use ringside_sensor::capture::live::{Live, LiveError, LiveSettings};
use ringside_sensor::capture::probe::probe;
use ringside_sensor::counters::Counters;
use ringside_sensor::decode::{
    Datagram, Decoder, DecoderSettings, Options, PortSet, is_signalling,
};
use ringside_sensor::wire::sip;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// A pair of interfaces; what goes out of one comes in at the other.
struct Veth {
    near: String,
    far: String,
    subnet: u8,
}

impl Veth {
    /// `None` without the rights to make one.
    fn make(number: u8) -> Option<Self> {
        let id = std::process::id() % 10_000;
        let veth = Self {
            near: format!("rs{id}n{number}"),
            far: format!("rs{id}f{number}"),
            subnet: 100 + number,
        };
        if veth.create() {
            return Some(veth);
        }
        println!("skipped: no right to make interfaces; run the test as root");
        None
    }

    fn create(&self) -> bool {
        if !ip(&format!("link add {} type veth peer name {}", self.near, self.far)) {
            return false;
        }
        assert!(ip(&format!("addr add {}/30 dev {}", self.address(1), self.near)));
        self.up();
        true
    }

    fn delete(&self) -> bool {
        ip(&format!("link del {}", self.near))
    }

    /// Up, with a neighbour that is not really there.
    fn up(&self) {
        for name in [&self.near, &self.far] {
            assert!(ip(&format!("link set {name} up")));
        }
        let lladdr = "lladdr 02:00:00:00:00:02";
        assert!(ip(&format!("neigh replace {} {lladdr} dev {}", self.address(2), self.near)));
    }

    fn address(&self, host: u8) -> String {
        format!("198.18.{}.{host}", self.subnet)
    }

    fn send(&self, payload: &[u8]) {
        let socket = UdpSocket::bind((self.address(1), 0)).expect("an address of this test");
        socket.send_to(payload, (self.address(2), 5060)).expect("sent");
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        self.delete();
    }
}

fn ip(words: &str) -> bool {
    let output = Command::new("ip").args(words.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

fn settings(interfaces: &[&str], filter: &str) -> LiveSettings {
    let sip_ports: PortSet = "5060".parse().expect("a port");
    LiveSettings {
        interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
        interface: InterfaceSettings {
            snap_len: 3200,
            promiscuous: true,
            ring_mib: 4,
            filter: Some(filter.to_owned()),
        },
        started: ClockStart::measure(),
        is_signalling: Arc::new(move |frame| is_signalling(frame, &sip_ports, &Options::default())),
    }
}

/// Interface, time and payload of a captured datagram.
type Seen = (u8, u64, Vec<u8>);

/// Polls until `is_enough`.
fn poll_until(live: &mut Live, is_enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let mut decoder = Decoder::new(DecoderSettings {
        sip_ports: "5060".parse().expect("a port"),
        options: Options::default(),
        framing: sip::framing,
        seed: 1,
    });
    let mut counters = Counters::default();
    let mut seen = Vec::new();
    let begun = Instant::now();
    while !is_enough(&seen) {
        assert!(begun.elapsed() < PATIENCE, "after {} datagrams: {:?}", seen.len(), live.stats());
        let mut sink = |datagram: &Datagram<'_>, _: &mut Counters| {
            seen.push((datagram.interface, datagram.at.as_micros(), datagram.payload.to_vec()));
        };
        live.poll(Duration::from_millis(100), &mut |frame| {
            decoder.handle_frame(frame, &mut counters, &mut sink);
        });
    }
    seen
}

#[test]
fn frames_come_with_their_time_and_are_counted() {
    let Some(veth) = Veth::make(1) else { return };
    let settings = settings(&[&veth.near], "udp port 5060");
    let mut live = Live::start(&settings).expect("it can be opened");
    let before = live.now().as_micros();
    for number in 0..100_u8 {
        veth.send(&[number]);
    }
    let seen = poll_until(&mut live, |seen| seen.len() == 100);
    let after = live.now().as_micros();
    assert!(seen.iter().map(|seen| seen.2[0]).eq(0..100));
    assert!(seen.iter().map(|seen| seen.1).is_sorted());
    assert!(seen.iter().all(|seen| (before..=after).contains(&seen.1)));
    assert_eq!(live.poll(Duration::from_millis(1), &mut |_| {}), 0, "the wire is silent");

    let stats = live.stats();
    assert_eq!((stats[0].name.as_str(), stats[0].frames), (veth.near.as_str(), 100));
    assert_eq!(stats[0].fault, None);
    let mut counters = Counters::default();
    live.count(&mut counters);
    assert_eq!(counters.of(Counter::KernelDropped) + counters.of(Counter::SipShed), 0);
}

#[test]
fn two_interfaces_are_one_stream_in_time_order() {
    let (Some(one), Some(other)) = (Veth::make(2), Veth::make(3)) else { return };
    let settings = settings(&[&one.near, &other.near], "udp port 5060");
    let mut live = Live::start(&settings).expect("both can be opened");
    for number in 0..50_u8 {
        one.send(&[number]);
        other.send(&[number]);
    }
    let seen = poll_until(&mut live, |seen| seen.len() == 100);
    assert!(seen.iter().map(|seen| seen.1).is_sorted());
    assert!(seen.iter().map(|seen| seen.0).eq([0, 1].repeat(50)));

    one.send(b"alone");
    let begun = Instant::now();
    poll_until(&mut live, |seen| seen.len() == 1);
    assert!(begun.elapsed() < Duration::from_secs(2), "the silent interface holds nothing back");
}

/// Polls until the second interface has a fault, or has none.
fn poll_until_fault(live: &mut Live, is_wanted: impl Fn(Option<&str>) -> bool) {
    let begun = Instant::now();
    while !is_wanted(live.stats()[1].fault.as_deref()) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", live.stats());
        live.poll(Duration::from_millis(20), &mut |_| {});
    }
}

#[test]
fn an_interface_that_goes_away_is_a_fault_until_it_is_back() {
    let Some(veth) = Veth::make(4) else { return };
    let settings = settings(&["lo", &veth.near], "udp port 5060 and net 198.18.0.0/16");
    let mut live = Live::start(&settings).expect("it can be opened");
    let arrives = |live: &mut Live, payload: &[u8]| {
        veth.send(payload);
        assert_eq!(poll_until(live, |seen| seen.len() == 1)[0].2, payload);
    };
    arrives(&mut live, b"one");

    assert!(ip(&format!("link set {} down", veth.near)));
    let advice = format!("ip link set {} up", veth.near);
    poll_until_fault(&mut live, |fault| fault.is_some_and(|fault| fault.contains(&advice)));
    veth.up();
    poll_until_fault(&mut live, |fault| fault.is_none());
    arrives(&mut live, b"two");

    assert!(veth.delete());
    let missing = format!("there is no interface {}", veth.near);
    poll_until_fault(&mut live, |fault| fault.is_some_and(|fault| fault.contains(&missing)));
    assert!(veth.create());
    poll_until_fault(&mut live, |fault| fault.is_none());
    arrives(&mut live, b"three");
}

#[test]
fn a_filter_that_is_not_understood_is_told_with_libpcap_s_words() {
    let Some(veth) = Veth::make(5) else { return };
    let error = Live::start(&settings(&[&veth.near], "udp prot 5060")).err().expect("wrong");
    assert!(matches!(error, LiveError::Fault(_)));
    let sentence = error.to_string();
    assert!(sentence.starts_with("the capture filter is not understood: "), "{sentence}");
    assert!(sentence.contains("syntax error"), "{sentence}");
}

#[test]
fn the_probe_answers_every_question() {
    let Some(veth) = Veth::make(6) else { return };
    let settings = settings(&[&veth.near], "udp port 5060").interface;
    let names = vec![veth.near.clone()];
    let checks = probe(&names, &settings);
    let steps: Vec<_> = checks.iter().filter_map(|check| check.name.rsplit_once(' ')).collect();
    let steps: Vec<_> = steps.into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, ["find", "up", "open", "link type", "filter", "frames"]);
    assert!(checks.iter().all(|check| check.ok), "{checks:?}");
    assert!(checks[5].sentence.starts_with("no frame in 2 s"), "{}", checks[5].sentence);

    let wrong = InterfaceSettings { filter: Some("udp prot".to_owned()), ..settings };
    let checks = probe(&names, &wrong);
    let last = checks.last().expect("some");
    assert!(!last.ok && last.sentence.contains("pcap-filter(7)"), "{last:?}");
}
