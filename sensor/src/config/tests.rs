//! Whole files: what they mean, and what is said about them.

use core::time::Duration;
use std::fmt::Write as _;

use proptest::prelude::*;
use ringside_protocol::token::Token;

use super::*;
use crate::limits::MAX_INTERFACES;

const FULL: &str = include_str!("../../tests/config/voipmonitor.conf");

fn good(text: &str) -> Loaded {
    let (loaded, problems) = read(text.as_bytes());
    assert_eq!(problems, [], "{text}");
    loaded
}

fn config(text: &str) -> Config {
    good(text).config
}

/// The one problem of a file.
fn problem(text: &str) -> Problem {
    let (_, mut problems) = read(text.as_bytes());
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems.remove(0)
}

fn notes(text: &str) -> String {
    good(text).notes.iter().fold(String::new(), |mut all, note| {
        let _ = writeln!(all, "{note}");
        all
    })
}

fn token() -> Token {
    Token {
        ca_key_sha256: [1; 32],
        secret: [2; 16],
        port: 60100,
        host: "cloud.example.net".to_owned(),
    }
}

#[test]
fn an_existing_file_is_read_without_complaint() {
    let loaded = good(FULL);
    assert_eq!(loaded.unknown, []);
    assert!(loaded.ignored.len() > 100, "{}", loaded.ignored.len());
    let config = loaded.config;
    assert_eq!(config.id_sensor, Some(12));
    assert_eq!(config.name_sensor.as_deref(), Some("Customer 4711, rack 2"));
    assert_eq!(config.interfaces, ["eth1", "eth2", "eth3"]);
    assert_eq!(config.snaplen, 6000);
    assert_eq!(config.filter.as_deref(), Some("udp or (vlan and udp) or tcp port 5060"));
    assert_eq!(config.ringbuffer_mb, 500);
    assert_eq!(config.sip_ports.to_string(), "5060-5061, 5080-5090, 6060, 6070");
    assert_eq!(config.timeouts.absolute, Duration::from_secs(7200));
    assert_eq!(config.timeouts.one_way, Duration::from_secs(20));
    assert_eq!(config.timeouts.rtp, Duration::from_secs(120));
    assert_eq!(config.timeouts.sip_without_rtp, Duration::from_secs(600));
    assert!(!config.dtmf);
    assert!(config.uplink_on());
    assert_eq!(
        config.servers(),
        [("cloud.example.net".to_owned(), 60023), ("192.0.2.200".to_owned(), 60024)]
    );
    assert_eq!(config.maxpoolsize_mb, Some(102_400));
    assert_eq!(config.outbox_bytes(), 256 << 20);
}

#[test]
fn an_empty_file_is_all_defaults() {
    assert_eq!(config(""), Config::default());
    assert_eq!(config("interface =\nid_sensor =\nsipport = # none\n"), Config::default());
}

#[test]
fn every_number_is_taken_at_its_edges_and_refused_beyond() {
    for setting in table::SETTINGS {
        let setting::Kind::Number { range, off, get, .. } = &setting.kind else { continue };
        for edge in [*range.start(), *range.end()] {
            let config = config(&format!("{} = {edge}", setting.name));
            assert_eq!(get(&config), Some(edge), "{}", setting.name);
        }
        for beyond in [range.start() - 1, range.end() + 1] {
            if off.is_some_and(|(none, _)| none == beyond.to_string()) {
                continue;
            }
            let problem = problem(&format!("\n{} = {beyond}", setting.name));
            assert_eq!((problem.line, problem.key.as_str()), (Some(2), setting.name));
            assert!(problem.says.contains(&range.end().to_string()), "{problem}");
        }
        if let Some((none, _)) = off {
            let config = config(&format!("{} = {none}", setting.name));
            let is_as_absent = config == Config::default();
            assert!(is_as_absent || get(&config).is_none(), "{}", setting.name);
        }
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_its_line() {
    let (_, problems) = read(
        b"[general]\nsnaplen = 10\nsipport = 0\npromisc = maybe\nfilter = udp portt\n\
          interface = /dev/eth0\nserver_destination = http://a/\ndata_dir = here\n\
          log_level = loud\nuser = -x\ncloud_token = rs1-cut\nid_sensor = 0\n",
    );
    let lines: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, (2..=12).collect::<Vec<_>>());
    assert_eq!(
        problems[0].to_string(),
        "line 2: snaplen = 10: write a whole number from 128 to 262144 bytes, or 0 (the default)"
    );
}

#[test]
fn where_a_value_is_wrong_the_default_holds() {
    let (loaded, _) = read(b"snaplen = 1\nsipport = 0\n");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.understood, []);
}

