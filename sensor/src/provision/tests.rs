use std::process::Command;

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use ringside_protocol::token::Token;

use super::*;
use crate::store::test_dir::TestDir;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummyDummyDummyDummyDummyDummy me@home";

fn token() -> String {
    let secret = [7; 16];
    Token { ca_key_sha256: [1; 32], secret, port: 60023, host: "cloud.example.net".to_owned() }
        .to_string()
}

fn everything() -> String {
    format!(
        "# for shop 12\r\n\ntoken = {}\nname = Anna's shop\nCAPTURE = eth1, eth2\nmanagement = eth0\n\
         vlan = 20\naddress = 192.0.2.10/24\ngateway = 192.0.2.1\ndns = 192.0.2.1, 2001:db8::1\n\
         ntp = ntp.example.net\nssh_key = {KEY}\nwifi = yes\nwifi_name = Office\n\
         wifi_password = correct horse\n",
        token()
    )
}

#[test]
fn a_whole_file_is_taken_over_and_its_secrets_are_wiped() {
    let dir = TestDir::new();
    let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
    fs::write(&file, everything()).expect("write");
    assert_eq!(take_over(&file, &into).expect("taken"), Taken::All);

    let sensor = fs::read(into.join("sensor.conf")).expect("sensor.conf");
    let (loaded, problems) = crate::config::read(&sensor);
    assert_eq!(problems, []);
    assert_eq!(loaded.config.interfaces, ["eth1", "eth2"]);
    assert_eq!(loaded.config.name_sensor.as_deref(), Some("Anna's shop"));
    assert_eq!(loaded.config.servers(), [("cloud.example.net".to_owned(), 60023)]);
    assert_eq!(fs::read_to_string(into.join("authorized_keys")).expect("keys").trim(), KEY);
    assert!(fs::read_to_string(into.join("wifi")).expect("wifi").contains("ssid=4f6666696365"));

    let left = fs::read_to_string(&file).expect("the file stays");
    assert!(left.contains("address = 192.0.2.10/24") && left.contains("# token was taken over"));
    assert!(!left.contains("rs1-") && !left.contains("horse"), "{left}");
    assert_eq!(read(&left).expect("it can be taken over again").token, None);
}

/// The box was not in the cloud yet when its power went.
#[test]
fn secrets_that_were_taken_over_stay_when_the_file_is_taken_over_again() {
    let dir = TestDir::new();
    let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
    fs::write(&file, everything()).expect("write");
    take_over(&file, &into).expect("taken");
    let first = ["sensor.conf", "wifi"].map(|name| fs::read(into.join(name)).expect("read"));
    assert_eq!(take_over(&file, &into).expect("taken"), Taken::All);
    let again = ["sensor.conf", "wifi"].map(|name| fs::read(into.join(name)).expect("read"));
    assert_eq!(first, again);
    // Somebody has written another file.
    fs::write(&file, "name = Ben's shop\nwifi = yes\nwifi_name = Guests\n").expect("write");
    take_over(&file, &into).expect("taken");
    let sensor = fs::read_to_string(into.join("sensor.conf")).expect("read");
    assert!(!sensor.contains("cloud_token"), "{sensor}");
    assert!(fs::read_to_string(into.join("wifi")).expect("read").contains("key_mgmt=NONE"));
}

#[test]
fn a_shell_reads_what_was_taken_over() {
    let dir = TestDir::new();
    let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
    fs::write(&file, everything()).expect("write");
    take_over(&file, &into).expect("taken");
    let script = ". \"$1\"; echo \"$MANAGEMENT|$VLAN|$ADDRESS/$PREFIX|$GATEWAY|$DNS|$NTP|$CAPTURE|$SSH|$WIFI|$HOST_NAME\"";
    let output = Command::new("sh").args(["-euc", script, "sh"]).arg(into.join("network")).output();
    let output = output.expect("a shell");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "eth0|20|192.0.2.10/24|192.0.2.1|192.0.2.1 2001:db8::1|ntp.example.net|eth1 eth2|yes|yes|Anna's shop"
    );
}

#[test]
fn what_is_wrong_is_told_by_line_and_nothing_is_taken_over() {
    let half = &token()[..30];
    for (text, says) in [
        ("nonsense", "line 1: write NAME = VALUE"),
        ("\n\ncolour = red", "line 3: there is no setting colour: there are token, name"),
        (&format!("token = {half}"), "line 1: the token cannot be read"),
        ("address = 192.0.2.10", "such as 192.0.2.10/24"),
        ("address = 192.0.2.10/33", "such as 192.0.2.10/24"),
        ("address = 192.0.2.10/24\ngateway = 198.51.100.1", "is not in the network of"),
        ("gateway = 198.51.100.1", "needs an address beside it"),
        ("vlan = 4095", "1 to 4094"),
        ("capture = eth0/1", "no interface"),
        ("ntp = a;reboot", "no server"),
        ("ssh_key = hunter2", "a line of a .pub file"),
        ("name = a\nname = b", "line 2: name stands twice"),
        ("wifi = maybe", "yes or no"),
        ("wifi = yes", "needs wifi_name"),
        ("wifi_name = Office", "write wifi = yes, too"),
        ("wifi = yes\nwifi_name = Office\nwifi_password = short", "8 to 63"),
    ] {
        let dir = TestDir::new();
        let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
        fs::write(&file, text).expect("write");
        let Taken::Refused(problems) = take_over(&file, &into).expect("read") else {
            panic!("{text} was taken over");
        };
        let words: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(words.iter().any(|line| line.contains(says)), "{text}: {words:?}");
        assert_eq!(fs::read_to_string(&file).expect("read"), text, "the file is as it was");
        assert!(!into.join("network").exists());
        let kept = fs::read_to_string(into.join("refused")).expect("kept for the status page");
        assert!(kept.contains(says), "{kept}");
    }
}

#[test]
fn no_file_and_one_without_settings_change_nothing() {
    let dir = TestDir::new();
    let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
    assert_eq!(take_over(&file, &into).expect("none"), Taken::Nothing);
    fs::write(&file, "# token =\ntoken =\n").expect("write");
    assert_eq!(take_over(&file, &into).expect("empty"), Taken::Nothing);
    assert!(!into.exists());
}

#[test]
fn a_byte_order_mark_and_other_ends_of_line_are_no_mistake() {
    let dir = TestDir::new();
    let (file, into) = (dir.path().join("ringside.conf"), dir.path().join("into"));
    fs::write(&file, "\u{feff}name = box\r\nmanagement = eth0\r\n").expect("write");
    assert_eq!(take_over(&file, &into).expect("taken"), Taken::All);
}

#[test]
fn a_file_that_is_too_large_is_none_of_ours() {
    let dir = TestDir::new();
    let file = dir.path().join("ringside.conf");
    fs::write(&file, vec![b'#'; 65 << 10]).expect("write");
    assert!(take_over(&file, dir.path()).expect_err("too large").to_string().contains("64 KiB"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "(token|address|vlan|dns|=|/|[ -~\n]){0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn no_name_breaks_out_of_the_shell_s_quotes(name in "[ -~]{1,40}") {
        let name = name.trim().to_owned();
        prop_assume!(!name.is_empty() && !name.starts_with('='));
        let text = format!("name = {name}\n");
        let provision = read(&text).expect("any name will do");
        prop_assert_eq!(provision.name.as_deref(), Some(name.as_str()));
    }
}

#[test]
fn the_token_of_the_tests_is_one() {
    assert!(BASE64URL_NOPAD.decode(&token().as_bytes()[4..]).is_ok());
}
