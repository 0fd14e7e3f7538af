//! Damage to data at rest, and to what is being put to rest.
//!
//! It is done to the device and seen at once: pages of which nothing is pending are read again.
//! The bytes that a sound device would hold are kept beside those it shows, so what is hurt is
//! known exactly, heals where it is written over, and can be taken back.

use crate::counters::count;
use crate::disk::SimDisk;
use crate::file::{File, FileId};
use crate::image::index;
use crate::medium::HurtKind;
use crate::rng::Rng;
use crate::state::State;
use rustix::io::Errno;
use std::io;

/// A stretch of a file that is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hurt {
    /// The name of the file.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// How it came to be.
    pub kind: HurtKind,
}

impl SimDisk {
    /// Everything that is hurt now, of the files that have names, sorted by name. Where bytes
    /// were changed it is the stretch from the first to the last that is wrong.
    /// [`MisdirectedRead`](HurtKind::MisdirectedRead) stays here after the read, since somebody
    /// may have believed it.
    #[must_use]
    pub fn hurt(&self) -> Vec<Hurt> {
        let inner = self.lock_inner();
        let state = &inner.state;
        let mut hurts = Vec::new();
        for (name, id) in &state.directory.current {
            let wounds = state.files.get(id).map(|file| file.durable.wounds()).unwrap_or_default();
            hurts.extend(wounds.into_iter().map(|wound| Hurt {
                name: name.clone(),
                offset: wound.offset,
                len: wound.len,
                kind: wound.kind,
            }));
        }
        hurts
    }

    /// Makes everything as a sound device would have it.
    pub fn revoke_damage(&self) {
        let state = &mut self.lock_inner().state;
        for file in state.files.values_mut().filter(|file| file.durable.is_hurt()) {
            let len = file.durable.len();
            file.durable.heal();
            if file.durable.len() != len && file.pending.is_empty() {
                file.cache.set_len(file.durable.len());
            }
            file.evict();
        }
        state.device.each_medium(crate::medium::Medium::heal);
    }

    /// Hurts the sector in which `offset` lies; of [`BitRot`](HurtKind::BitRot) one bit of it.
    /// What else there is to say is drawn: the bit, the junk, the sector that a misdirected
    /// call goes to.
    ///
    /// An old sector, as a lost or misdirected write leaves it, holds what its blocks held
    /// before the file got them, or zeros. So it may be that nothing changes:
    /// [`hurt`](Self::hurt) tells.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` past the durable end, and for kinds that other methods make.
    pub fn hurt_at(
        &self,
        name: &str,
        offset: u64,
        kind: HurtKind,
        rng: &mut Rng,
    ) -> io::Result<()> {
        let state = &mut self.lock_inner().state;
        let id = state.named(name).ok_or(Errno::NOENT)?;
        Ok(state.hurt_at(id, offset, kind, rng)?)
    }

    /// Hurts a drawn sector of a drawn file, if there is a byte at all.
    pub fn hurt_somewhere(&self, kind: HurtKind, rng: &mut Rng) -> bool {
        let state = &mut self.lock_inner().state;
        let Some((id, offset)) = state.draw_place(rng) else {
            return false;
        };
        state.hurt_at(id, offset, kind, rng).is_ok()
    }

    /// Hurts a drawn piece of what a sync of a file whose name ends like this makes durable,
    /// when `after` such syncs went well. The sync says `Ok`.
    ///
    /// So a write is [lost](HurtKind::LostWrite), lands
    /// [elsewhere](HurtKind::MisdirectedWrite) or is damaged on its way although everybody was
    /// told that it is safe.
    pub fn hurt_synced(&self, kind: HurtKind, suffix: &str, after: u64) {
        self.lock_inner().state.faults.add_to_medium(kind, suffix, after);
    }

    /// Turns one bit over.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` past the durable end or for a bit that is none of 0 to 7.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> io::Result<()> {
        let mask = 1_u8.checked_shl(bit.into()).ok_or(Errno::INVAL)?;
        self.damage(name, |file| flip(file, offset, mask))
    }

    /// Cuts the file or lengthens it with zeros; what is pending of it is forgotten.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn truncate_durably(&self, name: &str, len: u64) -> io::Result<()> {
        self.damage(name, |file| {
            file.pending.clear();
            file.durable.cut(len);
            file.cache.set_len(len);
            Ok(())
        })
    }

    /// Puts zeros in place, as punching a hole does; the length stays.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` where they would reach past the durable end.
    pub fn punch_durably(&self, name: &str, offset: u64, len: u64) -> io::Result<()> {
        self.damage(name, |file| {
            if file.durable.len().saturating_sub(offset) < len {
                return Err(Errno::INVAL);
            }
            file.durable.hurt(HurtKind::Hole, offset, &vec![0; index(len)]);
            Ok(())
        })
    }

    /// Puts other bytes in place; the length stays.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` where they would reach past the durable end.
    pub fn overwrite_durably(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.damage(name, |file| {
            let room = index(file.durable.len().saturating_sub(offset));
            if room < bytes.len() {
                return Err(Errno::INVAL);
            }
            file.durable.hurt(HurtKind::Overwritten, offset, bytes);
            Ok(())
        })
    }

    fn damage(
        &self,
        name: &str,
        hurt: impl FnOnce(&mut File) -> Result<(), Errno>,
    ) -> io::Result<()> {
        let mut inner = self.lock_inner();
        let state = &mut inner.state;
        let id = state.named(name).ok_or(Errno::NOENT)?;
        let file = state.files.get_mut(&id).ok_or(Errno::NOENT)?;
        hurt(file)?;
        file.evict();
        count(&mut state.faults.counters.damages);
        Ok(())
    }
}

