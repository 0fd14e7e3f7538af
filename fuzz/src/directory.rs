//! What stands in a hostile directory: the files of a real log, and the changes that an input makes.
//!
//! ```text
//!   input    a byte that chooses the log, then changes up to the end
//!   change   a byte that chooses the kind, then what the kind needs, little-endian
//! ```
//!
//! What is missing at the end of an input is zeros. Fields that are set in headers, frames and
//! trailers get checks that hold: the laws behind the checks are what is to be reached.

use super::mend::{
    BLOCK, FRAMES_START, Place, frames_of, header_of, mend_frame, mend_header, mend_segment,
};
use super::sources;
use arbitrary::{Result, Unstructured};
use seawall::format::checksum::FrameSeed;
use seawall::format::header::{SegmentHeader, VERSION};
use seawall::format::layout;
use seawall::format::name::FileName;
use seawall::format::trailer::{Trailer, TrailerKind};
use seawall::position::{Lsn, Salt, SegmentId};
use seawall::storage::{EntryKind, OpenMode, Storage, write_full};
use seawall_sim::{Seed, SimDisk};
use std::collections::BTreeMap;

/// The most changes that one input makes.
const CHANGES_MAX: usize = 24;
/// The longest file that changes make.
const FILE_MAX: usize = 256 << 10;
/// The most files that changes make.
const FILES_MAX: usize = 24;

/// Names and what stands behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Regular files and their bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Names of what is no regular file.
    pub others: Vec<String>,
}

impl Files {
    /// What a disk holds.
    #[must_use]
    pub fn of(disk: &SimDisk) -> Self {
        let bytes = |name: String| disk.read_durable(&name).map(|bytes| (name, bytes));
        Self { files: disk.names().into_iter().filter_map(bytes).collect(), others: Vec::new() }
    }

    /// A disk that holds them, everything durable.
    ///
    /// # Panics
    /// If the disk takes them not.
    #[must_use]
    pub fn disk(&self) -> SimDisk {
        let disk = SimDisk::new(Seed::new(0));
        for (name, bytes) in &self.files {
            let file = disk.open(name, OpenMode::Create).expect("a name that is free");
            write_full(&*file, 0, &[bytes]).expect("the disk takes it");
            file.sync_all().expect("the disk takes it");
        }
        for name in &self.others {
            disk.put_foreign(name, EntryKind::Other).expect("a name that is free");
        }
        disk.sync_dir().expect("the disk takes it");
        disk
    }

