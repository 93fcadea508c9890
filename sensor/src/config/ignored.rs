//! Settings of VoIPmonitor that Ringside knows and does not use, and why.
//!
//! The names stand in `ignored.txt`, so that an existing file has no unknown key.

macro_rules! reasons {
    ($($variant:ident = $heading:literal, $title:literal, $sentence:literal;)+) => {
        /// Why a setting is known and not used.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $(#[doc = $sentence] $variant),+ }

        impl Reason {
            /// Every reason, in the order in which reports list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its heading in `ignored.txt` and name in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $heading),+ }
            }

            /// What the settings are about, a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// Why they are not used, one sentence.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence),+ }
            }
        }
    };
}

reasons! {
    Storage = "storage", "Storing packets, audio, graphs",
        "These settings store nothing: only a capture rule in the cloud keeps packets.";
    Spool = "spool", "The spool directory",
        "Ringside keeps its own data in data_dir and leaves a spool directory alone.";
    Database = "database", "The database",
        "Records go to the cloud, not to a database beside the sensor.";
    Transport = "transport", "Other transfers",
        "Ringside has one connection, to the cloud, and it has no such options.";
    Manager = "manager", "The manager interface",
        "There is none: the cloud's pages, the status page (status_bind) and `doctor` show its state.";
    Tuning = "tuning", "Threads, queues, memory",
        "Ringside sets its memory at start and analyses in one thread: nothing to tune.";
    Sources = "sources", "Other sources of packets",
        "Ringside captures on interfaces, and reads files with `analyze` and `run --read`.";
    Decryption = "decryption", "TLS and SRTP",
        "Ringside does not decrypt: SIP over TLS is not seen, SRTP is measured as it is.";
    Protocols = "protocols", "Protocols other than SIP",
        "Ringside reads SIP, SDP, RTP and RTCP only.";
    OutsideCalls = "outside_calls", "SIP outside calls",
        "Registrations, OPTIONS, SUBSCRIBE, NOTIFY, MESSAGE and PUBLISH become records of their own shape: `sip-register`, `sip-options` and so on switch them off.";
    Planned = "planned", "Choosing packets",
        "Not yet: use filter, a BPF expression, to leave packets out.";
    Detection = "detection", "Listening to the audio",
        "Silence and clipping of G.711 are always looked for; fax tones and in-band DTMF are not.";
    Rules = "rules", "Which calls are recorded",
        "Every call becomes a record; capture rules are set in the cloud.";
    Privacy = "privacy", "Masking of personal data",
        "Not yet: numbers, names and addresses reach the cloud as they were on the wire.";
    Columns = "columns", "Columns of a record",
        "A record always holds all that was seen of a call, with times in UTC.";
    Signalling = "signalling", "How SIP is read",
        "Ringside follows RFC 3261 and the Call-ID, with no options.";
    AfterTheEnd = "after_the_end", "After the end of a call",
        "A record is made half a second after the call's end; what comes later is counted.";
    Media = "media", "How RTP is read",
        "Ringside follows RFC 3550 and finds NAT by itself, with no options.";
    Quality = "quality", "MOS and jitter buffers",
        "Ringside always computes G.107 for an adaptive, a 50 ms and a 200 ms buffer.";
    Accounting = "accounting", "Statistics, billing, fraud",
        "Figures over many calls are the cloud's.";
    Process = "process", "The process",
        "The service manager restarts the sensor, and `upgrade` replaces its program.";
}

static NAMES: &str = include_str!("ignored.txt");

/// Why the setting of this name is not used; `None` when it is not among these.
pub(super) fn reason(name: &str) -> Option<Reason> {
    names().find(|&(known, _)| known == name).map(|(_, reason)| reason)
}

/// Every name with its reason.
pub(super) fn names() -> impl Iterator<Item = (&'static str, Reason)> {
    let (_, sections) = NAMES.split_once("\n[").unwrap_or_default();
    sections.split("\n[").flat_map(|section| {
        let (heading, names) = section.split_once("]\n").unwrap_or_default();
        let reason = Reason::ALL.iter().copied().find(|reason| reason.name() == heading);
        names.split_whitespace().filter_map(move |name| Some((name, reason?)))
    })
}

/// What somebody who wrote this value should hear; `None` where silence does no harm.
pub(super) fn warning(name: &str, value: &str) -> Option<&'static str> {
    let off = ["", "no", "0", "n", "false"].contains(&value.to_ascii_lowercase().as_str());
    if off {
        return None;
    }
    Some(match name {
        "pii_enable" => "numbers and names are not masked on their way to the cloud",
        "anonymize_ip" | "anonymize_sipdomain" => "addresses are not masked in records",
        "nocdr" => "records are made and sent all the same",
        "cdronlyanswered" | "cdronlyrtp" | "nocdr_for_last_responses" | "cdr_ignore_response" => {
            "unanswered calls and those without media become records too"
        }
        "ssl" => "SIP over TLS is not decrypted: such calls are not seen",
        "scanpcapdir" => "no directory is watched: read files with `ringside-sensor run --read`",
        "mirror_bind" | "mirror_bind_ip" | "ipfix" | "ribbonsbc" | "siprec_bind" => {
            "packets that others send to the sensor are not taken"
        }
        "server_bind" => "this is a sensor, not a server: other sensors connect to the cloud",
        "mirror_destination" | "mirror_destination_ip" => "packets are not forwarded",
        "dpdk" => "DPDK is not used: name a kernel interface in interface",
        "interface_ip_filter" | "interface_libpcap_filter" => {
            "it is not applied: write it as a BPF expression in filter"
        }
        "skinny" | "mgcp" | "ss7" | "diameter" => "only SIP calls are seen",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_heading_has_a_reason_and_every_reason_names() {
        let headings = NAMES.lines().filter(|line| line.starts_with('[')).count();
        assert_eq!(headings, Reason::ALL.len());
        let used: BTreeSet<Reason> = names().map(|(_, reason)| reason).collect();
        assert_eq!(used.len(), Reason::ALL.len());
    }

    #[test]
    fn no_name_stands_twice_or_is_understood_too() {
        let mut seen = BTreeSet::new();
        for (name, reason) in names() {
            assert!(seen.insert(name), "{name} stands twice");
            assert_eq!(name, name.to_lowercase());
            assert!(super::super::table::setting(name).is_none(), "{name} is understood");
            assert_eq!(super::reason(name), Some(reason));
        }
        assert!(seen.len() > 1000, "{}", seen.len());
    }

    #[test]
    fn names_of_each_section_are_in_alphabetical_order() {
        for reason in Reason::ALL {
            let names: Vec<_> =
                names().filter(|(_, r)| r == reason).map(|(name, _)| name).collect();
            assert!(names.is_sorted(), "[{}]", reason.name());
        }
    }

    #[test]
    fn warnings_are_for_known_names_and_only_when_switched_on() {
        assert!(warning("pii_enable", "yes").is_some());
        assert!(warning("pii_enable", "No").is_none());
        assert!(warning("mysqlhost", "localhost").is_none());
    }
}
