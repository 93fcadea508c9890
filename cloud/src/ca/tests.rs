use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringside-ca-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn settings(&self, names: &[&str]) -> TlsSettings {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        TlsSettings { directory: self.0.join("tls"), names, given: None }
    }

    /// A certificate for `names` and its key as the operator would give them, valid for the days
    /// `from` to `until` from now.
    fn give(&self, names: &[&str], from: i64, until: i64) -> TlsSettings {
        let at = |day| {
            let since = seconds(now()) + days(day);
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(since).unwrap())
        };
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        (params.not_before, params.not_after) = (at(from), at(until));
        let key = rcgen::KeyPair::generate().unwrap();
        let (certificate_path, key_path) = (self.0.join("given.pem"), self.0.join("given.key"));
        fs::write(&certificate_path, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_path, key.serialize_pem()).unwrap();
        TlsSettings { given: Some((certificate_path, key_path)), ..self.settings(&[]) }
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn later(count: u64) -> SystemTime {
    now() + Duration::from_secs(count * 86_400)
}

fn refused(settings: TlsSettings) -> String {
    ServerTls::open(settings, now()).err().expect("it is refused").to_string()
}

#[test]
fn first_start_makes_what_later_starts_find() {
    let directory = TempDir::new();
    let first = ServerTls::open(directory.settings(&["Cloud.Example.net"]), now()).unwrap();
    let again = ServerTls::open(directory.settings(&["cloud.example.net"]), later(100)).unwrap();
    assert_eq!(first.ca_key_sha256(), again.ca_key_sha256());
    assert_eq!(first.resolver.present().key.cert, again.resolver.present().key.cert);
    let names = first.names();
    for name in ["cloud.example.net", "localhost", "127.0.0.1", "::1"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
}

#[test]
fn keys_are_for_the_owner_only() {
    let directory = TempDir::new();
    ServerTls::open(directory.settings(&[]), now()).unwrap();
    let mode = |name: &str| {
        let metadata = fs::metadata(directory.0.join("tls").join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("ca.key"), mode("server.key")), (0o700, 0o600, 0o600));
    assert_eq!((mode("ca.pem"), mode("server.pem")), (0o644, 0o644));
    assert_eq!(fs::read_dir(directory.0.join("tls")).unwrap().count(), 4);
}

#[test]
fn the_server_sends_leaf_and_ca_and_the_token_hash_is_that_of_the_ca() {
    let directory = TempDir::new();
    let tls = ServerTls::open(directory.settings(&[]), now()).unwrap();
    let present = tls.resolver.present();
    let [leaf, ca] = present.key.cert.as_slice() else { panic!("not two certificates") };
    let (leaf, ca) = (certificate::read(leaf).unwrap(), certificate::read(ca).unwrap());
    assert!(ca.is_ca && !leaf.is_ca);
    assert_eq!(Some(sha256(&ca.public_key)), tls.ca_key_sha256());
    assert_eq!(tls.ca().map(Ca::key_sha256), tls.ca_key_sha256());
    assert_eq!((leaf.not_after - leaf.not_before) / days(1), SERVER_DAYS);
    assert_eq!((ca.not_after - ca.not_before) / days(1), 3652);
}

#[test]
fn less_than_a_third_of_the_time_left_means_a_new_certificate_in_the_running_service() {
    let directory = TempDir::new();
    let tls = ServerTls::open(directory.settings(&[]), now()).unwrap();
    let (pin, expires_at) = (tls.ca_key_sha256(), tls.expires_at());
    assert!(!tls.renew(later(397 - 1 - 133)).unwrap());
    assert!(tls.renew(later(397 - 131)).unwrap());
    assert!(tls.expires_at() > expires_at);
    assert_eq!(tls.ca_key_sha256(), pin);
    assert!(!tls.renew(later(397 - 131)).unwrap());
}

#[test]
fn other_names_mean_a_new_certificate_by_the_same_ca() {
    let directory = TempDir::new();
    let first = ServerTls::open(directory.settings(&["a.example"]), now()).unwrap();
    let second = ServerTls::open(directory.settings(&["b.example", "[2001:db8::1]"]), now());
    let second = second.unwrap();
    assert_eq!(first.ca_key_sha256(), second.ca_key_sha256());
    assert!(second.names().contains(&"b.example".to_owned()));
    assert!(second.names().contains(&"2001:db8::1".to_owned()));
    assert!(!second.names().contains(&"a.example".to_owned()));
}

#[test]
fn an_old_ca_is_made_anew_with_its_key() {
    let directory = TempDir::new();
    let first = ServerTls::open(directory.settings(&[]), now()).unwrap();
    let old = Ca::open(&directory.0.join("tls"), now()).unwrap();
    let second = ServerTls::open(directory.settings(&[]), later(3000)).unwrap();
    let new = Ca::open(&directory.0.join("tls"), later(3000)).unwrap();
    assert_eq!(first.ca_key_sha256(), second.ca_key_sha256());
    assert_ne!(old.certificate(), new.certificate());
}

#[test]
fn an_interrupted_first_start_is_finished_by_the_second() {
    let directory = TempDir::new();
    let tls = directory.0.join("tls");
    let first = ServerTls::open(directory.settings(&[]), now()).unwrap();
    for name in ["ca.pem", "server.pem", "server.key"] {
        fs::remove_file(tls.join(name)).unwrap();
    }
    fs::write(tls.join("ca.new"), "half").unwrap();
    let second = ServerTls::open(directory.settings(&[]), now()).unwrap();
    assert_eq!(first.ca_key_sha256(), second.ca_key_sha256());
    fs::write(tls.join("server.pem"), "damaged").unwrap();
    assert!(ServerTls::open(directory.settings(&[]), now()).is_ok());
}

#[test]
fn a_lost_ca_key_is_not_replaced_in_silence() {
    let directory = TempDir::new();
    ServerTls::open(directory.settings(&[]), now()).unwrap();
    fs::remove_file(directory.0.join("tls/ca.key")).unwrap();
    let sentence = refused(directory.settings(&[]));
    assert!(sentence.contains("ca.key is missing: restore it from a backup"), "{sentence}");
}

#[test]
fn a_name_that_is_none_is_refused() {
    let directory = TempDir::new();
    for name in ["", "a b", "-a", "a..b", "*.example", "http://a"] {
        let sentence = refused(directory.settings(&[name]));
        assert!(sentence.contains("neither a host name nor an address"), "{sentence}");
    }
}

#[test]
fn a_given_certificate_is_used_and_read_again_when_it_changes() {
    let directory = TempDir::new();
    let tls = ServerTls::open(directory.give(&["a.example"], -1, 30), now()).unwrap();
    assert_eq!(tls.names(), ["a.example"]);
    assert_eq!(tls.ca_key_sha256(), None);
    assert!(!tls.renew(now()).unwrap());
    directory.give(&["b.example"], -1, 60);
    assert!(tls.renew(now()).unwrap());
    assert_eq!(tls.names(), ["b.example"]);
    assert!(!directory.0.join("tls").exists());
}

#[test]
fn a_given_certificate_must_be_for_the_names_that_are_asked_for() {
    let directory = TempDir::new();
    let settings = |name: &str| TlsSettings {
        names: vec![name.to_owned()],
        ..directory.give(&["a.example", "*.b.example", "192.0.2.1"], -1, 30)
    };
    for name in ["A.example", "x.b.example", "192.0.2.1"] {
        assert!(ServerTls::open(settings(name), now()).is_ok(), "{name}");
    }
    for name in ["b.example", "x.y.b.example", "192.0.2.2"] {
        let sentence = refused(settings(name));
        assert!(
            sentence.contains("is for a.example, *.b.example, 192.0.2.1 and not"),
            "{sentence}"
        );
    }
}

#[test]
fn a_given_chain_is_pinned_by_its_last_certificate() {
    let (directory, other) = (TempDir::new(), TempDir::new());
    let own = ServerTls::open(other.settings(&[]), now()).unwrap();
    let given = Some((other.0.join("tls/server.pem"), other.0.join("tls/server.key")));
    let settings = TlsSettings { given, ..directory.settings(&[]) };
    let tls = ServerTls::open(settings, now()).unwrap();
    assert_eq!(tls.ca_key_sha256(), own.ca_key_sha256());
}

#[test]
fn a_given_certificate_that_will_not_do_is_refused_with_what_to_do() {
    let directory = TempDir::new();
    for (names, from, until, says) in [
        (&["a.example"][..], -30, -1, "expired at 2026-11-17T"),
        (&["a.example"], 1, 30, "check this machine's clock"),
        (&[], -1, 30, "has no subject alternative names"),
    ] {
        let sentence = refused(directory.give(names, from, until));
        assert!(sentence.contains(says), "{sentence}");
    }
    let settings = directory.give(&["a.example"], -1, 30);
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    fs::write(directory.0.join("given.key"), other).unwrap();
    assert!(refused(settings.clone()).contains("is not that of the first certificate"));
    fs::write(directory.0.join("given.key"), "nothing").unwrap();
    assert!(refused(settings.clone()).contains("holds no PEM private key"));
    fs::remove_file(directory.0.join("given.key")).unwrap();
    assert!(refused(settings.clone()).contains("cannot be read"));
    fs::write(directory.0.join("given.pem"), "nothing").unwrap();
    assert!(refused(settings).contains("holds no PEM certificate"));
}
