//! A box in QEMU: real firmware, two network cards, a disk, and its console line by line.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringside_image::board::Architecture;

use crate::processes::{Process, wait_for};
use crate::write_cache::WriteCache;

/// From power-on to anything: five times what an idle machine needs, since all of it is emulated.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Between two frames into the mirror port, so that none is lost on the way.
const FRAME_EVERY: Duration = Duration::from_micros(300);

/// Between two looks at the status page.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The host as the box sees it.
pub const HOST: &str = "10.0.2.2";

/// What the management card's cable ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// A network with DHCP, in which the host is [`HOST`].
    Lan,
    /// A network in which nobody answers.
    Silence,
    /// Nothing, until [`Machine::plug_in`]; the network of [`Cable::Lan`] then.
    Unplugged,
}

/// A running machine; switched off when it is dropped.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    mirror: UdpSocket,
    monitor: PathBuf,
    status_port: u16,
    read: usize,
    cache: Option<WriteCache>,
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// Which QEMU.
    pub architecture: Architecture,
    /// Its disk.
    pub disk: PathBuf,
    /// The disk has a write cache of its own, which a power cut empties.
    pub caches_writes: bool,
    /// Firmware variables, kept between starts.
    pub variables: PathBuf,
    /// A second disk.
    pub stick: Option<PathBuf>,
    /// MiB.
    pub memory: u32,
    /// Started by QEMU itself, without firmware and loader: UEFI alone wants more memory than a box.
    pub direct: Option<Direct>,
    /// Of the management card.
    pub cable: Cable,
    /// What the clock says at power-on, such as `2001-01-01T00:00:00`; `None`: the host's time.
    pub clock: Option<&'static str>,
}

/// A kernel that QEMU starts.
#[derive(Clone, Debug)]
pub struct Direct {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initial RAM filesystem.
    pub initrd: PathBuf,
    /// Its command line.
    pub command_line: String,
}

impl Hardware {
    /// A machine with this disk; its firmware's variables are kept beside it.
    ///
    /// # Panics
    /// Where the firmware is not installed.
    #[must_use]
    pub fn new(architecture: Architecture, disk: &Path) -> Self {
        let (_, template) = firmware(architecture);
        let variables = disk.with_extension("vars");
        std::fs::copy(template, &variables).expect("the firmware is installed");
        Self {
            architecture,
            disk: disk.to_owned(),
            caches_writes: false,
            variables,
            stick: None,
            memory: 512,
            direct: None,
            cable: Cable::Lan,
            clock: None,
        }
    }

    /// Switches it on.
    ///
    /// # Panics
    /// Where QEMU does not start.
    #[must_use]
    pub fn power_on(&self) -> Machine {
        let any = || UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        let mirror = any();
        let ours = mirror.local_addr().expect("it is bound").port();
        // QEMU wants a number: one that was free a moment ago.
        let theirs = any().local_addr().expect("it is bound").port();
        let status = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let status_port = status.local_addr().expect("it is bound").port();
        drop(status);
        mirror.connect(("127.0.0.1", theirs)).expect("loopback connects");
        let monitor = self.disk.with_extension("monitor");
        let cache = self.caches_writes.then(|| WriteCache::start(&self.disk));
        let disk = cache.as_ref().map_or_else(|| self.disk.display().to_string(), WriteCache::url);
        let mut command = self.command(&disk, ours, theirs);
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        command.arg("-netdev").arg(match self.cable {
            Cable::Lan | Cable::Unplugged => {
                format!("user,id=management,hostfwd=tcp:127.0.0.1:{status_port}-:80")
            }
            Cable::Silence => "hubport,id=management,hubid=0".to_owned(),
        });
        let process = Process::start("QEMU", &mut command);
        let machine = Machine { process, mirror, monitor, status_port, read: 0, cache };
        if self.cable == Cable::Unplugged {
            machine.tell_monitor("set_link management off");
        }
        machine
    }