    /// Bytes of all files.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.files.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.others.is_empty()
    }

    /// The bytes of a segment.
    #[must_use]
    pub fn segment(&self, id: SegmentId) -> Option<&[u8]> {
        self.files.get(&FileName::Segment(id).text()).map(Vec::as_slice)
    }

    /// What an input describes.
    #[must_use]
    pub fn described_by(input: &[u8]) -> Self {
        let mut input = Unstructured::new(input);
        let mut files = sources::source(input.arbitrary().unwrap_or_default()).clone();
        for _ in 0..CHANGES_MAX {
            if input.is_empty() || files.change(&mut input).is_err() {
                break;
            }
        }
        files
    }

    fn change(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let kind = input.arbitrary::<u8>()?;
        let nth = input.arbitrary::<u8>()?;
        match kind % 16 {
            0 => {
                let (at, len) = (input.arbitrary::<u16>()?, input.arbitrary::<u8>()?);
                let bytes = input.bytes(usize::from(len).min(input.len()))?;
                self.edit(nth, |file| put(file, usize::from(at), bytes));
            }
            1 => {
                let (at, len) = (input.arbitrary::<u16>()?, input.arbitrary::<u16>()?);
                let bytes = vec![input.arbitrary::<u8>()?; usize::from(len)];
                self.edit(nth, |file| put(file, usize::from(at), &bytes));
            }
            2 => {
                let len = usize::from(input.arbitrary::<u16>()?);
                self.edit(nth, |file| file.truncate(len));
            }
            3 => {
                let blocks = usize::from(input.arbitrary::<u8>()?);
                let told = input.arbitrary::<bool>()?;
                self.edit(nth, |file| lengthen(file, blocks, told));
            }
            4 => drop(self.name(nth).and_then(|name| self.files.remove(&name))),
            5 => {
                let to = name_from(input)?;
                if let Some(bytes) = self.name(nth).and_then(|name| self.files.get(&name)) {
                    self.add(to, bytes.clone());
                }
            }
            6 => {
                let to = name_from(input)?;
                if let Some(bytes) = self.name(nth).and_then(|name| self.files.remove(&name)) {
                    self.add(to, bytes);
                }
            }
            7 => {
                let (copies, field) = (input.arbitrary::<u8>()?, input.arbitrary::<u8>()?);
                let value = input.arbitrary::<u64>()?;
                self.edit(nth, |file| set_header(file, copies, field, value));
            }
            8 => {
                let (which, field) = (input.arbitrary::<u8>()?, input.arbitrary::<u8>()?);
                let value = input.arbitrary::<u32>()?;
                self.edit(nth, |file| set_frame(file, which, field, value));
            }
            9 => self.frame(nth, input)?,
            10 => self.trailer(nth, input)?,
            11 => {
                let (at, bit) = (input.arbitrary::<u16>()?, input.arbitrary::<u8>()?);
                self.edit(nth, |file| {
                    if let Some(byte) = file.get_mut(usize::from(at)) {
                        *byte ^= 1 << (bit % 8);
                    }
                });
            }
            12 => {
                let (from, other, to): (u8, u8, u8) = input.arbitrary()?;
                let from = usize::from(from) * 512;
                let source = self.name(nth).and_then(|name| self.files.get(&name));
                let sector = source.and_then(|file| file.get(from..from + 512)).map(<[u8]>::to_vec);
                self.edit(other, |file| {
                    put(file, usize::from(to) * 512, &sector.unwrap_or_default())
                });
            }
            13 => self.edit(nth, |file| mend_segment(file)),
            14 => self.successor(nth, input)?,
            _ => {
                let name = name_from(input)?;
                if !self.files.contains_key(&name) && !self.others.contains(&name) {
                    self.others.push(name);
                }
            }
        }
        Ok(())
    }

    fn name(&self, nth: u8) -> Option<String> {
        let count = self.files.len().max(1);
        self.files.keys().nth(usize::from(nth) % count).cloned()
    }

    fn edit(&mut self, nth: u8, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.name(nth).and_then(|name| self.files.get_mut(&name)) {
            change(file);
        }
    }

    fn add(&mut self, name: String, bytes: Vec<u8>) {
        if self.files.len() < FILES_MAX && !self.others.contains(&name) {
            self.files.insert(name, bytes);
        }
    }

    /// A frame of any kind, whose checks hold, at a frame of the chain or behind all of them.
    fn frame(&mut self, nth: u8, input: &mut Unstructured<'_>) -> Result<()> {
        let (which, behind) = (input.arbitrary::<u8>()?, input.arbitrary::<u8>()?);
        let (kind, flags): (u8, u8) = input.arbitrary()?;
        let (mark, claimed): (u16, u32) = input.arbitrary()?;
        let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
        let body = input.bytes(len)?;
        self.edit(nth, |file| {
            let Some(header) = header_of(file) else { return };
            let standing = frames_of(file, &header);
            let Some(place) = standing.get(usize::from(which).min(standing.len() - 1)) else {
                return;
            };
            let gap = u64::from(behind) * Lsn::ALIGN;
            let Some(lsn) = place.lsn.checked_add(gap) else { return };
            // Of the claimed length only what is written is there, unless other bytes follow.
            let claimed = if claimed == 0 { len as u64 } else { u64::from(claimed) };
            let mut frame = vec![0; 4];
            frame.extend_from_slice(&claimed.to_le_bytes()[..4]);
            frame.extend_from_slice(&[0; 4]);
            frame.extend_from_slice(&place.prev.to_le_bytes());
            frame.extend_from_slice(&[kind, flags, 0, 0]);
            if flags & 2 != 0 {
                let durable = lsn.get().wrapping_sub(u64::from(mark) * Lsn::ALIGN);
                frame.extend_from_slice(&durable.to_le_bytes());
                frame.extend_from_slice(&[0; 4]);
            }
            frame.extend_from_slice(body);
            let offset = place.offset.saturating_add(usize::from(behind) * 8);
            put(file, offset, &frame);
            // Once more over what stands there now: a long claim covers what was there before.
            let seed = FrameSeed::new(header.log, header.salt);
            let there = file.get_mut(offset..).unwrap_or_default();
            let _ = mend_frame(there, Place { seed, lsn }, None);
        });
        Ok(())
    }

    /// A close record or a seal, of this use of the file or another.
    fn trailer(&mut self, nth: u8, input: &mut Unstructured<'_>) -> Result<()> {
        let (how, which, frames): (u8, u8, u16) = input.arbitrary()?;
        let beyond = u64::from(input.arbitrary::<u16>()?) * Lsn::ALIGN;
        self.edit(nth, |file| {
            let Some(header) = header_of(file) else { return };
            let standing = frames_of(file, &header);
            let place = standing.get(usize::from(which).min(standing.len() - 1));
            let Some(end) = place.and_then(|place| place.lsn.checked_add(beyond)) else { return };
            let frames = u64::from(frames);
            let kind = if how & 1 == 0 { TrailerKind::Close } else { TrailerKind::Seal { frames } };
            let salt = if how & 2 == 0 { header.salt } else { Salt::new(frames) };
            let last_check = if how & 4 == 0 { place.map_or(0, |place| place.prev) } else { 0 };
            let trailer = Trailer { kind, salt, end, last_check };
            let len = if how & 8 == 0 { header.file_len } else { file.len() as u64 };
            let at = usize::try_from(layout::trailer_offset(len)).unwrap_or(usize::MAX);
            put(file, at, &trailer.encode());
        });
        Ok(())
    }

    /// A segment behind this one, whose header says that it ended at one of its frames or beyond.
    fn successor(&mut self, nth: u8, input: &mut Unstructured<'_>) -> Result<()> {
        let (how, which): (u8, u8) = input.arbitrary()?;
        let (beyond, trim): (u16, u16) = input.arbitrary()?;
        let Some(before) = self.name(nth).and_then(|name| self.files.get(&name)) else {
            return Ok(());
        };
        let Some(header) = header_of(before) else { return Ok(()) };
        let standing = frames_of(before, &header);
        let Some(place) = standing.get(usize::from(which).min(standing.len() - 1)) else {
            return Ok(());
        };
        let beyond = u64::from(beyond) * Lsn::ALIGN;
        let Some(prev_end) = place.lsn.checked_add(beyond) else { return Ok(()) };
        let jump = if how & 1 == 0 { 0 } else { Lsn::JUMP };
        let Some(base) = prev_end.checked_add(jump) else { return Ok(()) };
        let number = SegmentId::new(header.number.get().saturating_add(u64::from(how >> 6) + 1));
        let next = SegmentHeader {
            version: VERSION,
            log: header.log,
            number,
            base,
            salt: Salt::new(header.salt.get() ^ u64::from(how >> 3)),
            file_len: layout::SEGMENT_LEN_MIN,
            prev_end,
            prev_check: if how & 2 == 0 { place.prev } else { place.prev ^ 1 },
            skipped: 0,
            unproven: 0,
            trim: Lsn::new(prev_end.get().saturating_sub(u64::from(trim) * Lsn::ALIGN)),
            extension: header.extension,
        };
        let mut bytes = next.blocks();
        if how & 4 == 0 {
            // With the frames of the one before: ghosts, unless it has its salt.
            bytes.extend_from_slice(before.get(FRAMES_START..).unwrap_or_default());
        }
        bytes.resize(4 * BLOCK, 0);
        self.add(FileName::Segment(number).text(), bytes);
        Ok(())
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at.saturating_add(bytes.len());
    if end > FILE_MAX {
        return;
    }
    if file.len() < end {
        file.resize(end, 0);
    }
    if let Some(place) = file.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

/// Zeros behind the file; its header says so, or not.
fn lengthen(file: &mut Vec<u8>, blocks: usize, told: bool) {
    let len = (file.len().next_multiple_of(BLOCK) + blocks * BLOCK).min(FILE_MAX);
    file.resize(len.max(file.len()), 0);
    if told {
        let len = file.len() as u64;
        set_header(file, 3, 5, len);
    }
}

/// One field of one copy of the header, or of both; the check holds.
fn set_header(file: &mut [u8], copies: u8, field: u8, value: u64) {
    // Offset and width, as the format has them.
    let fields = [
        (8, 4), // version
        (12, 4),
        (16, 8), // log id
        (32, 8),
        (40, 8), // base
        (56, 8), // file_len
        (48, 8), // salt
        (64, 8), // prev_end
        (72, 4), // prev_check
        (80, 8), // trim
        (76, 4), // zeros
        (88, 32),
    ];
    let (at, len) = fields[usize::from(field) % fields.len()];
    let value = value.to_le_bytes();
    let len = len.min(value.len());
    for copy in [0, 1] {
        if copies & (1 << copy) == 0 {
            continue;
        }
        let at = copy * BLOCK + at;
        if let Some(place) = file.get_mut(at..at + len) {
            place.copy_from_slice(&value[..len]);
        }
    }
    mend_header(file);
}

/// One field of one frame; its checks hold, and so does its place in the chain, or not.
fn set_frame(file: &mut [u8], which: u8, field: u8, value: u32) {
    let Some(header) = header_of(file) else { return };
    let standing = frames_of(file, &header);
    let Some(place) = standing.get(usize::from(which).min(standing.len() - 1)) else { return };
    let (offset, lsn) = (place.offset, place.lsn);
    let at = match field % 6 {
        0 => 4,  // body_len
        1 => 12, // prev
        2 => 16, // kind and flags
        3 => 20, // durable, or the body
        4 => 24,
        _ => 28,
    };
    let Some(frame) = file.get_mut(offset..) else { return };
    if let Some(bytes) = frame.get_mut(at..at + 4) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    let seed = FrameSeed::new(header.log, header.salt);
    let _ = mend_frame(frame, Place { seed, lsn }, None);
    if field >= 128 {
        mend_segment(file);
    }
}

/// A name of a segment, of a spare, or of something else.
fn name_from(input: &mut Unstructured<'_>) -> Result<String> {
    let (kind, number): (u8, u8) = input.arbitrary()?;
    let number = match number {
        255 => u64::MAX,
        254 => u64::MAX - 1,
        number => u64::from(number).max(1),
    };
    Ok(match kind % 8 {
        0..=4 => FileName::Segment(SegmentId::new(number)).text(),
        5 | 6 => FileName::Spare(number).text(),
        _ => format!("{number}.seg"),
    })
}