#[test]
fn a_single_setting_that_stands_twice_keeps_its_first_line() {
    let loaded = good("snaplen = 2000\nsnaplen = 3000\n");
    assert_eq!(loaded.config.snaplen, 2000);
    assert!(notes("snaplen = 2000\nsnaplen = 3000\n").contains("line 2: snaplen: not used"));
}

#[test]
fn lists_add_up_over_lines_and_replace_the_default() {
    assert_eq!(config("sipport = 5070\nsipport = 5080").sip_ports.to_string(), "5070, 5080");
    let both = config("interface = eth0\ninterface = eth1, eth0");
    assert_eq!(both.interfaces, ["eth0", "eth1"]);
    let servers = config("server_destination = a\nserver_destination = b:1");
    assert_eq!(servers.servers(), [("a".to_owned(), 60023), ("b".to_owned(), 1)]);
}

#[test]
fn more_interfaces_than_can_be_captured_on_are_refused() {
    let names = |many: usize| (0..many).map(|n| format!("eth{n}")).collect::<Vec<_>>().join(",");
    let most = config(&format!("interface = {}", names(MAX_INTERFACES)));
    assert_eq!(most.interfaces.len(), MAX_INTERFACES);
    assert!(problem(&format!("interface = {}", names(MAX_INTERFACES + 1))).says.contains("16"));
}

#[test]
fn the_uplink_is_on_with_packetbuffer_sender_or_a_token() {
    let ca = format!("server_destination = a\ncloud_ca = {}", "aB".repeat(32));
    assert!(config(&ca).uplink_on());
    assert_eq!(config(&ca).cloud_ca_sha256(), Some([0xab; 32]));
    assert!(!config("server_destination = a").uplink_on());
    assert!(notes("server_destination = a").contains("switches the uplink on"));
    assert!(config("packetbuffer_sender = yes").uplink_on());
    let text = format!("cloud_token = {}", token());
    assert!(config(&text).uplink_on());
    assert_eq!(config(&text).servers(), [("cloud.example.net".to_owned(), 60100)]);
}

#[test]
fn raw_packets_are_said_never_to_be_sent() {
    let notes = notes("packetbuffer_sender = yes\nserver_destination = a:1");
    assert!(notes.contains("raw packets never are"), "{notes}");
}

#[test]
fn the_server_is_the_destination_then_the_host_then_the_token_s() {
    let token = token();
    let host = format!("cloud_token = {token}\ncloud_host = h\n");
    assert_eq!(config(&host).servers(), [("h".to_owned(), 60023)]);
    assert!(notes(&host).contains("not among the servers"));
    let port = format!("{host}cloud_router_port = 7\n");
    assert_eq!(config(&port).servers(), [("h".to_owned(), 7)]);
    let destination = format!("{port}server_destination = d\n");
    assert_eq!(config(&destination).servers(), [("d".to_owned(), 60023)]);
    assert!(notes(&destination).contains("cloud_host: not used"));
}

#[test]
fn a_missing_port_is_60023_and_the_difference_is_said() {
    let with_default = notes("server_destination = a\npacketbuffer_sender = yes");
    assert!(with_default.contains("60023") && with_default.contains("60024"), "{with_default}");
    assert!(!notes("server_destination = a\nserver_destination_port = 60024").contains("60023"));
    assert!(!notes("server_destination = a:60024").contains("60023"));
}

