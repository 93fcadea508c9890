//! The Raspberry Pi's way to try a slot: `autoboot.txt` and a flag that lasts one start.
//!
//! The firmware reads `autoboot.txt` from the first partition: its `[all]` section names the partition
//! of the slot that has proved itself, `[tryboot]` the one that is started once after `reboot "0
//! tryboot"`. A start that fails, however it does, is followed by one from `[all]`. So installing
//! touches nothing that the next ordinary start reads, and a slot that is healthy is made the ordinary
//! one by rewriting one sector.

use ringside_protocol::slot::Slot;

/// In a slot's firmware volume: the kernel's command line.
pub const COMMAND_LINE: &str = "cmdline.txt";

/// Partition numbers of the firmware volumes, in every image with this loader.
const PARTITIONS: [(Slot, u8); 2] = [(Slot::A, 2), (Slot::B, 3)];

/// The file with `slot` as the ordinary one. It is shorter than a sector.
#[must_use]
pub fn autoboot(slot: Slot) -> String {
    format!(
        "[all]\ntryboot_a_b=1\nboot_partition={}\n[tryboot]\nboot_partition={}\n",
        partition(slot),
        partition(slot.other())
    )
}

/// The ordinary slot of an `autoboot.txt`; `None` where the file is not ours or was not written whole.
#[must_use]
pub fn ordinary_slot(autoboot_text: &str) -> Option<Slot> {
    Slot::ALL.into_iter().find(|&slot| autoboot(slot) == autoboot_text)
}

/// The kernel's command line in the firmware volume of `slot`; it names the root that belongs to it.
#[must_use]
pub fn command_line(slot: Slot, arguments: &str) -> String {
    let root = slot.name().to_ascii_lowercase();
    format!("root=PARTLABEL=ringside-{root} ringside.slot={slot} {arguments}\n")
}

/// A command line of one slot's volume, for the other's: a bundle has one volume for both.
#[must_use]
pub fn command_line_for(slot: Slot, line: &str) -> String {
    let arguments = line
        .split_whitespace()
        .filter(|word| !word.starts_with("root=") && !word.starts_with("ringside.slot="))
        .collect::<Vec<_>>();
    command_line(slot, &arguments.join(" "))
}

fn partition(slot: Slot) -> u8 {
    PARTITIONS.iter().find(|(it, _)| *it == slot).map_or(2, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the firmware does with the file, as its documentation tells.
    struct Firmware {
        autoboot: String,
        is_tryboot: bool,
    }

    impl Firmware {
        /// The partition that is started; the flag is used up.
        fn start(&mut self) -> u8 {
            let section = if core::mem::take(&mut self.is_tryboot) { "[tryboot]" } else { "[all]" };
            let (mut current, mut partition, mut is_a_b) = ("", None, false);
            for line in self.autoboot.lines() {
                match line.split_once('=') {
                    None => current = line,
                    Some(("tryboot_a_b", value)) => is_a_b = value == "1",
                    Some(("boot_partition", value)) if current == section => {
                        partition = value.parse().ok();
                    }
                    Some(_) => {}
                }
            }
            assert!(is_a_b, "or tryboot would read tryboot.txt in the same partition");
            partition.expect("the section names a partition")
        }
    }

    #[test]
    fn a_trial_lasts_one_start_and_a_healthy_slot_becomes_the_ordinary_one() {
        let mut firmware = Firmware { autoboot: autoboot(Slot::A), is_tryboot: false };
        assert_eq!(firmware.start(), 2);
        firmware.is_tryboot = true;
        assert_eq!(firmware.start(), 3, "the new slot is tried");
        assert_eq!(firmware.start(), 2, "it said nothing: the old one again");
        firmware.is_tryboot = true;
        assert_eq!(firmware.start(), 3);
        firmware.autoboot = autoboot(Slot::B);
        assert_eq!(firmware.start(), 3, "it was healthy");
        firmware.is_tryboot = true;
        assert_eq!(firmware.start(), 2, "the next upgrade goes to the other");
    }

    #[test]
    fn the_ordinary_slot_is_read_from_a_whole_file_only() {
        for slot in Slot::ALL {
            let text = autoboot(slot);
            assert!(text.len() < 512, "one sector");
            assert_eq!(ordinary_slot(&text), Some(slot));
            assert!((0..text.len()).all(|cut| ordinary_slot(&text[..cut]).is_none()));
        }
    }

    #[test]
    fn a_command_line_is_changed_to_the_other_slot_s_root() {
        let line = command_line(Slot::A, "ro panic=5");
        assert_eq!(line, "root=PARTLABEL=ringside-a ringside.slot=A ro panic=5\n");
        assert_eq!(command_line_for(Slot::B, &line), command_line(Slot::B, "ro panic=5"));
    }
}
