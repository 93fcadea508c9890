//! `ringside-cloud` with a customer and an administrator.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::api::Api;
use crate::authority::{Authority, Issued};
use crate::folder::Folder;
use crate::processes::{Process, program, run};

/// The customer.
pub const CUSTOMER: &str = "Acme";

const LOGIN: &str = "eva";
const PASSWORD: &str = "a password for this test";

/// The service on 127.0.0.1, on ports that the system chooses, with a folder of its own.
#[derive(Debug)]
pub struct Cloud {
    folder: Folder,
    tls: Option<(PathBuf, PathBuf, String)>,
    process: Process,
    /// Where sensors connect.
    pub sensors: SocketAddr,
    /// Where people connect.
    pub web: SocketAddr,
}

impl Cloud {
    /// With a CA of its own.
    #[must_use]
    pub fn start() -> Self {
        Self::start_in(Folder::new(), None)
    }

    /// With a certificate by `authority`.
    #[must_use]
    pub fn start_with(authority: &Authority, issued: &Issued) -> Self {
        let folder = Folder::new();
        let (chain, key) = issued.write(&folder);
        Self::start_in(folder, Some((chain, key, authority.pem())))
    }

    fn start_in(folder: Folder, tls: Option<(PathBuf, PathBuf, String)>) -> Self {
        let (process, sensors, web) = serve(&folder, tls.as_ref());
        let cloud = Self { folder, tls, process, sensors, web };
        cloud.admin(&["customer", "add", CUSTOMER]);
        let add = ["user", "add", LOGIN, "--customer", CUSTOMER, "--role", "admin"];
        cloud.admin_told(&[&add[..], &["--password-stdin"]].concat(), PASSWORD);
        cloud
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, on other ports, after it was killed.
    pub fn start_again(&mut self) {
        (self.process, self.sensors, self.web) = serve(&self.folder, self.tls.as_ref());
    }

    /// Does something with `ringside-cloud admin`; answers what it prints.
    ///
    /// # Panics
    /// Where it fails.
    pub fn admin(&self, words: &[&str]) -> String {
        self.admin_told(words, "")
    }

    fn admin_told(&self, words: &[&str], input: &str) -> String {
        let data = self.data().display().to_string();
        let arguments = [&["admin"], words, &["--data", &data]].concat();
        let output = run("ringside-cloud", &arguments, input);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "admin {words:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A new enrolment token for this service.
    #[must_use]
    pub fn token(&self) -> String {
        self.token_for(&format!("localhost:{}", self.sensors.port()))
    }

    /// A new enrolment token that names another way to this service.
    ///
    /// # Panics
    /// Where none is printed.
    #[must_use]
    pub fn token_for(&self, server: &str) -> String {
        let said = self.admin(&["token", "new", "--customer", CUSTOMER, "--server", server]);
        said.lines().next().expect("a token").to_owned()
    }

    /// The API, logged in.
    #[must_use]
    pub fn api(&self) -> Api {
        let base = format!("https://127.0.0.1:{}", self.web.port());
        Api::log_in(&base, &self.ca_pem(), LOGIN, PASSWORD)
    }

    /// The API as somebody of the same customer who only looks.
    #[must_use]
    pub fn viewer(&self) -> Api {
        self.person("vera", CUSTOMER, "viewer")
    }

    /// The API as an administrator of another customer.
    #[must_use]
    pub fn other_customer(&self) -> Api {
        self.admin(&["customer", "add", "Other"]);
        self.person("otto", "Other", "admin")
    }

    fn person(&self, login: &str, customer: &str, role: &str) -> Api {
        let add = ["user", "add", login, "--customer", customer, "--role", role];
        self.admin_told(&[&add[..], &["--password-stdin"]].concat(), PASSWORD);
        let base = format!("https://127.0.0.1:{}", self.web.port());
        Api::log_in(&base, &self.ca_pem(), login, PASSWORD)
    }

    /// RssAnon of its process, bytes.
    ///
    /// # Panics
    /// Where the system does not tell.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>();
        kibibytes.expect("a number") * 1024
    }

    /// The CA that signs its certificate.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        match &self.tls {
            Some((_, _, pem)) => pem.clone(),
            None => std::fs::read_to_string(self.data().join("tls/ca.pem")).expect("a CA"),
        }
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What it has written.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }
}

/// Starts the service and reads where it listens.
fn serve(
    folder: &Folder,
    tls: Option<&(PathBuf, PathBuf, String)>,
) -> (Process, SocketAddr, SocketAddr) {
    let mut command = Command::new(program("ringside-cloud"));
    command
        .args(["serve", "--sensors", "127.0.0.1:0", "--web", "127.0.0.1:0"])
        .args(["--name", "localhost"])
        .arg("--data")
        .arg(folder.join("data"));
    if let Some((chain, key, _)) = tls {
        command.arg("--tls-cert").arg(chain).arg("--tls-key").arg(key);
    }
    let process = Process::start("ringside-cloud", &mut command);
    let listening = |begin: &str| -> SocketAddr {
        let line = process.wait_for(begin, |line| line.starts_with(begin));
        let address = line.split("listening on ").nth(1).and_then(|rest| rest.strip_suffix(')'));
        address.and_then(|address| address.parse().ok()).expect("an address")
    };
    let (sensors, web) = (listening("sensors connect to "), listening("people open "));
    (process, sensors, web)
}
