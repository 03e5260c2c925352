//! The program to install: its bytes' checksum, and for which machines it was built.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A program on this computer.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// In hexadecimal.
    pub sha256: String,
    pub size: u64,
    header: Vec<u8>,
}

/// Why it cannot run on a computer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it is no Linux program (no ELF file)")]
    Form,
    #[error("it is a Linux program, and the system there is {0}")]
    System(String),
    #[error("it was built for {ours}, and the machine there is {theirs}")]
    Machine { ours: String, theirs: String },
}

/// The begin of an ELF file up to and with `e_machine`.
const HEADER: usize = 20;

/// `e_machine`, whether 64 bits, whether the least significant byte comes first, and how `uname -m`
/// calls it. Of a machine that runs the programs of another, that one is named too: whether this
/// one does is found out there.
const MACHINES: [(u16, bool, bool, &[&str]); 12] = [
    (62, true, true, &["x86_64", "amd64"]),
    (
        3,
        false,
        true,
        &["i386", "i486", "i586", "i686", "x86_64", "amd64"],
    ),
    (183, true, true, &["aarch64", "arm64"]),
    (
        40,
        false,
        true,
        &["armv6l", "armv7l", "armv8l", "armhf", "aarch64", "arm64"],
    ),
    (243, true, true, &["riscv64"]),
    (21, true, true, &["ppc64le"]),
    (21, true, false, &["ppc64"]),
    (22, true, false, &["s390x"]),
    (258, true, true, &["loongarch64"]),
    (8, true, true, &["mips64el", "mips64"]),
    (8, true, false, &["mips64"]),
    (43, true, false, &["sparc64"]),
];

impl Binary {
    /// Reads the whole file once.
    pub fn read(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mut file = File::open(&path)?;
        let mut digest = Sha256::new();
        let mut header = Vec::new();
        let mut size = 0_u64;
        let mut piece = vec![0; 1 << 16];
        loop {
            let count = match file.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let Some(some) = piece.get(..count).filter(|some| !some.is_empty()) else {
                break;
            };
            let missing = HEADER.saturating_sub(header.len()).min(some.len());
            header.extend_from_slice(some.get(..missing).unwrap_or_default());
            digest.update(some);
            size = size.saturating_add(count as u64);
        }
        let sha256 = digest
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(Self {
            path,
            sha256,
            size,
            header,
        })
    }

    /// Whether it may run where `uname` says that of the system and the machine.
    pub fn fits(&self, system: &str, machine: &str) -> Result<(), Unfit> {
        let Some((number, wide, little)) = elf(&self.header) else {
            return Err(Unfit::Form);
        };
        if system != "Linux" {
            return Err(Unfit::System(system.to_owned()));
        }
        let known = MACHINES
            .iter()
            .find(|known| (known.0, known.1, known.2) == (number, wide, little));
        let names = known.map_or(&[][..], |known| known.3);
        if names.contains(&machine) {
            return Ok(());
        }
        let ours = names.first().map_or_else(
            || format!("a machine of ELF number {number}"),
            |it| (*it).to_owned(),
        );
        Err(Unfit::Machine {
            ours,
            theirs: machine.to_owned(),
        })
    }
}

/// The machine's number, whether it has 64 bits, and whether the least significant byte comes first.
fn elf(header: &[u8]) -> Option<(u16, bool, bool)> {
    let rest = header.strip_prefix(b"\x7fELF")?;
    let wide = *rest.first()? == 2;
    let little = *rest.get(1)? == 1;
    let number = [*header.get(18)?, *header.get(19)?];
    let number = match little {
        true => u16::from_le_bytes(number),
        false => u16::from_be_bytes(number),
    };
    Some((number, wide, little))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_for(number: u16, wide: bool, little: bool) -> Binary {
        let mut header = b"\x7fELF".to_vec();
        header.extend([1 + u8::from(wide), 2 - u8::from(little)]);
        header.resize(18, 0);
        header.extend(match little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        });
        Binary {
            path: PathBuf::new(),
            sha256: String::new(),
            size: 0,
            header,
        }
    }

    #[test]
    fn machines_are_told_apart() {
        for (number, wide, little, machine, fits) in [
            (62, true, true, "x86_64", true),
            (62, true, true, "aarch64", false),
            (183, true, true, "aarch64", true),
            (183, true, true, "armv7l", false),
            (3, false, true, "x86_64", true),
            (62, true, true, "i686", false),
            (21, true, true, "ppc64", false),
            (21, true, false, "ppc64", true),
            (999, true, true, "x86_64", false),
        ] {
            let binary = built_for(number, wide, little);
            let said = binary.fits("Linux", machine);
            assert_eq!(said.is_ok(), fits, "{number} on {machine}: {said:?}");
        }
        let here = built_for(62, true, true);
        let elsewhere = here.fits("Darwin", "x86_64").unwrap_err().to_string();
        assert!(elsewhere.contains("Darwin"), "{elsewhere}");
        let text = Binary {
            header: b"#!/bin/sh\n".to_vec(),
            ..here
        };
        assert_eq!(text.fits("Linux", "x86_64"), Err(Unfit::Form));
    }

    #[test]
    fn the_checksum_is_that_of_sha256sum() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 200_000]).unwrap();
        let output = std::process::Command::new("sha256sum")
            .arg(file.path())
            .output()
            .unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let ours = Binary::read(file.path()).unwrap();
        assert_eq!(theirs.split(' ').next(), Some(ours.sha256.as_str()));
        assert_eq!(ours.size, 200_000);
    }
}
