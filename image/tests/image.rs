//! From inputs to a flashed disk: the same bytes each time, and each damage by its own sentence.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ringside_image::board::Board;
use ringside_image::build::{self, BuildError, Inputs, Outputs};
use ringside_image::device::Kernel;
use ringside_image::fat::{self, Window};
use ringside_image::flash::{self, FlashError, Flashed};
use ringside_image::{inspect, pin, table};

const MIB: u64 = 1 << 20;

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test.
        drop(fs::remove_dir_all(&self.0));
    }
}

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringside-image-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("root/etc")).expect("a folder can be made");
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// What an image of a small board is made from.
    fn inputs(&self) -> Inputs {
        let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board-configs");
        let mut board = Board::load(&boards.join("qemu-x86_64.toml")).expect("a good board");
        board.disk.boot_mib = 8;
        board.disk.slot_mib = 16;
        self.file("root/etc/hostname", b"ringside\n");
        Inputs {
            board,
            version: "0.1.0".to_owned(),
            root: self.0.join("root"),
            kernel: self.file("kernel", &[1; 100_000]),
            initrd: None,
            sensor: self.file("sensor", &[2; 100_000]),
            tool: self.file("tool", &[3; 100_000]),
            loader: self.file("loader", &[4; 100_000]),
            kernel_arguments: Vec::new(),
            public_key: None,
            epoch: 1_700_000_000,
        }
    }

    fn build(&self, inputs: &Inputs, out: &str) -> Result<Outputs, BuildError> {
        let out = self.0.join(out);
        fs::create_dir_all(&out).expect("a folder can be made");
        build::build(inputs, None, &out)
    }

    fn image(&self) -> Outputs {
        self.build(&self.inputs(), "out").unwrap_or_else(|error| panic!("{error}"))
    }
}

fn flash(image: &Path, target: &Path) -> Result<Flashed, FlashError> {
    flash::flash(image, target, &Kernel::default())
}

fn refused(image: &Path, target: &Path) -> String {
    flash(image, target).expect_err("it is refused").to_string()
}

fn change(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is so long");
    file.write_all_at(&[byte[0] ^ 0xff], at).expect("it can be changed");
}

#[test]
fn the_same_inputs_give_the_same_bytes_from_a_folder_and_from_a_tar() {
    let folder = Folder::new();
    let first = folder.image();
    let tar = folder.0.join("root.tar");
    let mut command = std::process::Command::new("tar");
    let done = command.arg("-cf").arg(&tar).arg("-C").arg(folder.0.join("root")).arg(".").status();
    assert!(done.expect("tar is there").success());
    let second = folder.build(&Inputs { root: tar, ..folder.inputs() }, "again").expect("built");
    let read = |outputs: &Outputs| fs::read(&outputs.image).expect("it is there");
    assert!(read(&first) == read(&second), "the images differ");
    let sum = |outputs: &Outputs| {
        fs::read_to_string(outputs.image.with_extension("img.sha256")).expect("it is there")
    };
    assert_eq!(sum(&first), sum(&second));
    let left = fs::read_dir(folder.0.join("out")).expect("it is there").count();
    assert_eq!(left, 3, "image, block map and sum, and nothing else");
}

#[test]
fn a_flashed_disk_is_one_box_s_own() {
    let folder = Folder::new();
    let built = folder.image();
    let [one, two] = ["one", "two"].map(|name| {
        let path = folder.file(name, b"");
        File::options().write(true).open(&path).and_then(|it| it.set_len(200 * MIB)).expect("made");
        (flash(&built.image, &path).unwrap_or_else(|error| panic!("{error}")), path)
    });
    assert_ne!(one.0.pin, two.0.pin);
    let entries = |path: &Path| {
        table::read(&File::open(path).expect("it is there"), 200 * MIB).expect("it is whole")
    };
    assert!(entries(&one.1).iter().zip(entries(&two.1)).all(|(a, b)| a.id != b.id));
    let data = entries(&one.1).pop().expect("data");
    assert_eq!(data.at + data.bytes, 199 * MIB, "the data partition reaches the end");
    let boot = entries(&one.1).remove(0);
    let disk = File::open(&one.1).expect("it is there");
    let found = fat::read(Window::new(&disk, boot.at, boot.bytes), pin::FILE).expect("a volume");
    assert_eq!(found, Some(format!("{}\n", one.0.pin).into_bytes()));
}

