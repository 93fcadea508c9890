//! The image of a board: partition table, boot volume, the same system in both slots, an empty data
//! partition; beside it its block map, its checksum and the bundle that brings the same system to a box.

use core::fmt;
use core::ops::Range;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use minisign::SecretKey;
use ringside_protocol::slot::{GRUB_CHOICE, Slot, Slots};

use crate::bmap::{self, Map};
use crate::board::{Board, Loader, MIB};
use crate::bundle::{self, BundleError};
use crate::fat::{self, Files};
use crate::layout::{Layout, Part, Role};
use crate::progress::Progress;
use crate::root::{self, Addition, Content, RootError};
use crate::table::{self, Ids, TableError};
use crate::tryboot;

/// What every kernel is told: a panic restarts, so that the other slot gets its turn, and names of
/// network interfaces are those of the board file.
const ARGUMENTS: &str = "ro rootfstype=squashfs rootwait panic=5 net.ifnames=0 quiet";

/// What goes into an image.
#[derive(Debug)]
pub struct Inputs {
    /// Checked facts.
    pub board: Board,
    /// Of the whole: `0.2.0`.
    pub version: String,
    /// Root filesystem: folder, tar or squashfs.
    pub root: PathBuf,
    /// Kernel.
    pub kernel: PathBuf,
    /// Initial RAM filesystem, where the kernel needs one.
    pub initrd: Option<PathBuf>,
    /// Static sensor.
    pub sensor: PathBuf,
    /// This program for the board, which installs upgrades there.
    pub tool: PathBuf,
    /// GRUB for the board's UEFI firmware; with tryboot a folder of the firmware's files.
    pub loader: PathBuf,
    /// Kernel arguments beyond the board's.
    pub kernel_arguments: Vec<String>,
    /// Key that upgrades must be signed with.
    pub public_key: Option<PathBuf>,
    /// Time of all files, seconds since 1970.
    pub epoch: u64,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The image.
    pub image: PathBuf,
    /// Of the image.
    pub image_bytes: u64,
    /// What a flashing program writes of them.
    pub mapped_bytes: u64,
    /// Of one slot's squashfs.
    pub root_bytes: u64,
    /// The bundle, where there was a key.
    pub bundle: Option<PathBuf>,
}

/// Why there is no image.
#[derive(Debug)]
pub enum BuildError {
    /// A file, and the system's words.
    Io(PathBuf, io::Error),
    /// The root.
    Root(RootError),
    /// The partition table.
    Table(TableError),
    /// The bundle.
    Bundle(BundleError),
    /// The root is larger than its slot, bytes.
    SlotTooSmall {
        /// Of the root.
        root: u64,
        /// Of the slot.
        slot: u64,
    },
    /// The files of a FAT volume are more than it holds.
    VolumeTooSmall(&'static str, io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Root(error) => fmt::Display::fmt(error, f),
            Self::Table(error) => fmt::Display::fmt(error, f),
            Self::Bundle(error) => fmt::Display::fmt(error, f),
            Self::SlotTooSmall { root, slot } => write!(
                f,
                "the root takes {root} bytes and a slot has {slot}: raise `slot_mib` in the board \
                 file, or leave something out"
            ),
            Self::VolumeTooSmall(key, error) => write!(
                f,
                "the files do not fit into the FAT partition ({error}): raise `{key}` in the board \
                 file"
            ),
        }
    }
}

impl core::error::Error for BuildError {}

/// Builds into the folder `out`.
///
/// # Errors
/// Every [`BuildError`]; no image is left behind then.
pub fn build(inputs: &Inputs, key: Option<&SecretKey>, out: &Path) -> Result<Outputs, BuildError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| BuildError::Io(path, error)
    };
    let name = format!("ringside-{}-{}", inputs.board.id, inputs.version);
    let work = out.join(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(&work).map_err(at(&work))?;
    let made = build_in(inputs, key, out, &name, &work);
    // A folder that stays behind harms nothing.
    drop(fs::remove_dir_all(&work));
    made
}

