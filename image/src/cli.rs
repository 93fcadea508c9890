//! The command line: what was asked for, nothing done yet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

/// Printed by `--help` and after a wrong usage.
pub const USAGE: &str = "\
ringside-image makes flashable images with two slots, and their updates.

usage:
  ringside-image build --board FILE --version VERSION --root FOLDER|TAR|SQUASHFS --kernel FILE
                 --sensor FILE --tool FILE --loader FILE|FOLDER [--initrd FILE] [--key FILE]
                 [--public-key FILE] [--kernel-arguments WORDS] [--epoch SECONDS] --out FOLDER
  ringside-image flash IMAGE DISK|FILE
  ringside-image inspect IMAGE | inspect BUNDLE --public-key FILE

on a box, with its boot partition mounted at FOLDER (/boot):
  ringside-image install BUNDLE --device PARTITION [--boot FOLDER] [--firmware PARTITION --disk DISK]
  ringside-image grow DISK

--loader is GRUB for UEFI boards, or the folder of a Raspberry Pi's firmware files, whose slot has a
--firmware partition beside its root. --tool is this program for the board. --key signs the bundle; a key with a password is opened with
RINGSIDE_KEY_PASSWORD. Same inputs give the same image. Exit codes: 0 done, 1 failed, 2 wrong usage.
";

/// A command with what was given to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `build`, `flash` …
    pub command: String,
    /// Words that are no options.
    pub words: Vec<PathBuf>,
    options: BTreeMap<String, OsString>,
}

/// Options of each command.
const OPTIONS: [(&str, &[&str]); 5] = [
    (
        "build",
        &[
            "board",
            "version",
            "root",
            "kernel",
            "sensor",
            "tool",
            "loader",
            "initrd",
            "key",
            "public-key",
            "kernel-arguments",
            "epoch",
            "out",
        ],
    ),
    ("flash", &[]),
    ("inspect", &["public-key"]),
    ("install", &["device", "boot", "firmware", "disk"]),
    ("grow", &[]),
];

/// Reads the arguments after the program's name. `--help` is the command `help`.
///
/// # Errors
/// One sentence that says what is wrong with them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut found = Arguments::default();
    let mut known: &[&str] = &[];
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Arguments { command: "help".into(), ..found }),
            Value(name) if found.command.is_empty() => {
                let name = name.to_string_lossy().into_owned();
                let command = OPTIONS.iter().find(|(command, _)| *command == name);
                known = command.ok_or_else(|| format!("there is no command {name}"))?.1;
                found.command = name;
            }
            Value(word) => found.words.push(word.into()),
            Long(name) if known.contains(&name) => {
                let name = name.to_owned();
                let value = parser.value().map_err(|error| error.to_string())?;
                if found.options.insert(name.clone(), value).is_some() {
                    return Err(format!("--{name} is there twice"));
                }
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if found.command.is_empty() {
        return Err("name a command, for example `ringside-image flash IMAGE DISK`".to_owned());
    }
    Ok(found)
}

impl Arguments {
    /// An option's value as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.options.get(name).map(PathBuf::from)
    }

    /// An option's value as a path; it must be there.
    ///
    /// # Errors
    /// It is not there.
    pub fn needed(&self, name: &str) -> Result<PathBuf, String> {
        self.path(name).ok_or_else(|| format!("{} needs --{name}", self.command))
    }

    /// An option's value as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<String>, String> {
        let text = |value: &OsString| {
            value.to_str().map(str::to_owned).ok_or_else(|| format!("--{name} is not UTF-8"))
        };
        self.options.get(name).map(text).transpose()
    }

    /// Exactly `N` words.
    ///
    /// # Errors
    /// There are more or fewer; `names` says what they are.
    pub fn words<const N: usize>(&self, names: &str) -> Result<&[PathBuf; N], String> {
        let words = self.words.as_slice().try_into();
        words.map_err(|_| format!("the command is `ringside-image {} {names}`", self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Arguments, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn words_and_options_are_told_apart() {
        let found = parse_words("install a.bundle --device /dev/sda3").expect("understood");
        assert_eq!(found.words::<1>("BUNDLE").expect("one"), &[PathBuf::from("a.bundle")]);
        assert_eq!(found.needed("device"), Ok(PathBuf::from("/dev/sda3")));
        assert_eq!(found.path("boot"), None);
        assert_eq!(parse_words("flash --help").expect("understood").command, "help");
    }

    #[test]
    fn what_a_command_does_not_take_is_refused_with_a_sentence() {
        for (words, says) in [
            ("", "name a command"),
            ("fly", "there is no command fly"),
            ("flash a b --boot c", "--boot"),
            ("install a --boot b --boot c", "twice"),
            ("install a --device", "device"),
        ] {
            let error = parse_words(words).expect_err(words);
            assert!(error.contains(says), "{words}: {error}");
        }
        let found = parse_words("flash a").expect("understood");
        let error = found.words::<2>("IMAGE DISK").expect_err("one word");
        assert!(error.contains("flash IMAGE DISK"), "{error}");
    }
}
