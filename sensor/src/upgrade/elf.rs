//! The few fields of an ELF header that tell for which machine a program was built (System V ABI,
//! "ELF Header").

use core::fmt;

/// Machines that this product is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// `EM_X86_64`, 62.
    X86_64,
    /// `EM_AARCH64`, 183.
    Aarch64,
}

impl Machine {
    /// The one that this program runs on.
    #[must_use]
    pub const fn own() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        })
    }
}

/// Why bytes are no program of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// It is no 64-bit little-endian ELF file.
    NotElf,
    /// It is for a machine that this product is not built for.
    Machine(u16),
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("it is no program (64-bit ELF)"),
            Self::Machine(number) => {
                write!(f, "it is a program for another machine (ELF {number})")
            }
        }
    }
}

impl core::error::Error for ElfError {}

/// For which machine a program was built.
///
/// # Errors
/// Every [`ElfError`].
pub fn machine(program: &[u8]) -> Result<Machine, ElfError> {
    // e_ident: magic, class 2 (64-bit), data 1 (little-endian); e_machine at 18.
    let (Some(ident), Some(number)) = (program.get(..6), program.get(18..20)) else {
        return Err(ElfError::NotElf);
    };
    if ident != b"\x7fELF\x02\x01" {
        return Err(ElfError::NotElf);
    }
    match u16::from_le_bytes([number[0], number[1]]) {
        62 => Ok(Machine::X86_64),
        183 => Ok(Machine::Aarch64),
        other => Err(ElfError::Machine(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_for_this_machine() {
        let own = std::fs::read(std::env::current_exe().expect("a path")).expect("a file");
        assert_eq!(machine(&own), Ok(Machine::own()));
        let mut other = own[..64].to_vec();
        other[18] = 40;
        assert_eq!(machine(&other), Err(ElfError::Machine(40)));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"#!/bin/sh\nexit 0\n...........", b"\x7fELF\x01\x01"] {
            assert_eq!(machine(bytes), Err(ElfError::NotElf));
        }
    }
}
