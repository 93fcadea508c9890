//! What is configured, with defaults in place, and what follows from settings together.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::path::PathBuf;

use data_encoding::HEXLOWER_PERMISSIVE;
use log::LevelFilter;
use ringside_protocol::DEFAULT_PORT;
use ringside_protocol::token::Token;

use super::value::Ports;
use crate::decode::{Options, hep};
use crate::peer::Methods;

/// What is configured, with defaults in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `id_sensor`; `None`: the cloud gives one.
    pub id_sensor: Option<u16>,
    /// `name_sensor`; `None`: the host's name.
    pub name_sensor: Option<String>,
    /// `interface`; empty: none configured.
    pub interfaces: Vec<String>,
    /// `promisc`.
    pub promisc: bool,
    /// `snaplen`, bytes.
    pub snaplen: u32,
    /// `filter`: a BPF expression that libpcap accepts.
    pub filter: Option<String>,
    /// `sipport`.
    pub sip_ports: Ports,
    /// `websocket_port`.
    pub websocket_ports: Ports,
    /// `hep_port`.
    pub hep_ports: Ports,
    /// `hep`: whether agents may send HEP to the sensor.
    pub hep: bool,
    /// `hep_bind_ip`; `None`: every address.
    pub hep_bind_ip: Option<String>,
    /// `hep_bind_port`.
    pub hep_bind_port: u16,
    /// `deduplicate`.
    pub deduplicate: bool,
    /// `ringbuffer`, MB for each interface.
    pub ringbuffer_mb: u32,
    /// The `*timeout` settings.
    pub timeouts: Timeouts,
    /// `dtmf2db`: whether digits go into records.
    pub dtmf: bool,
    /// `matchheader`: the header that carries the Call-ID of a call's leg before.
    pub leg_header: Option<String>,
    /// `sip-register`: whether registrations become records.
    pub registrations: bool,
    /// `sip-options`, `sip-subscribe`, `sip-notify`, `sip-message`, `sip-publish`: which requests
    /// outside calls become records.
    pub peer_methods: Methods,
    /// `packetbuffer_sender`, as written; see [`Config::uplink_on`].
    pub packetbuffer_sender: bool,
    /// `server_destination`, as written; see [`Config::servers`].
    pub server_destination: Vec<Server>,
    /// `server_destination_port`, as written.
    pub server_destination_port: Option<u16>,
    /// `cloud_ca`, as written; see [`Config::cloud_ca_sha256`].
    pub cloud_ca: Option<String>,
    /// `cloud_token`, as written; see [`Config::enrolment_token`].
    pub cloud_token: Option<String>,
    /// `cloud_host`, as written.
    pub cloud_host: Option<String>,
    /// `cloud_router_port`, as written.
    pub cloud_router_port: Option<u16>,
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `outbox_max_bytes`, as written; see [`Config::outbox_bytes`].
    pub outbox_max_bytes: u64,
    /// `maxpoolsize`, as written, MB.
    pub maxpoolsize_mb: Option<u64>,
    /// `store_max_bytes`, as written; see [`Config::store_bytes`].
    pub store_max_bytes: Option<u64>,
    /// `maxpooldays`; `None`: no bound in days.
    pub max_pool_days: Option<u64>,
    /// `store_encryption`.
    pub store_encryption: bool,
    /// `user` to become once the interfaces are open.
    pub user: Option<String>,
    /// `log_level`.
    pub log_level: LevelFilter,
    /// `upgrade_key`: a minisign public key.
    pub upgrade_key: Option<String>,
    /// `upgrade_trial`.
    pub upgrade_trial: Duration,
    /// `status_bind`, as written; see [`Config::status_address`].
    pub status_bind: Option<String>,
    /// `status_pin_file`.
    pub status_pin_file: Option<String>,
    /// `watchdog_device`.
    pub watchdog: Option<String>,
}

/// When a call is closed that nobody ends properly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `absolute_timeout`: since its first packet.
    pub absolute: Duration,
    /// `onewaytimeout`: since an INVITE that got no response.
    pub one_way: Duration,
    /// `rtptimeout`: since its last media packet.
    pub rtp: Duration,
    /// `sipwithoutrtptimeout`: since the answer, when no media came.
    pub sip_without_rtp: Duration,
}

