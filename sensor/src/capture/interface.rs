//! One network interface: opened by libpcap, or a sentence that says why not and what to do.

use core::fmt;
use std::fs;
use std::path::Path;

use pcap::{Active, Capture};
use rustix::thread::{CapabilitySet, capabilities};

use super::LinkType;
use crate::limits::MAX_FRAME_BYTES;

/// How long the kernel gathers frames before it hands over a block that is not full. With
/// TPACKET_V3 this is the delay of a single frame; immediate mode would rule TPACKET_V3 out.
const GATHER_MS: i32 = 50;

/// libpcap's name for all interfaces together; it has no promiscuous mode.
const ANY: &str = "any";

/// What every interface is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSettings {
    /// Bytes of a frame that are captured.
    pub snap_len: u32,
    /// Whether frames for other hosts are captured: a mirror port has no others.
    pub promiscuous: bool,
    /// Mebibytes of the kernel's ring, for each interface.
    pub ring_mib: u32,
    /// In libpcap's language, pcap-filter(7).
    pub filter: Option<String>,
}

/// Why nothing comes from an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no interface of that name.
    Missing {
        /// The name.
        interface: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The process may not capture.
    NoPermission,
    /// The interface is switched off.
    Down {
        /// Its name.
        interface: String,
    },
    /// Nothing but broadcasts and this machine's own traffic comes.
    OnlyOwn {
        /// Its name.
        interface: String,
    },
    /// The filter is not understood.
    BadFilter {
        /// libpcap's words.
        words: String,
    },
    /// Anything else.
    Other {
        /// The interface's name.
        interface: String,
        /// libpcap's words.
        words: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { interface, known } => {
                write!(f, "there is no interface {interface}; there are {}", known.join(", "))
            }
            Self::NoPermission => write!(
                f,
                "no permission to capture; run as root, or once: setcap \
                 cap_net_raw,cap_net_admin=eip on the sensor's file"
            ),
            Self::Down { interface } => {
                write!(f, "interface {interface} is down; bring it up: ip link set {interface} up")
            }
            Self::OnlyOwn { interface } => write!(
                f,
                "{interface} shows no traffic but this box's own and broadcasts: plug it into the \
                 switch's mirror port, and mirror the PBX's port in both directions"
            ),
            Self::BadFilter { words } => {
                write!(f, "the capture filter is not understood: {words}; see pcap-filter(7)")
            }
            Self::Other { interface, words } => {
                write!(f, "cannot capture on {interface}: {words}")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Opens an interface and sets its filter.
pub(super) fn open(
    interface: &str,
    settings: &InterfaceSettings,
) -> Result<Capture<Active>, Fault> {
    let diagnose = |error: pcap::Error| diagnose(interface, &error);
    let snap_len = settings.snap_len.clamp(1, limit(MAX_FRAME_BYTES));
    let mut capture = Capture::from_device(interface)
        .map_err(diagnose)?
        .promisc(settings.promiscuous && interface != ANY)
        .snaplen(snap_len.cast_signed())
        .buffer_size(ring_bytes(settings.ring_mib))
        .timeout(GATHER_MS)
        .open()
        .map_err(diagnose)?;
    if let Some(filter) = &settings.filter {
        capture.filter(filter, true).map_err(|error| Fault::BadFilter { words: words(&error) })?;
    }
    Ok(capture)
}

/// The link type of an open interface.
pub(super) fn link_type(capture: &Capture<Active>) -> LinkType {
    let number = capture.get_datalink().0;
    u16::try_from(number).map_or(LinkType::Other(u16::MAX), LinkType::from_number)
}

/// Looks for the reason that a person can do something about; libpcap's words differ between its
/// versions.
pub(super) fn diagnose(interface: &str, error: &pcap::Error) -> Fault {
    let interface = interface.to_owned();
    if !exists(&interface) {
        return Fault::Missing { interface, known: known() };
    }
    if !may_capture() {
        return Fault::NoPermission;
    }
    if !is_up(&interface) {
        return Fault::Down { interface };
    }
    Fault::Other { interface, words: words(error) }
}

/// libpcap's own sentence.
fn words(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(words) => words.clone(),
        other => other.to_string(),
    }
}

const INTERFACES: &str = "/sys/class/net";

/// The interfaces that there are, by name.
pub(super) fn known() -> Vec<String> {
    let entries = fs::read_dir(INTERFACES).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub(super) fn exists(interface: &str) -> bool {
    interface == ANY || known().iter().any(|name| name == interface)
}

/// Whether the interface is switched on (IFF_UP).
pub(super) fn is_up(interface: &str) -> bool {
    if interface == ANY {
        return true;
    }
    let flags = fs::read_to_string(Path::new(INTERFACES).join(interface).join("flags"));
    let flags = flags.ok().and_then(|text| {
        let digits = text.trim().trim_start_matches("0x");
        u32::from_str_radix(digits, 16).ok()
    });
    flags.is_some_and(|flags| flags & 1 != 0)
}

/// Whether there is a link: a cable, and something at its other end. Interfaces that cannot tell
/// have one.
pub(super) fn has_link(interface: &str) -> bool {
    let carrier = fs::read_to_string(Path::new(INTERFACES).join(interface).join("carrier"));
    carrier.map_or(true, |text| text.trim() != "0")
}

fn may_capture() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_RAW))
}

fn ring_bytes(mib: u32) -> i32 {
    i32::try_from(u64::from(mib.max(1)) * 1024 * 1024).unwrap_or(i32::MAX)
}

fn limit(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rustix::thread::{CapabilitySets, set_capabilities};

    use super::*;

    fn other() -> pcap::Error {
        pcap::Error::PcapError("words of libpcap".to_owned())
    }

    #[test]
    fn faults_say_what_to_do() {
        let missing = diagnose("eth-nowhere", &other());
        let sentence = missing.to_string();
        assert!(
            sentence.starts_with("there is no interface eth-nowhere; there are "),
            "{sentence}"
        );
        assert!(sentence.contains("lo"), "{sentence}");
        assert!(Fault::NoPermission.to_string().contains("setcap cap_net_raw,cap_net_admin=eip"));
        let down = Fault::Down { interface: "eth1".to_owned() };
        assert!(down.to_string().ends_with("ip link set eth1 up"));
        let own = Fault::OnlyOwn { interface: "eth1".to_owned() };
        assert!(own.to_string().contains("eth1") && own.to_string().contains("mirror port"));
        let filter = Fault::BadFilter { words: "syntax error".to_owned() };
        assert!(filter.to_string().contains("syntax error"));
    }

    #[test]
    fn without_the_right_to_capture_the_fault_says_so() {
        // Rights belong to a thread: the others of the test keep theirs.
        let thread = std::thread::spawn(|| {
            let none = CapabilitySet::empty();
            let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
            set_capabilities(None, sets).expect("anybody may give up rights");
            let settings =
                InterfaceSettings { snap_len: 96, promiscuous: false, ring_mib: 1, filter: None };
            open("lo", &settings).err()
        });
        assert_eq!(thread.join().expect("no panic"), Some(Fault::NoPermission));
    }

    #[test]
    fn the_loopback_interface_is_known_and_any_always_there() {
        assert!(exists("lo") && exists("any") && is_up("any") && has_link("any"));
        assert!(!exists("eth-nowhere") && !is_up("eth-nowhere"));
    }

    #[test]
    fn a_ring_larger_than_libpcap_can_take_is_the_largest_one() {
        assert_eq!(ring_bytes(50), 52_428_800);
        assert_eq!(ring_bytes(0), 1_048_576);
        assert_eq!(ring_bytes(4096), i32::MAX);
    }
}