fn build_in(
    inputs: &Inputs,
    key: Option<&SecretKey>,
    out: &Path,
    name: &str,
    work: &Path,
) -> Result<Outputs, BuildError> {
    let layout = Layout::of(&inputs.board);
    eprintln!("packing the root ...");
    let root = work.join("root.squashfs");
    root::make(&inputs.root, &additions(inputs), inputs.epoch, work, &root)
        .map_err(BuildError::Root)?;
    let root_bytes = size(&root)?;
    let slot = inputs.board.disk.slot_mib * MIB;
    if root_bytes > slot {
        return Err(BuildError::SlotTooSmall { root: root_bytes, slot });
    }

    let part = work.join("image");
    let image_bytes = layout.image_bytes();
    let map = assemble(inputs, &layout, &root, &part)?;
    let image = out.join(format!("{name}.img"));
    write(&out.join(format!("{name}.img.bmap")), &map.to_xml())?;
    let file = File::open(&part).map_err(|error| BuildError::Io(part.clone(), error))?;
    let mut progress = Progress::new("summing the image", image_bytes);
    let sum = bmap::sha256_of(&file, &(0..image_bytes), |bytes| progress.advance(bytes))
        .map_err(|error| BuildError::Io(part.clone(), error))?;
    write(&out.join(format!("{name}.img.sha256")), &format!("{sum}  {name}.img\n"))?;
    fs::rename(&part, &image).map_err(|error| BuildError::Io(image.clone(), error))?;

    let bundle = match key {
        None => None,
        Some(key) => {
            let bundle = out.join(format!("{name}.bundle"));
            let firmware = work.join("firmware.vfat");
            let mut images = vec![("root.squashfs", root.as_path())];
            if let Some(volume) = firmware_volume(inputs, Slot::A)? {
                fs::write(&firmware, volume)
                    .map_err(|error| BuildError::Io(firmware.clone(), error))?;
                images.push(("firmware.vfat", &firmware));
            }
            bundle::write(&bundle, &inputs.board.id, &inputs.version, &images, key)
                .map_err(BuildError::Bundle)?;
            Some(bundle)
        }
    };
    Ok(Outputs { image, image_bytes, mapped_bytes: map.mapped_bytes(), root_bytes, bundle })
}

/// Writes the image and says what of it must be written to a disk.
fn assemble(inputs: &Inputs, layout: &Layout, root: &Path, path: &Path) -> Result<Map, BuildError> {
    let at = |error| BuildError::Io(path.to_owned(), error);
    let image_bytes = layout.image_bytes();
    let image = File::options().read(true).write(true).create(true).truncate(true).open(path);
    let image = image.map_err(at)?;
    image.set_len(image_bytes).map_err(at)?;
    let ends =
        table::make(layout, Ids::From(&seed(inputs)), image_bytes).map_err(BuildError::Table)?;
    ends.write(&image).map_err(at)?;
    let mut mapped: Vec<Range<u64>> = ends.ranges().to_vec();

    let root_file = File::open(root).map_err(|error| BuildError::Io(root.to_owned(), error))?;
    let root_bytes = size(root)?;
    let total = inputs.board.disk.boot_mib * MIB + 2 * root_bytes;
    let mut progress = Progress::new("writing the image", total);
    for &Part { role, at: start, bytes } in layout.parts() {
        let used = match role {
            Role::Boot => {
                let volume = fat::make(bytes, "RINGSIDE", &boot_files(inputs, layout)?)
                    .map_err(|error| BuildError::VolumeTooSmall("boot_mib", error))?;
                image.write_all_at(&volume, start).map_err(at)?;
                progress.advance(bytes);
                bytes
            }
            Role::FirmwareA | Role::FirmwareB => {
                let slot = if role == Role::FirmwareA { Slot::A } else { Slot::B };
                let volume = firmware_volume(inputs, slot)?.unwrap_or_default();
                image.write_all_at(&volume, start).map_err(at)?;
                bytes
            }
            Role::RootA | Role::RootB => {
                bmap::for_chunks(&root_file, &(0..root_bytes), |at, chunk| {
                    progress.advance(chunk.len() as u64);
                    image.write_all_at(chunk, start + at)
                })
                .map_err(at)?;
                root_bytes
            }
            // Zeros, so that no file system of an earlier life of the disk is found there.
            Role::Data => MIB,
        };
        mapped.push(start..start + used);
    }
    image.sync_all().map_err(at)?;
    Map::of(&image, image_bytes, &mapped).map_err(at)
}

/// Of the partitions' identifiers in the image; a flashed disk has its own.
fn seed(inputs: &Inputs) -> String {
    format!("{} {}", inputs.board.id, inputs.version)
}

/// What is put into the root.
fn additions(inputs: &Inputs) -> Vec<Addition> {
    let file = |path: &str, from: &Path, mode| Addition {
        path: path.to_owned(),
        content: Content::File(from.to_owned()),
        mode,
    };
    let mut additions = vec![
        file("usr/bin/ringside-sensor", &inputs.sensor, 0o755),
        file("usr/bin/ringside-image", &inputs.tool, 0o755),
        Addition {
            path: root::RELEASE.to_owned(),
            content: Content::Text(release(inputs)),
            mode: 0o644,
        },
    ];
    if inputs.board.loader == Loader::Grub {
        additions.push(file("boot/vmlinuz", &inputs.kernel, 0o644));
        additions.extend(inputs.initrd.iter().map(|from| file("boot/initrd.img", from, 0o644)));
    }
    additions.extend(inputs.public_key.iter().map(|from| file(root::PUBLIC_KEY, from, 0o644)));
    additions
}