#[test]
fn only_what_the_map_names_is_written() {
    let folder = Folder::new();
    let built = folder.image();
    assert!(built.mapped_bytes < built.image_bytes / 2);
    let disk = folder.file("disk", &vec![0xee; usize::try_from(built.image_bytes).expect("small")]);
    flash(&built.image, &disk).expect("flashed");
    let file = File::open(&disk).expect("it is there");
    let entries = table::read(&file, built.image_bytes).expect("whole");
    let data = entries.last().expect("data");
    let mut bytes = vec![0; usize::try_from(2 * MIB).expect("small")];
    file.read_exact_at(&mut bytes, data.at).expect("it is so long");
    let (begin, rest) = bytes.split_at(bytes.len() / 2);
    assert!(begin.iter().all(|&byte| byte == 0), "no file system of an earlier life is found");
    assert!(rest.iter().all(|&byte| byte == 0xee));
}

#[test]
fn a_damaged_or_half_fetched_image_is_refused() {
    let folder = Folder::new();
    let built = folder.image();
    let target = folder.file("disk", b"");
    let whole = fs::read(&built.image).expect("it is there");

    // Slot A follows the table and the boot volume.
    change(&built.image, 9 * MIB + 1000);
    let error = refused(&built.image, &target);
    assert!(error.contains("damaged or was not fetched whole"), "{error}");
    let error = inspect::image(&built.image).expect_err("damaged").to_string();
    assert!(error.contains("damaged"), "{error}");

    fs::write(&built.image, &whole[..whole.len() / 2]).expect("it can be written");
    let error = refused(&built.image, &target);
    assert!(error.contains("cut short"), "{error}");

    fs::write(&built.image, b"<html>not found</html>").expect("it can be written");
    let error = refused(&built.image, &target);
    assert!(error.contains("no Ringside image"), "{error}");

    fs::write(&built.image, &whole).expect("it can be written");
    let mut map = built.image.clone().into_os_string();
    map.push(".bmap");
    change(Path::new(&map), 400);
    let error = refused(&built.image, &target);
    assert!(error.contains("block map"), "{error}");
}

#[test]
fn a_half_flashed_disk_is_seen() {
    let folder = Folder::new();
    let built = folder.image();
    let disk = folder.file("disk", b"");
    flash(&built.image, &disk).expect("flashed");
    let whole = fs::read(&disk).expect("it is there");
    fs::write(&disk, &whole[..whole.len() * 2 / 3]).expect("it can be written");
    let error = inspect::image(&disk).expect_err("half").to_string();
    assert!(error.contains("cut short, get or write it again"), "{error}");
    let zeros = vec![0; whole.len()];
    fs::write(&disk, zeros).expect("it can be written");
    let error = inspect::image(&disk).expect_err("empty").to_string();
    assert!(error.contains("its beginning was not written"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_the_key_to_change() {
    let folder = Folder::new();
    let mut state = 1_u64;
    let mut noise = || {
        // xorshift64: nothing in it can be compressed.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let random: Vec<u8> = (0..17 * MIB / 8).flat_map(|_| noise()).collect();
    let sensor = folder.file("large", &random);
    let error = folder.build(&Inputs { sensor, ..folder.inputs() }, "out").expect_err("refused");
    assert!(error.to_string().contains("raise `slot_mib`"), "{error}");
    let loader = folder.0.join("large");
    let error = folder.build(&Inputs { loader, ..folder.inputs() }, "out").expect_err("refused");
    assert!(error.to_string().contains("raise `boot_mib`"), "{error}");
    assert_eq!(fs::read_dir(folder.0.join("out")).expect("there").count(), 0, "nothing is left");
}