fn flip(file: &mut File, offset: u64, mask: u8) -> Result<(), Errno> {
    let mut byte = [0];
    if file.durable.image().read(offset, &mut byte) == 0 {
        return Err(Errno::INVAL);
    }
    file.durable.hurt(HurtKind::BitRot, offset, &byte.map(|byte| byte ^ mask));
    Ok(())
}

/// A piece that is about to become durable, and what will become of it.
pub(crate) struct DoomedPiece {
    kind: HurtKind,
    offset: u64,
    bytes: Vec<u8>,
    before: Vec<u8>,
}

impl State {
    /// Any sector of any file that has a name.
    fn draw_place(&self, rng: &mut Rng) -> Option<(FileId, u64)> {
        let len = |id: &FileId| self.files.get(id).map_or(0, |file| file.durable.len());
        let files: Vec<FileId> =
            self.directory.current.values().copied().filter(|id| len(id) > 0).collect();
        let id = *rng.pick(&files)?;
        Some((id, rng.below(len(&id))))
    }

    fn hurt_at(
        &mut self,
        id: FileId,
        offset: u64,
        kind: HurtKind,
        rng: &mut Rng,
    ) -> Result<(), Errno> {
        let sector_len = self.options.sector_len();
        let file = self.files.get_mut(&id).ok_or(Errno::NOENT)?;
        let end = file.durable.len();
        if offset >= end {
            return Err(Errno::INVAL);
        }
        let start = offset.saturating_sub(offset % sector_len);
        let len = sector_len.min(end.saturating_sub(start));
        let mut bytes = vec![0; index(len)];
        file.durable.image().read(start, &mut bytes);
        match kind {
            HurtKind::BitRot => {
                let mask = rng.pick(&[1, 2, 4, 8, 16, 32, 64, 128]).copied().unwrap_or(1);
                flip(file, offset, mask)?;
                file.evict();
                count(&mut self.faults.counters.bit_rot);
            }
            HurtKind::Unreadable => {
                file.durable.hide(start, len);
                file.evict();
                count(&mut self.faults.counters.latent_sectors);
            }
            HurtKind::LostWrite | HurtKind::MisdirectedWrite | HurtKind::Garbage => {
                let mut before = vec![0; bytes.len()];
                file.former.read(start, &mut before);
                let piece = DoomedPiece { kind, offset: start, bytes, before };
                for id in self.hurt_piece(id, piece, rng) {
                    if let Some(file) = self.files.get_mut(&id) {
                        file.evict();
                    }
                }
                return Ok(());
            }
            HurtKind::MisdirectedRead => {
                // It is counted when it is read.
                let mut wrong = vec![0; bytes.len()];
                if let Some((other, from)) = self.draw_place(rng)
                    && let Some(other) = self.files.get(&other)
                {
                    let from = from.saturating_sub(from % sector_len);
                    other.durable.image().read(from, &mut wrong);
                }
                if let Some(file) = self.files.get_mut(&id) {
                    file.durable.mislead(start, wrong);
                }
            }
            HurtKind::Hole | HurtKind::Overwritten | HurtKind::Truncated => {
                return Err(Errno::INVAL);
            }
        }
        count(&mut self.faults.counters.damages);
        Ok(())
    }

    /// Before a sync: the piece that a plan hurts.
    pub(crate) fn hurt_in_sync(&mut self, id: FileId) -> Option<DoomedPiece> {
        if !self.faults.has_medium_plans() {
            return None;
        }
        let names = &self.directory.current;
        let (name, _) = names.iter().find(|(_, file)| **file == id)?;
        let file = self.files.get(&id).filter(|file| file.pending_bytes() > 0)?;
        let kind = self.faults.take_from_medium(name)?;
        let (offset, bytes, before) = file.pending_piece(&mut self.rot)?;
        Some(DoomedPiece { kind, offset, bytes, before })
    }

    /// After the sync: the device does not hold it.
    pub(crate) fn hurt_after_sync(&mut self, id: FileId, piece: DoomedPiece) {
        let mut rng = self.rot.clone();
        match piece.kind {
            HurtKind::LostWrite | HurtKind::MisdirectedWrite | HurtKind::Garbage => {
                self.hurt_piece(id, piece, &mut rng);
            }
            kind => drop(self.hurt_at(id, piece.offset, kind, &mut rng)),
        }
        self.rot = rng;
    }

    /// Returns the files that are hurt. The page cache goes on showing what it did.
    fn hurt_piece(&mut self, id: FileId, piece: DoomedPiece, rng: &mut Rng) -> Vec<FileId> {
        let DoomedPiece { kind, offset, bytes, mut before } = piece;
        let sector_len = self.options.sector_len();
        // Drawn first: the place it lands at is any other than its own.
        let landing = (kind == HurtKind::MisdirectedWrite)
            .then(|| self.draw_place(rng))
            .flatten()
            .map(|(other, at)| (other, at.saturating_sub(at % sector_len)))
            .map(|(other, at)| (other, at.saturating_add(offset % sector_len)))
            .filter(|landing| *landing != (id, offset));
        let counters = &mut self.faults.counters;
        match kind {
            HurtKind::MisdirectedWrite => count(&mut counters.misdirected_writes),
            HurtKind::LostWrite => count(&mut counters.lost_writes),
            _ => {
                rng.fill(&mut before);
                count(&mut counters.garbage);
            }
        }
        count(&mut counters.damages);
        let mut hurt = vec![id];
        if let Some(file) = self.files.get_mut(&id) {
            file.durable.hurt(kind, offset, &before);
        }
        if let Some((other, at)) = landing
            && let Some(file) = self.files.get_mut(&other)
        {
            file.durable.hurt(kind, at, &bytes);
            hurt.push(other);
        }
        hurt
    }
}

#[cfg(test)]
mod tests;
