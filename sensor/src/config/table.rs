//! Every setting that Ringside uses, once: name, kind, range, sentence.
//!
//! The parser, `config check` and `docs/CONFIG.md` all come from [`SETTINGS`]; the defaults are
//! those of [`Config::default`].

use core::time::Duration;

use super::Config;
use super::setting::{Area, Kind, MEBIBYTE, Setting};
use super::value;

/// A timeout that is longer keeps a lost call's slot for no use.
const MAX_TIMEOUT_SECONDS: u64 = 7 * 86_400;

const fn seconds(set: fn(&mut Config, Option<u64>), get: fn(&Config) -> Option<u64>) -> Kind {
    Kind::Number { range: 1..=MAX_TIMEOUT_SECONDS, unit: "s", off: None, set, get }
}

const fn port(set: fn(&mut Config, Option<u64>), get: fn(&Config) -> Option<u64>) -> Kind {
    Kind::Number { range: 1..=65_535, unit: "", off: None, set, get }
}

/// The number as a narrower type; the ranges above leave nothing to cut.
fn narrow<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}

macro_rules! timeout {
    ($field:ident) => {
        seconds(
            |config, n| config.timeouts.$field = Duration::from_secs(n.unwrap_or_default()),
            |config| Some(config.timeouts.$field.as_secs()),
        )
    };
}