    fn command(&self, disk: &str, ours: u16, theirs: u16) -> Command {
        let (code, _) = firmware(self.architecture);
        let mut command = match self.architecture {
            Architecture::X86_64 => {
                let mut command = Command::new("qemu-system-x86_64");
                command.args(["-M", "q35", "-cpu", "max"]);
                command
            }
            Architecture::Aarch64 => {
                let mut command = Command::new("qemu-system-aarch64");
                // `max` computes pointer authentication and is three times slower.
                command.args(["-M", "virt", "-cpu", "cortex-a53"]);
                command
            }
        };
        let raw = |path: &Path, kind: &str| format!("if={kind},format=raw,file={}", path.display());
        command
            .args(["-m", &self.memory.to_string(), "-nodefaults", "-no-user-config"])
            .args(["-display", "none", "-serial", "stdio", "-action", "watchdog=reset"])
            .args(["-drive", &format!("if=virtio,format=raw,file={disk}")])
            .args(["-device", "virtio-net-pci,netdev=management,romfile="])
            .arg("-netdev")
            .arg(format!(
                "dgram,id=mirror,local.type=inet,local.host=127.0.0.1,local.port={theirs},\
                 remote.type=inet,remote.host=127.0.0.1,remote.port={ours}"
            ))
            .args(["-device", "virtio-net-pci,netdev=mirror,romfile="]);
        match &self.direct {
            Some(direct) => {
                command.arg("-kernel").arg(&direct.kernel).arg("-initrd").arg(&direct.initrd);
                command.args(["-append", &direct.command_line]);
            }
            None => {
                command
                    .args(["-boot", "menu=on,splash-time=0"])
                    .args(["-drive", &(raw(Path::new(code), "pflash") + ",readonly=on")])
                    .args(["-drive", &raw(&self.variables, "pflash")]);
            }
        }
        if let Some(clock) = self.clock {
            command.args(["-rtc", &format!("base={clock}")]);
        }
        if let Some(stick) = &self.stick {
            command.args(["-drive", &(raw(stick, "virtio") + ",readonly=on")]);
        }
        command
    }
}

impl Machine {
    /// Waits until the console shows a line with `text`, from the last such line on.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the whole console.
    pub fn says(&mut self, text: &str) -> String {
        let what = format!("a line with {text:?}");
        let found = self.process.wait_from(self.read, PATIENCE, &what, |line| line.contains(text));
        let (line, read) = found;
        self.read = read;
        line
    }

    /// Waits until the console shows every one of `texts`, in any order.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the whole console.
    pub fn says_all(&mut self, texts: &[&str]) {
        let begin = self.read;
        let mut last = begin;
        for text in texts {
            self.read = begin;
            _ = self.says(text);
            last = last.max(self.read);
        }
        self.read = last;
    }

    /// Sends frames to the mirror port.
    ///
    /// # Panics
    /// Where loopback does not take them.
    pub fn mirror(&self, frames: &[&[u8]]) {
        for frame in frames {
            self.mirror.send(frame).expect("loopback takes it");
            std::thread::sleep(FRAME_EVERY);
        }
    }

    /// Plugs the management card's cable in.
    pub fn plug_in(&self) {
        self.tell_monitor("set_link management on");
    }

    /// The status page, once it can be reached and `holds` is in it.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the page as it was last.
    #[must_use]
    pub fn status_page(&self, holds: &str) -> String {
        let address = format!("http://127.0.0.1:{}/", self.status_port);
        let deadline = Instant::now() + PATIENCE;
        let mut page = String::new();
        while !page.contains(holds) {
            assert!(Instant::now() < deadline, "the status page does not say {holds:?}: {page}");
            // The connection is there before the page is: nothing may answer yet.
            if let Ok(mut answer) = ureq::get(&address).call() {
                page = answer.body_mut().read_to_string().unwrap_or_default();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        page
    }

    /// Has QEMU's own console do something.
    fn tell_monitor(&self, words: &str) {
        let mut monitor = wait_for("QEMU's monitor", || UnixStream::connect(&self.monitor).ok());
        monitor.write_all(format!("{words}\n").as_bytes()).expect("the monitor listens");
        // Its prompt comes when we connect, and again when it has done what it was told.
        let mut answer = [0; 4096];
        let mut seen = String::new();
        while seen.matches("(qemu) ").count() < 2 {
            let count = monitor.read(&mut answer).expect("the monitor answers");
            assert!(count > 0, "the monitor has closed");
            seen += &String::from_utf8_lossy(&answer[..count]);
        }
    }

    /// Cuts its power; answers its whole console.
    pub fn cut_power(mut self) -> String {
        if let Some(cache) = &self.cache {
            let (kept, lost) = cache.cut_power(self.age().subsec_nanos().into());
            println!(
                "power cut after {:?}: of the disk's cache {kept} sectors kept, {lost} lost",
                self.age()
            );
        }
        self.process.kill();
        self.process.written()
    }

    /// Since it was switched on.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.process.age()
    }

    /// The console so far.
    #[must_use]
    pub fn console(&self) -> String {
        self.process.written()
    }
}

/// UEFI firmware and its variables' template, as Debian has them.
const fn firmware(architecture: Architecture) -> (&'static str, &'static str) {
    match architecture {
        Architecture::X86_64 => {
            ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd")
        }
        Architecture::Aarch64 => {
            ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd")
        }
    }
}
