//! What was taken over, in the forms in which others read it.

use std::fs;
use std::io;
use std::path::Path;

use super::Provision;
use crate::store::atomic;

/// Writes every file; one that has nothing to say is removed.
pub(super) fn files(provision: &Provision, into: &Path) -> io::Result<()> {
    let file = |name: &str, text: String, mode: u32| {
        let path = into.join(name);
        if !text.is_empty() {
            return atomic::replace(&path, text.as_bytes(), mode);
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    file("sensor.conf", sensor(provision), 0o600)?;
    file(
        "authorized_keys",
        provision.ssh_keys.iter().map(|key| format!("{key}\n")).collect(),
        0o600,
    )?;
    file("wifi", wifi(provision), 0o600)?;
    // Last: the start scripts look for this one.
    file("network", network(provision), 0o644)
}

/// The token that was taken over earlier.
pub(super) fn token(into: &Path) -> Option<String> {
    value(&into.join("sensor.conf"), "cloud_token = ", "")
}

/// The Wi-Fi's password that was taken over earlier.
pub(super) fn wifi_password(into: &Path) -> Option<String> {
    value(&into.join("wifi"), "\tpsk=\"", "\"")
}

fn value(file: &Path, before: &str, behind: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let found = text.lines().find_map(|line| line.strip_prefix(before)?.strip_suffix(behind));
    found.map(str::to_owned)
}

/// Lines for the sensor's configuration.
fn sensor(provision: &Provision) -> String {
    let mut text = String::new();
    if !provision.capture.is_empty() {
        text += &format!("interface = {}\n", provision.capture.join(", "));
    }
    for (key, value) in [("name_sensor", &provision.name), ("cloud_token", &provision.token)] {
        if let Some(value) = value {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

/// `NAME='VALUE'`, every name in every file.
fn network(provision: &Provision) -> String {
    let join = |parts: Vec<String>| parts.join(" ");
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (address, prefix) = match provision.address {
        Some((address, prefix)) => (address.to_string(), prefix.to_string()),
        None => Default::default(),
    };
    let values = [
        ("MANAGEMENT", text(&provision.management)),
        ("VLAN", provision.vlan.map(|vlan| vlan.to_string()).unwrap_or_default()),
        ("ADDRESS", address),
        ("PREFIX", prefix),
        ("GATEWAY", provision.gateway.map(|gateway| gateway.to_string()).unwrap_or_default()),
        ("DNS", join(provision.dns.iter().map(ToString::to_string).collect())),
        ("NTP", join(provision.ntp.clone())),
        ("CAPTURE", join(provision.capture.clone())),
        ("SSH", if provision.ssh_keys.is_empty() { "no" } else { "yes" }.to_owned()),
        ("WIFI", if provision.is_wifi_on { "yes" } else { "no" }.to_owned()),
        ("HOST_NAME", text(&provision.name)),
    ];
    values.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect()
}

/// A block for wpa_supplicant.
fn wifi(provision: &Provision) -> String {
    let (true, Some(name)) = (provision.is_wifi_on, &provision.wifi_name) else {
        return String::new();
    };
    // As hexadecimal digits no character of a name has a meaning.
    let name: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    match &provision.wifi_password {
        // wpa_supplicant ends a quoted text at its last quotation mark.
        Some(password) => format!("network={{\n\tssid={name}\n\tpsk=\"{password}\"\n}}\n"),
        None => format!("network={{\n\tssid={name}\n\tkey_mgmt=NONE\n}}\n"),
    }
}

/// A word for a shell, whatever it holds.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
