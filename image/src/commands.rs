//! What each command does, joined from the modules; every error becomes one sentence.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ringside_protocol::slot::Slot;

use crate::board::Board;
use crate::build::{self, Inputs};
use crate::cli::{self, Arguments, USAGE};
use crate::device::Kernel;
use crate::layout::Role;
use crate::slots::{self, Blocks, Target};
use crate::tryboot::Pair;
use crate::{flash, inspect, sign, table};

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// Why a command ends early.
enum Stop {
    Usage(String),
    Failed(String),
}

impl Stop {
    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<String> for Stop {
    fn from(what: String) -> Self {
        Self::Usage(what)
    }
}

/// Runs the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = cli::parse(arguments).map_err(Stop::Usage).and_then(|found| run(&found));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Usage(what)) => {
            eprintln!("ringside-image: {what}\n\n{USAGE}");
            WRONG_USAGE.into()
        }
        Err(Stop::Failed(what)) => {
            eprintln!("ringside-image: {what}");
            FAILED.into()
        }
    }
}

fn run(found: &Arguments) -> Result<(), Stop> {
    match found.command.as_str() {
        "build" => build(found)?,
        "flash" => {
            let [image, disk] = found.words("IMAGE DISK|FILE")?;
            let done = flash::flash(image, disk, &Kernel::default()).map_err(Stop::failed)?;
            println!(
                "{}: {} bytes written and read back\nPIN for the label: {}",
                disk.display(),
                done.written,
                done.pin
            );
        }
        "inspect" => {
            let [file] = found.words("IMAGE|BUNDLE")?;
            let text = match found.path("public-key") {
                Some(key) => inspect::bundle(file, &key).map_err(Stop::failed)?,
                None => inspect::image(file).map_err(Stop::failed)?,
            };
            print!("{text}");
        }
        "install" => {
            let [bundle] = found.words("BUNDLE --device PARTITION")?;
            let (root, running) = (Path::new("/"), running()?);
            let target = target(found, running)?;
            let done = slots::install(bundle, root, &blocks(found), running, &target);
            let manifest = done.map_err(Stop::failed)?;
            println!("version {} is installed: restart to try it", manifest.version);
        }
        "grow" => {
            let [disk] = found.words("DISK")?;
            grow(disk)?;
        }
        _ => print!("{USAGE}"),
    }
    Ok(())
}

fn build(found: &Arguments) -> Result<(), Stop> {
    let board = Board::load(&found.needed("board")?).map_err(Stop::failed)?;
    let version = found.text("version")?.ok_or_else(|| "build needs --version".to_owned())?;
    let epoch = match found.text("epoch")? {
        None => 0,
        Some(text) => text.parse().map_err(|_| "--epoch is a number of seconds".to_owned())?,
    };
    let arguments = found.text("kernel-arguments")?.unwrap_or_default();
    let inputs = Inputs {
        board,
        version,
        root: found.needed("root")?,
        kernel: found.needed("kernel")?,
        initrd: found.path("initrd"),
        sensor: found.needed("sensor")?,
        tool: found.needed("tool")?,
        loader: found.needed("loader")?,
        kernel_arguments: arguments.split_whitespace().map(str::to_owned).collect(),
        public_key: found.path("public-key"),
        epoch,
    };
    let password = std::env::var("RINGSIDE_KEY_PASSWORD").ok();
    let key = found.path("key").map(|path| sign::secret_key(&path, password));
    let key = key.transpose().map_err(Stop::failed)?;
    let done = build::build(&inputs, key.as_ref(), &found.needed("out")?).map_err(Stop::failed)?;
    println!(
        "{}: {} bytes, {} of them to be written\nroot: {} bytes",
        done.image.display(),
        done.image_bytes,
        done.mapped_bytes,
        done.root_bytes
    );
    match done.bundle {
        Some(bundle) => println!("bundle: {}", bundle.display()),
        None => println!("no bundle was made: --key names the key to sign it with"),
    }
    Ok(())
}

/// Makes the last partition reach the disk's end. The kernel learns of it from `partx` or a restart.
fn grow(path: &Path) -> Result<(), Stop> {
    let at = |error| Stop::Failed(format!("{}: {error}", path.display()));
    let mut disk = File::options().read(true).write(true).open(path).map_err(at)?;
    let bytes = std::io::Seek::seek(&mut disk, std::io::SeekFrom::End(0)).map_err(at)?;
    if let Some(ends) = table::grown(&disk, bytes).map_err(Stop::failed)? {
        ends.write(&disk).map_err(at)?;
        println!("the data partition reaches the end of {}", path.display());
    }
    Ok(())
}

fn blocks(found: &Arguments) -> Blocks {
    let boot = found.path("boot").unwrap_or_else(|| PathBuf::from("/boot"));
    match found.path("firmware") {
        None => Blocks::of(&boot),
        Some(_) => Blocks::with_autoboot(&boot),
    }
}

/// Where the slot that does not run is.
fn target(found: &Arguments, running: Slot) -> Result<Target, Stop> {
    let root = found.needed("device")?;
    let Some(firmware) = found.path("firmware") else { return Ok(Target { root, pair: None }) };
    let path = found.needed("disk")?;
    let at = |error| Stop::Failed(format!("{}: {error}", path.display()));
    let mut disk = File::open(&path).map_err(at)?;
    let bytes = std::io::Seek::seek(&mut disk, std::io::SeekFrom::End(0)).map_err(at)?;
    let entries = table::read(&disk, bytes).map_err(Stop::failed)?;
    let role = match running.other() {
        Slot::A => Role::RootA,
        Slot::B => Role::RootB,
    };
    let entry = entries.iter().find(|entry| entry.name == role.name());
    let entry = entry.ok_or_else(|| Stop::Failed(format!("there is no {}", role.name())))?;
    Ok(Target { root, pair: Some(Pair { firmware, root: entry.id }) })
}

/// The slot that the box runs from.
fn running() -> Result<Slot, Stop> {
    let line = fs::read_to_string("/proc/cmdline").map_err(Stop::failed)?;
    slots::running(&line).map_err(Stop::failed)
}
