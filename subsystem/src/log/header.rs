//! The start of a segment file, `<first number, 20 digits>.seg`. Everything is little endian.
//!
//! | offset | size | field |
//! |-------:|-----:|-------|
//! | 0 | 8 | magic `OUTLSEG\n` |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | 0 |
//! | 12 | 4 | CRC-32C of all that follows in the header |
//! | 16 | 8 | epoch of the log |
//! | 24 | 8 | number of the first record |
//! | 32 | 8 | output bytes in all records before the first, kept or not |
//!
//! Records follow, see [`super::encoding`]. The last field makes every hole exact: what is
//! missing between two segments is the difference of two sums.

use outlast_protocol::id::Seq;

use super::fields::Fields;

pub(super) const HEADER: usize = 40;
const MAGIC: [u8; 8] = *b"OUTLSEG\n";
pub(super) const VERSION: u16 = 1;
/// No log gets that far. A number beyond was never written, whatever the checksum says, and below
/// it no sum overflows.
const MOST: u64 = u64::MAX / 2;
/// Digits of the largest number: names sort as numbers do.
const DIGITS: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) first: Seq,
    pub(super) offset: u64,
}

/// Why a file does not start like a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Damaged,
    /// A segment, of a format only a newer Outlast knows.
    Version(u16),
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut rest = Vec::with_capacity(HEADER);
        for field in [self.epoch, self.first.0, self.offset] {
            rest.extend_from_slice(&field.to_le_bytes());
        }
        let mut out = Vec::with_capacity(HEADER);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&crc32c::crc32c(&rest).to_le_bytes());
        out.append(&mut rest);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = Fields::new(bytes);
        if fields.array() != Some(MAGIC) {
            return Err(HeaderError::Damaged);
        }
        match fields.u16().ok_or(HeaderError::Damaged)? {
            VERSION => Self::decode_fields(fields).ok_or(HeaderError::Damaged),
            other => Err(HeaderError::Version(other)),
        }
    }

    fn decode_fields(mut fields: Fields<'_>) -> Option<Self> {
        let _reserved = fields.u16()?;
        let checksum = fields.u32()?;
        if crc32c::crc32c(fields.rest().get(..HEADER - 16)?) != checksum {
            return None;
        }
        let header = Self {
            epoch: fields.u64()?,
            first: Seq(fields.u64()?),
            offset: fields.u64()?,
        };
        (header.first.0 <= MOST && header.offset <= MOST).then_some(header)
    }
}

pub(super) fn file_name(first: Seq) -> String {
    format!("{:0DIGITS$}.seg", first.0)
}

/// The first number in a segment's name; nothing if it is no segment's name.
pub(super) fn parse_file_name(name: &str) -> Option<Seq> {
    let digits = name.strip_suffix(".seg")?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    digits.parse().ok().map(Seq)
}