/// Every setting that is used, by area.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "id_sensor",
        area: Area::Identity,
        sentence: "This sensor's number within its customer; without one the cloud gives the \
                   lowest that is free.",
        kind: Kind::Number {
            range: 1..=65_535,
            unit: "",
            off: Some(("-1", "given by the cloud")),
            set: |config, n| config.id_sensor = narrow(n),
            get: |config| config.id_sensor.map(u64::from),
        },
    },
    Setting {
        name: "name_sensor",
        area: Area::Identity,
        sentence: "The sensor's name on the cloud's pages.",
        kind: Kind::Text {
            allowed: "a text of up to 255 bytes",
            absent: "the host's name",
            read: |text| value::at_most(text, 255),
            field: |config| &mut config.name_sensor,
        },
    },
    Setting {
        name: "interface",
        area: Area::Capture,
        sentence: "The interfaces to capture on; `any` is all of them. Several, such as a TX and \
                   an RX tap, are merged by time. Lines add up.",
        kind: Kind::Interfaces(|config| &mut config.interfaces),
    },
    Setting {
        name: "promisc",
        area: Area::Capture,
        sentence: "Take frames that are addressed to others too, as a mirror port's are.",
        kind: Kind::Flag(|config| &mut config.promisc),
    },
    Setting {
        name: "snaplen",
        area: Area::Capture,
        sentence: "Bytes of a frame that are captured. The default holds what a kernel that joins \
                   TCP segments hands over; VoIPmonitor's is 3200.",
        kind: Kind::Number {
            range: 128..=262_144,
            unit: "bytes",
            off: Some(("0", "the default")),
            set: |config, n| config.snaplen = narrow(n).unwrap_or(Config::DEFAULT_SNAPLEN),
            get: |config| Some(u64::from(config.snaplen)),
        },
    },
    Setting {
        name: "filter",
        area: Area::Capture,
        sentence: "A BPF expression; frames that do not match are not captured. Tagged frames \
                   match only after `vlan and`, as in `udp or (vlan and udp)`.",
        kind: Kind::Text {
            allowed: "a BPF expression (pcap-filter(7))",
            absent: "everything",
            read: value::filter,
            field: |config| &mut config.filter,
        },
    },
    Setting {
        name: "sipport",
        area: Area::Capture,
        sentence: "The ports on which SIP is read, UDP and TCP. Lines add up.",
        kind: Kind::Ports(|config| &mut config.sip_ports),
    },
    Setting {
        name: "websocket_port",
        area: Area::Capture,
        sentence: "TCP ports, besides those of `sipport`, on which a connection may turn to SIP \
                   over WebSocket. WebSocket inside TLS is not seen. Lines add up.",
        kind: Kind::Ports(|config| &mut config.websocket_ports),
    },
    Setting {
        name: "hep_port",
        area: Area::Capture,
        sentence: "The ports of HEP, UDP and TCP, where captured packets carry it: the SIP inside \
                   is read, with the capture's time. Lines add up.",
        kind: Kind::Ports(|config| &mut config.hep_ports),
    },
    Setting {
        name: "hep",
        area: Area::Capture,
        sentence: "Receive HEP (version 3; over UDP also 1 and 2) from agents in PBXes and proxies, \
                   UDP and TCP: SIP that a mirror port cannot show, such as inside TLS. With it \
                   `interface` may be left out.",
        kind: Kind::Flag(|config| &mut config.hep),
    },
    Setting {
        name: "hep_bind_ip",
        area: Area::Capture,
        sentence: "The address that HEP is received on.",
        kind: Kind::Text {
            allowed: "an IP address of this machine",
            absent: "every address",
            read: value::ip,
            field: |config| &mut config.hep_bind_ip,
        },
    },
    Setting {
        name: "hep_bind_port",
        area: Area::Capture,
        sentence: "The port that HEP is received on.",
        kind: port(
            |config, n| config.hep_bind_port = narrow(n).unwrap_or_default(),
            |config| Some(u64::from(config.hep_bind_port)),
        ),
    },
    Setting {
        name: "deduplicate",
        area: Area::Capture,
        sentence: "Take a packet once that comes twice within 10 ms, as from a mirror of both \
                   ends. A packet that the network itself duplicates then goes unseen.",
        kind: Kind::Flag(|config| &mut config.deduplicate),
    },
    Setting {
        name: "ringbuffer",
        area: Area::Capture,
        sentence: "Memory that the kernel holds frames in until they are read, for each interface.",
        kind: Kind::Number {
            range: 1..=2000,
            unit: "MB",
            off: None,
            set: |config, n| config.ringbuffer_mb = narrow(n).unwrap_or_default(),
            get: |config| Some(u64::from(config.ringbuffer_mb)),
        },
    },
    Setting {
        name: "absolute_timeout",
        area: Area::Calls,
        sentence: "A call that is older is closed.",
        kind: timeout!(absolute),
    },
    Setting {
        name: "onewaytimeout",
        area: Area::Calls,
        sentence: "An INVITE that nobody has answered for so long is closed.",
        kind: timeout!(one_way),
    },
    Setting {
        name: "rtptimeout",
        area: Area::Calls,
        sentence: "A call whose media has stopped for so long, with no BYE, is closed.",
        kind: timeout!(rtp),
    },
    Setting {
        name: "sipwithoutrtptimeout",
        area: Area::Calls,
        sentence: "An answered call without any media is closed after so long.",
        kind: timeout!(sip_without_rtp),
    },
    Setting {
        name: "dtmf2db",
        area: Area::Calls,
        sentence: "Put dialled digits into records (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.dtmf),
    },
    Setting {
        name: "matchheader",
        area: Area::Calls,
        sentence: "The SIP header in which a B2BUA names the Call-ID of the leg before, so that a \
                   call's legs are shown together.",
        kind: Kind::Text {
            allowed: "the name of a SIP header",
            absent: "none",
            read: value::header_name,
            field: |config| &mut config.leg_header,
        },
    },
    Setting {
        name: "sip-register",
        area: Area::Calls,
        sentence: "Make records of registrations: who registers where, and why it fails \
                   (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.registrations),
    },
    Setting {
        name: "sip-options",
        area: Area::Calls,
        sentence: "Make records of OPTIONS outside calls: which trunk or phone answers, and how fast \
                   (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.peer_methods.options),
    },
    Setting {
        name: "sip-subscribe",
        area: Area::Calls,
        sentence: "The same of SUBSCRIBE: who subscribes to what, and what is refused \
                   (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.peer_methods.subscribe),
    },
    Setting {
        name: "sip-notify",
        area: Area::Calls,
        sentence: "The same of NOTIFY (VoIPmonitor's default is no).",
        kind: Kind::Flag(|config| &mut config.peer_methods.notify),
    },
    Setting {
        name: "sip-message",
        area: Area::Calls,
        sentence: "The same of MESSAGE: from whom to whom and whether it was accepted, never its text.",
        kind: Kind::Flag(|config| &mut config.peer_methods.message),
    },
    Setting {
        name: "sip-publish",
        area: Area::Calls,
        sentence: "The same of PUBLISH. VoIPmonitor has no such setting.",
        kind: Kind::Flag(|config| &mut config.peer_methods.publish),
    },
    Setting {
        name: "packetbuffer_sender",
        area: Area::Cloud,
        sentence: "Send call records to the cloud. Unlike VoIPmonitor, raw packets are never sent.",
        kind: Kind::Flag(|config| &mut config.packetbuffer_sender),
    },
    Setting {
        name: "server_destination",
        area: Area::Cloud,
        sentence: "The cloud's servers, the first that answers is used. Lines add up.",
        kind: Kind::Servers(|config| &mut config.server_destination),
    },
    Setting {
        name: "server_destination_port",
        area: Area::Cloud,
        sentence: "Port of servers in `server_destination` that name none (VoIPmonitor's default \
                   is 60024).",
        kind: port(
            |config, n| config.server_destination_port = narrow(n),
            |config| config.server_destination_port.map(u64::from),
        ),
    },
    Setting {
        name: "cloud_token",
        area: Area::Cloud,
        sentence: "The enrolment token that the cloud made for this sensor; it switches the uplink \
                   on and names the server.",
        kind: Kind::Secret {
            allowed: "a token as the cloud shows it (rs1-…)",
            field: |config| &mut config.cloud_token,
        },
    },
    Setting {
        name: "cloud_ca",
        area: Area::Cloud,
        sentence: "The cloud's CA, where the cloud made its own: SHA-256 of its key, as the cloud \
                   shows it beside a claim code. It switches the uplink on; a token carries it, too.",
        kind: Kind::Text {
            allowed: "64 hexadecimal digits",
            absent: "what enrolment has pinned, else the public authorities",
            read: value::sha256,
            field: |config| &mut config.cloud_ca,
        },
    },
    Setting {
        name: "cloud_host",
        area: Area::Cloud,
        sentence: "The cloud's server where `server_destination` is not set.",
        kind: Kind::Text {
            allowed: "a name or address",
            absent: "not set",
            read: value::host,
            field: |config| &mut config.cloud_host,
        },
    },
    Setting {
        name: "cloud_router_port",
        area: Area::Cloud,
        sentence: "Port of `cloud_host`.",
        kind: port(
            |config, n| config.cloud_router_port = narrow(n),
            |config| config.cloud_router_port.map(u64::from),
        ),
    },
    Setting {
        name: "data_dir",
        area: Area::Storage,
        sentence: "Where the sensor keeps its key and records that wait for the cloud. A \
                   `spooldir` of VoIPmonitor is not used and not touched.",
        kind: Kind::Directory(|config| &mut config.data_dir),
    },
    Setting {
        name: "outbox_max_bytes",
        area: Area::Storage,
        sentence: "Room for records that wait for the cloud; when it is full the oldest leave.",
        kind: Kind::Number {
            range: MEBIBYTE..=1 << 40,
            unit: "bytes",
            off: None,
            set: |config, n| config.outbox_max_bytes = n.unwrap_or_default(),
            get: |config| Some(config.outbox_max_bytes),
        },
    },
    Setting {
        name: "maxpoolsize",
        area: Area::Storage,
        sentence: "An upper bound for everything that is kept in `data_dir`: records that wait get \
                   `outbox_max_bytes` of it, packets that rules keep what is left, up to \
                   `store_max_bytes` where that is set.",
        kind: Kind::Number {
            range: 1..=1 << 30,
            unit: "MB",
            off: Some(("0", "no further bound")),
            set: |config, n| config.maxpoolsize_mb = n,
            get: |config| config.maxpoolsize_mb,
        },
    },
    Setting {
        name: "store_max_bytes",
        area: Area::Storage,
        sentence: "Room for the packets of calls that a capture rule keeps; when it is full the \
                   oldest leave. Without a rule nothing is stored.",
        kind: Kind::Number {
            range: Config::LEAST_STORE_BYTES..=1 << 44,
            unit: "bytes",
            off: Some(("0", "what maxpoolsize leaves, or 4 GiB")),
            set: |config, n| config.store_max_bytes = n,
            get: |config| config.store_max_bytes,
        },
    },
    Setting {
        name: "maxpooldays",
        area: Area::Storage,
        sentence: "Packets that are older leave; the cloud shows calls for 25 days.",
        kind: Kind::Number {
            range: 1..=3650,
            unit: "days",
            off: Some(("0", "no bound in days")),
            set: |config, n| config.max_pool_days = n,
            get: |config| config.max_pool_days,
        },
    },
    Setting {
        name: "store_encryption",
        area: Area::Storage,
        sentence: "Encrypt stored packets under a key that only this device has.",
        kind: Kind::Flag(|config| &mut config.store_encryption),
    },
    Setting {
        name: "user",
        area: Area::Process,
        sentence: "The user that the sensor becomes once its interfaces are open.",
        kind: Kind::Text {
            allowed: "a user's name",
            absent: "not changed",
            read: value::user,
            field: |config| &mut config.user,
        },
    },
    Setting {
        name: "log_level",
        area: Area::Process,
        sentence: "What is logged: this and everything more severe.",
        kind: Kind::Level(|config| &mut config.log_level),
    },
    Setting {
        name: "status_bind",
        area: Area::Device,
        sentence: "Address and port of the status page. Whoever reaches it may read it: on a box, \
                   the management side.",
        kind: Kind::Text {
            allowed: "ADDRESS:PORT, or no: there is no status page",
            absent: Config::DEFAULT_STATUS,
            read: value::listen_address,
            field: |config| &mut config.status_bind,
        },
    },
    Setting {
        name: "status_pin_file",
        area: Area::Device,
        sentence: "A file that holds the PIN for changes on the status page; without one nothing \
                   can be changed there.",
        kind: Kind::Text {
            allowed: "an absolute path",
            absent: "none",
            read: value::path,
            field: |config| &mut config.status_pin_file,
        },
    },
    Setting {
        name: "upgrade_key",
        area: Area::Device,
        sentence: "The minisign public key whose signature `upgrade` accepts, besides the one that \
                   was built in.",
        kind: Kind::Text {
            allowed: "the second line of minisign.pub",
            absent: "none",
            read: value::minisign_key,
            field: |config| &mut config.upgrade_key,
        },
    },
    Setting {
        name: "upgrade_trial",
        area: Area::Device,
        sentence: "How long a new program has to capture, to be accepted by the cloud and to have a \
                   heartbeat acknowledged; otherwise the old one is put back.",
        kind: Kind::Number {
            range: 5..=3600,
            unit: "s",
            off: None,
            set: |config, n| config.upgrade_trial = Duration::from_secs(n.unwrap_or_default()),
            get: |config| Some(config.upgrade_trial.as_secs()),
        },
    },
    Setting {
        name: "watchdog_device",
        area: Area::Device,
        sentence: "A watchdog device that is fed as long as analysis and uplink make progress.",
        kind: Kind::Text {
            allowed: "an absolute path, such as /dev/watchdog",
            absent: "none",
            read: value::path,
            field: |config| &mut config.watchdog,
        },
    },
];

/// The setting of this name.
pub(super) fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