/// The box's facts as its scripts read them: shell assignments.
fn release(inputs: &Inputs) -> String {
    let board = &inputs.board;
    let layout = Layout::of(board);
    let number = |role| layout.number(role).unwrap_or_default();
    format!(
        "BOARD={}\nVERSION={}\nARCHITECTURE={}\nLOADER={}\nBOOT_PART={}\nFIRMWARE_A_PART={}\n\
         FIRMWARE_B_PART={}\nROOT_A_PART={}\nROOT_B_PART={}\nDATA_PART={}\nMANAGEMENT={}\n\
         CAPTURE=\"{}\"\nMODULES=\"{}\"\n",
        board.id,
        inputs.version,
        board.architecture.name(),
        board.loader.name(),
        number(Role::Boot),
        number(Role::FirmwareA),
        number(Role::FirmwareB),
        number(Role::RootA),
        number(Role::RootB),
        number(Role::Data),
        board.management,
        board.capture.join(" "),
        board.modules.join(" "),
    )
}

/// The boot volume's files.
fn boot_files(inputs: &Inputs, layout: &Layout) -> Result<Files, BuildError> {
    let board = &inputs.board;
    let mut files = Files::new();
    match board.loader {
        Loader::Grub => {
            let loader = read(&inputs.loader)?;
            files.insert(format!("EFI/BOOT/{}", board.architecture.efi_file()), loader);
            files.insert("EFI/BOOT/grub.cfg".to_owned(), grub_config(inputs, layout).into_bytes());
        }
        Loader::Tryboot => {
            files.insert(tryboot::AUTOBOOT.to_owned(), tryboot::autoboot(Slot::A).into_bytes());
        }
    }
    // Both slots hold the same system.
    let block = Slots::default().to_block();
    for name in ["ringside/env.1", "ringside/env.2"] {
        files.insert(name.to_owned(), block.to_vec());
    }
    Ok(files)
}

fn grub_config(inputs: &Inputs, layout: &Layout) -> String {
    let number = |role| layout.number(role).unwrap_or_default().to_string();
    include_str!("grub.cfg")
        .replace("@CHOICE@", GRUB_CHOICE)
        .replace("@ROOT_A@", &number(Role::RootA))
        .replace("@ROOT_B@", &number(Role::RootB))
        .replace("@ARGUMENTS@", &kernel_arguments(inputs))
}

/// Everything behind `root=` and the slot's name.
fn kernel_arguments(inputs: &Inputs) -> String {
    let board = &inputs.board;
    let mut words = vec![ARGUMENTS.to_owned()];
    words.extend(board.consoles.iter().map(|console| format!("console={console}")));
    words.extend(board.kernel_arguments.iter().cloned());
    words.extend(inputs.kernel_arguments.iter().cloned());
    words.join(" ")
}

/// The FAT volume of a Raspberry Pi slot: the firmware's files, the kernel, its command line.
fn firmware_volume(inputs: &Inputs, slot: Slot) -> Result<Option<Vec<u8>>, BuildError> {
    let Some(bytes) = inputs.board.firmware_bytes() else { return Ok(None) };
    let mut files = Files::new();
    collect(&inputs.loader, "", &mut files)?;
    files.insert("kernel8.img".to_owned(), read(&inputs.kernel)?);
    if let Some(initrd) = &inputs.initrd {
        files.insert("initrd.img".to_owned(), read(initrd)?);
    }
    let role = if slot == Slot::A { Role::RootA } else { Role::RootB };
    let root = Ids::From(&seed(inputs)).of(role.name());
    let line = tryboot::command_line(slot, root, &kernel_arguments(inputs));
    files.insert(tryboot::COMMAND_LINE.to_owned(), line.into_bytes());
    fat::make(bytes, "RINGSIDE-FW", &files)
        .map(Some)
        .map_err(|error| BuildError::VolumeTooSmall("firmware_mib", error))
}

/// Every file below a folder.
fn collect(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), BuildError> {
    let at = |error| BuildError::Io(folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            files.insert(format!("{prefix}{name}"), read(&path)?);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|error| BuildError::Io(path.to_owned(), error))
}

fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    fs::write(path, text).map_err(|error| BuildError::Io(path.to_owned(), error))
}

fn size(path: &Path) -> Result<u64, BuildError> {
    let metadata = fs::metadata(path).map_err(|error| BuildError::Io(path.to_owned(), error))?;
    Ok(metadata.len())
}