#[test]
fn a_token_of_another_service_is_kept_and_said() {
    let text = "cloud_token = 0123456789abcdef";
    assert_eq!(config(text).enrolment_token(), None);
    assert!(notes(text).contains("no token of Ringside's cloud"));
}

#[test]
fn a_token_is_never_shown() {
    let token = token().to_string();
    let (loaded, problems) = read(format!("cloud_token = {token}\n").as_bytes());
    let cut = format!("cloud_token = {}\n", &token[..token.len() - 2]);
    let (_, cut_problems) = read(cut.as_bytes());
    for text in [
        check_table("f", &loaded, &problems, 80),
        check_json("f", &loaded, &problems),
        check_table("f", &loaded, &cut_problems, 80),
        check_json("f", &loaded, &cut_problems),
    ] {
        assert!(!text.contains(&token[..20]), "{text}");
    }
    assert_eq!(cut_problems.len(), 1);
}

#[test]
fn the_smaller_of_pool_and_outbox_holds() {
    assert_eq!(config("maxpoolsize = 10").outbox_bytes(), 10 << 20);
    assert!(notes("maxpoolsize = 10").contains("10485760 bytes"));
    assert_eq!(config("outbox_max_bytes = 1048576\nmaxpoolsize = 10").outbox_bytes(), 1 << 20);
}

#[test]
fn packets_get_what_the_pool_leaves_unless_less_is_said() {
    let bytes = |text: &str| config(text).store_bytes();
    assert_eq!(bytes(""), Some(4 << 30));
    let outbox = Config::default().outbox_bytes();
    assert_eq!(bytes("maxpoolsize = 102400"), Some((102_400 << 20) - outbox));
    assert!(notes("maxpoolsize = 102400").contains("packets that rules keep get up to"));
    assert_eq!(bytes("maxpoolsize = 102400\nstore_max_bytes = 1073741824"), Some(1 << 30));
    assert_eq!(bytes("store_max_bytes = 1073741824"), Some(1 << 30));
    assert_eq!(bytes("maxpoolsize = 10"), None);
}

#[test]
fn save_settings_store_nothing_and_that_is_said() {
    let loaded = good("savesip = yes\nsavertp = yes\nsavertcp = yes\nsaveaudio = wav\n");
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.ignored.iter().all(|(_, reason)| *reason == Reason::Storage));
    let report = check_table("f", &loaded, &[], 80);
    assert!(report.contains("These settings store nothing"), "{report}");
}

#[test]
fn what_is_true_of_several_lines_is_said_once() {
    let notes = notes("interface_ip_filter = 192.0.2.1\ninterface_ip_filter = 192.0.2.2\n");
    assert_eq!(notes.matches("interface_ip_filter").count(), 1);
    assert!(notes.contains("line 1"));
}

#[test]
fn privacy_that_is_not_given_is_said() {
    assert!(notes("pii_enable = yes").contains("not masked"));
    assert!(!notes("pii_enable = no").contains("not masked"));
}

#[test]
fn an_unknown_setting_is_told_once_with_what_was_meant() {
    let loaded = good("siport = 5070\nsiport = 5071\ncolour = blue\n");
    assert_eq!(
        loaded.unknown,
        [
            Unknown { key: "siport".to_owned(), line: 1, nearest: Some("sipport") },
            Unknown { key: "colour".to_owned(), line: 3, nearest: None },
        ]
    );
    assert_eq!(loaded.config.sip_ports, Ports::one(5060));
}

#[test]
fn what_was_meant_is_guessed_at_for_a_hundred_settings() {
    let text: String =
        (0..=MAX_GUESSES).map(|line| format!("x{line} = 1\nsiport{line} = 1\n")).collect();
    let loaded = good(&text);
    assert_eq!(loaded.unknown.len(), 2 * (MAX_GUESSES + 1));
    let is_guessed = |unknown: &Unknown| unknown.nearest.is_some();
    assert!(loaded.unknown[..MAX_GUESSES].iter().any(is_guessed));
    assert!(!loaded.unknown[MAX_GUESSES..].iter().any(is_guessed));
}