/// One server of `server_destination`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or address; IPv6 without brackets.
    pub host: String,
    /// As written; `None`: the common one.
    pub port: Option<u16>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (None, _) => f.write_str(&self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            absolute: Duration::from_secs(14_400),
            one_way: Duration::from_secs(15),
            rtp: Duration::from_secs(300),
            sip_without_rtp: Duration::from_secs(3600),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id_sensor: None,
            name_sensor: None,
            interfaces: Vec::new(),
            promisc: true,
            snaplen: Self::DEFAULT_SNAPLEN,
            filter: None,
            sip_ports: Ports::one(5060),
            websocket_ports: Ports::several(Options::WEBSOCKET_PORTS),
            hep_ports: Ports::one(hep::DEFAULT_PORT),
            hep: false,
            hep_bind_ip: None,
            hep_bind_port: hep::DEFAULT_PORT,
            deduplicate: false,
            ringbuffer_mb: 50,
            timeouts: Timeouts::default(),
            dtmf: true,
            leg_header: Some("X-CID".to_owned()),
            registrations: true,
            peer_methods: Methods::ALL,
            packetbuffer_sender: false,
            server_destination: Vec::new(),
            server_destination_port: None,
            cloud_ca: None,
            cloud_token: None,
            cloud_host: None,
            cloud_router_port: None,
            data_dir: PathBuf::from("/var/lib/ringside"),
            outbox_max_bytes: 256 << 20,
            maxpoolsize_mb: None,
            store_max_bytes: None,
            max_pool_days: Some(25),
            store_encryption: false,
            user: None,
            log_level: LevelFilter::Info,
            upgrade_key: None,
            upgrade_trial: ringside_protocol::slot::health::TRIAL,
            status_bind: None,
            status_pin_file: None,
            watchdog: None,
        }
    }
}

impl Config {
    /// With fewer bytes a store would hold a few seconds.
    pub(super) const LEAST_STORE_BYTES: u64 = 16 << 20;

    /// Room for packets where no setting says how much.
    const USUAL_STORE_BYTES: u64 = 4 << 30;

    /// Where the status page is when `status_bind` does not say.
    pub(super) const DEFAULT_STATUS: &str = "127.0.0.1:8060";

    /// Holds the largest frame that a kernel with receive offload hands over.
    pub(super) const DEFAULT_SNAPLEN: u32 = 65_535;

    /// Whether records are to be sent: `packetbuffer_sender = yes`, a `cloud_token` or a `cloud_ca`.
    #[must_use]
    pub const fn uplink_on(&self) -> bool {
        self.packetbuffer_sender || self.cloud_token.is_some() || self.cloud_ca.is_some()
    }

    /// The cloud's servers with their ports, the first to be tried first: `server_destination`,
    /// else `cloud_host`, else the one that the token names; empty where none of them is set.
    #[must_use]
    pub fn servers(&self) -> Vec<(String, u16)> {
        let common = self.server_destination_port.unwrap_or(DEFAULT_PORT);
        if !self.server_destination.is_empty() {
            let with_port = |server: &Server| (server.host.clone(), server.port.unwrap_or(common));
            return self.server_destination.iter().map(with_port).collect();
        }
        if let Some(host) = &self.cloud_host {
            return vec![(host.clone(), self.cloud_router_port.unwrap_or(DEFAULT_PORT))];
        }
        self.enrolment_token().map(|token| (token.host, token.port)).into_iter().collect()
    }

    /// `cloud_ca`, as the 32 bytes that it is.
    #[must_use]
    pub fn cloud_ca_sha256(&self) -> Option<[u8; 32]> {
        HEXLOWER_PERMISSIVE.decode(self.cloud_ca.as_ref()?.as_bytes()).ok()?.try_into().ok()
    }

    /// `cloud_token`, where it is one of ours.
    #[must_use]
    pub fn enrolment_token(&self) -> Option<Token> {
        self.cloud_token.as_deref().and_then(|text| text.parse().ok())
    }

    /// Where the status page is; `None` where it is switched off.
    #[must_use]
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status_bind.as_deref().unwrap_or(Self::DEFAULT_STATUS).parse().ok()
    }

    /// Room for records that wait for the cloud: the smaller of `outbox_max_bytes` and
    /// `maxpoolsize`.
    #[must_use]
    pub fn outbox_bytes(&self) -> u64 {
        let pool = self.maxpoolsize_mb.map_or(u64::MAX, |mb| mb.saturating_mul(1 << 20));
        self.outbox_max_bytes.min(pool)
    }

    /// Room for packets that rules keep: `store_max_bytes`, but no more than `maxpoolsize` leaves
    /// beside the records; `None` where that is too little.
    #[must_use]
    pub fn store_bytes(&self) -> Option<u64> {
        let pool = self.maxpoolsize_mb.map(|mb| mb.saturating_mul(1 << 20));
        let left = pool.map(|pool| pool.saturating_sub(self.outbox_bytes()));
        let bytes = match (self.store_max_bytes, left) {
            (Some(bytes), Some(left)) => bytes.min(left),
            (Some(bytes), None) | (None, Some(bytes)) => bytes,
            (None, None) => Self::USUAL_STORE_BYTES,
        };
        Some(bytes).filter(|&bytes| bytes >= Self::LEAST_STORE_BYTES)
    }
}