#[test]
fn our_own_file_comes_before_voipmonitor_s() {
    let root = std::env::temp_dir().join(format!("ringside-config-{}", std::process::id()));
    std::fs::create_dir_all(root.join("etc/ringside")).unwrap();
    assert_eq!(default_file(&root), None);
    std::fs::write(root.join("etc/voipmonitor.conf"), "").unwrap();
    assert_eq!(default_file(&root), Some(root.join("etc/voipmonitor.conf")));
    std::fs::write(root.join("etc/ringside/sensor.conf"), "snaplen = 1").unwrap();
    let ours = root.join("etc/ringside/sensor.conf");
    assert_eq!(default_file(&root), Some(ours.clone()));
    assert_eq!(load(&ours).unwrap_err().len(), 1);

    let size = usize::try_from(MAX_FILE_BYTES).unwrap();
    std::fs::write(&ours, vec![b'\n'; size]).unwrap();
    assert!(load(&ours).is_ok());
    std::fs::write(&ours, vec![b'\n'; size + 1]).unwrap();
    assert!(load(&ours).unwrap_err()[0].says.contains("larger than 1 MiB"));

    let theirs = root.join("etc/voipmonitor.conf");
    assert!(!load(&theirs).unwrap().notes.iter().any(|note| note.says.contains("conf.d")));
    std::fs::create_dir_all(root.join("etc/voipmonitor/conf.d")).unwrap();
    assert!(load(&theirs).unwrap().notes.iter().any(|note| note.says.contains("conf.d")));
    std::fs::remove_dir_all(&root).unwrap();
    assert!(load(&ours).unwrap_err()[0].says.contains("cannot be read"));
}

#[test]
fn the_report_keeps_to_its_columns_and_has_everything() {
    let text = format!("{FULL}\nsiport = 1\nabsolute_timeoot = 3\n");
    let (loaded, mut problems) = read(text.as_bytes());
    problems.push(problem("snaplen = \x1b[31m"));
    let report = check_table("/etc/voipmonitor.conf", &loaded, &problems, 80);
    for line in report.lines() {
        assert!(crate::terminal::width(line) <= 80, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    for part in
        ["2 unknown, 1 error", "did you mean sipport?", "lines 66, 67, 68", "IGNORED", "mysqlhost"]
    {
        assert!(report.contains(part), "{part} is not in:\n{report}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&check_json("f", &loaded, &problems)).unwrap();
    assert_eq!(value["ok"], false);
    assert_eq!(value["settings"].as_array().map(Vec::len), Some(table::SETTINGS.len()));
    assert_eq!(value["uplink"]["servers"][1]["port"], 60024);
    let setting = |name: &str| {
        let settings = value["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(setting("snaplen")["value"], 6000);
    assert_eq!(setting("snaplen")["unit"], "bytes");
    assert_eq!(setting("promisc")["value"], true);
    assert_eq!(setting("user")["value"], serde_json::Value::Null);
    assert_eq!(setting("cloud_token")["value"], false);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let (loaded, problems) = read(&bytes);
        let _ = check_table("f", &loaded, &problems, 80);
    }

    #[test]
    fn no_value_panics(which in 0..table::SETTINGS.len(), text in "[ -~\u{80}-\u{200}\"#;,:.-]{0,40}") {
        let setting = &table::SETTINGS[which];
        // A word of a filter may be a host name, which libpcap looks up.
        prop_assume!(setting.name != "filter");
        let (loaded, problems) = read(format!("{} = {text}", setting.name).as_bytes());
        let report = check_table("f", &loaded, &problems, 80);
        prop_assert!(!report.chars().any(|c| c.is_control() && c != '\n'));
        let report = check_json("f", &loaded, &problems);
        prop_assert!(!report.chars().any(|c| c.is_control() && c != '\n'));
    }
}
