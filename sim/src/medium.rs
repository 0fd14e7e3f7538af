//! What the device holds of one file: the bytes that a read gets, and behind them, once it is
//! damaged, the bytes that a sound device would hold.
//!
//! Every write goes to both, so that damage can be told exactly (where the two differ), heals
//! where it is written over, and can be taken back.

use crate::image::{Image, index, wide};
use crate::text::words;

/// How bytes at rest are hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HurtKind {
    /// One bit turned over.
    BitRot,
    /// A sector gives `EIO` until it is written as a whole.
    Unreadable,
    /// A write landed elsewhere: its target holds older bytes, another sector these.
    MisdirectedWrite,
    /// One read returns another sector's bytes.
    MisdirectedRead,
    /// A write was acknowledged and synced, and its target holds older bytes.
    LostWrite,
    /// A sector holds junk.
    Garbage,
    /// A range reads as zeros, as after a hole was punched.
    Hole,
    /// A test put other bytes there.
    Overwritten,
    /// A test cut the file.
    Truncated,
}

words!("kind of damage", HurtKind {
    BitRot = "bit-rot",
    Unreadable = "unreadable",
    MisdirectedWrite = "misdirected-write",
    MisdirectedRead = "misdirected-read",
    LostWrite = "lost-write",
    Garbage = "garbage",
    Hole = "hole",
    Overwritten = "overwritten",
    Truncated = "truncated",
});

/// A stretch that is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wound {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) kind: HurtKind,
}

impl Wound {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }

    fn touches(&self, offset: u64, len: usize) -> bool {
        self.offset < offset.saturating_add(wide(len)) && offset < self.end()
    }
}

/// A read that will return other bytes, once.
#[derive(Clone, Debug)]
struct StrayRead {
    offset: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Damage {
    pristine: Image,
    wounds: Vec<Wound>,
    strays: Vec<StrayRead>,
}

/// The bytes and the length that the device holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Medium {
    shown: Image,
    /// Boxed, since nearly every file is sound.
    damage: Option<Box<Damage>>,
}

impl Medium {
    /// What a read gets.
    pub(crate) fn image(&self) -> &Image {
        &self.shown
    }

    pub(crate) fn len(&self) -> u64 {
        self.shown.len()
    }

    /// Changes both faces in the same way.
    fn change(&mut self, change: impl Fn(&mut Image)) {
        change(&mut self.shown);
        if let Some(damage) = &mut self.damage {
            change(&mut damage.pristine);
        }
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.change(|image| image.write(offset, bytes));
        if let Some(damage) = &mut self.damage {
            let end = offset.saturating_add(wide(bytes.len()));
            damage.wounds.retain(|wound| !(offset <= wound.offset && wound.end() <= end));
            damage.strays.retain(|stray| !(offset <= stray.offset && stray.offset < end));
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.change(|image| image.set_len(len));
    }

    pub(crate) fn clip(&mut self) {
        self.change(Image::clip);
    }

    /// Holds these bytes from now on. They were read from here, so that a wound in them which
    /// nothing was written over is one still.
    pub(crate) fn replace(&mut self, image: &Image) {
        let before = std::mem::replace(&mut self.shown, image.clone());
        let Some(damage) = &mut self.damage else {
            return;
        };
        let mut pristine = image.clone();
        damage.wounds.retain(|wound| wound.kind != HurtKind::Truncated);
        for wound in &damage.wounds {
            let len = wound.len.min(image.len().saturating_sub(wound.offset));
            let read = |from: &Image| {
                let mut bytes = vec![0; index(len)];
                from.read(wound.offset, &mut bytes);
                bytes
            };
            let (mut bytes, hurt, sound) = (read(image), read(&before), read(&damage.pristine));
            for (byte, (hurt, sound)) in bytes.iter_mut().zip(hurt.iter().zip(sound)) {
                if byte == hurt {
                    *byte = sound;
                }
            }
            pristine.write(wound.offset, &bytes);
        }
        damage.pristine = pristine;
    }

    /// Whether anything was ever hurt: everything below costs nothing on a sound file.
    pub(crate) fn is_hurt(&self) -> bool {
        self.damage.is_some()
    }

    fn damaged(&mut self) -> &mut Damage {
        let pristine = &self.shown;
        self.damage.get_or_insert_with(|| {
            let (wounds, strays) = (Vec::new(), Vec::new());
            Box::new(Damage { pristine: pristine.clone(), wounds, strays })
        })
    }

    /// Other bytes stand here. Those past the end are left out.
    pub(crate) fn hurt(&mut self, kind: HurtKind, offset: u64, bytes: &[u8]) {
        let room = index(self.len().saturating_sub(offset)).min(bytes.len());
        let Some(bytes) = bytes.get(..room).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let len = wide(bytes.len());
        self.damaged().wounds.push(Wound { offset, len, kind });
        self.shown.write(offset, bytes);
    }

    /// A read of any of this fails.
    pub(crate) fn hide(&mut self, offset: u64, len: u64) {
        self.damaged().wounds.push(Wound { offset, len, kind: HurtKind::Unreadable });
    }

    /// The next read of this place returns these bytes.
    pub(crate) fn mislead(&mut self, offset: u64, bytes: Vec<u8>) {
        let (len, kind) = (wide(bytes.len()), HurtKind::MisdirectedRead);
        let damage = self.damaged();
        damage.wounds.push(Wound { offset, len, kind });
        damage.strays.push(StrayRead { offset, bytes });
    }

    /// The file has another length.
    pub(crate) fn cut(&mut self, len: u64) {
        let offset = len.min(self.len());
        let lost = self.len().max(len).saturating_sub(offset);
        self.damaged().wounds.push(Wound { offset, len: lost, kind: HurtKind::Truncated });
        self.shown.set_len(len);
    }

    /// Where the first byte stands that cannot be read, of this stretch.
    pub(crate) fn unreadable(&self, offset: u64, len: usize) -> Option<u64> {
        let wounds = self.damage.iter().flat_map(|damage| &damage.wounds);
        let hidden = wounds.filter(|wound| wound.kind == HurtKind::Unreadable);
        let touched = hidden.filter(|wound| wound.touches(offset, len));
        touched.map(|wound| wound.offset.max(offset)).min()
    }

    /// The bytes that a read of this stretch is to be misled with, and their place.
    pub(crate) fn stray(&mut self, offset: u64, len: usize) -> Option<(u64, Vec<u8>)> {
        let damage = self.damage.as_mut()?;
        let end = offset.saturating_add(wide(len));
        let found = damage.strays.iter().position(|stray| {
            stray.offset < end && offset < stray.offset.saturating_add(wide(stray.bytes.len()))
        })?;
        let stray = damage.strays.swap_remove(found);
        Some((stray.offset, stray.bytes))
    }

    /// What is hurt now: of each wound the stretch from the first to the last byte that is not
    /// what it should be.
    pub(crate) fn wounds(&self) -> Vec<Wound> {
        let Some(damage) = &self.damage else {
            return Vec::new();
        };
        let exact = |wound: &Wound| match wound.kind {
            HurtKind::Unreadable | HurtKind::MisdirectedRead | HurtKind::Truncated => Some(*wound),
            _ => {
                let mut both = [vec![0; index(wound.len)], vec![0; index(wound.len)]];
                let [shown, pristine] = &mut both;
                self.shown.read(wound.offset, shown);
                damage.pristine.read(wound.offset, pristine);
                let differs = |(one, other): (&u8, &u8)| one != other;
                let first = shown.iter().zip(&*pristine).position(differs)?;
                let last = shown.iter().zip(&*pristine).rposition(differs)?;
                Some(Wound {
                    offset: wound.offset.saturating_add(wide(first)),
                    len: wide(last.saturating_sub(first).saturating_add(1)),
                    kind: wound.kind,
                })
            }
        };
        damage.wounds.iter().filter_map(exact).collect()
    }

    /// As if nothing had ever been hurt.
    pub(crate) fn heal(&mut self) {
        if let Some(damage) = self.damage.take() {
            self.shown = damage.pristine;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_exactly_heals_where_it_is_written_over_and_is_taken_back() {
        let mut medium = Medium::default();
        medium.set_len(2000);
        medium.write(0, &[1; 2000]);
        medium.hurt(HurtKind::LostWrite, 512, &[[1; 100], [2; 100]].concat());
        medium.hide(1024, 512);
        let wounds = medium.wounds();
        assert_eq!(wounds[0], Wound { offset: 612, len: 100, kind: HurtKind::LostWrite });
        assert_eq!((wounds.len(), medium.unreadable(0, 1025)), (2, Some(1024)));
        assert_eq!(medium.unreadable(0, 1024), None);

        medium.write(1024, &[3; 100]);
        assert_eq!(medium.unreadable(1500, 10), Some(1500), "a part of a sector heals nothing");
        medium.write(1024, &[3; 512]);
        medium.write(600, &[4; 50]);
        assert_eq!(medium.wounds(), [Wound { offset: 650, len: 62, kind: HurtKind::LostWrite }]);
        medium.heal();
        let bytes = medium.image().to_vec();
        assert_eq!((bytes[599], bytes[600], bytes[660], bytes[1024]), (1, 4, 1, 3));
        assert!(medium.wounds().is_empty() && !medium.is_hurt());
    }

    #[test]
    fn a_wound_stays_one_when_the_file_is_replaced_by_what_was_read_from_it() {
        let mut medium = Medium::default();
        medium.set_len(1000);
        medium.write(0, &[1; 1000]);
        medium.hurt(HurtKind::Garbage, 100, &[9; 50]);
        medium.hurt(HurtKind::BitRot, 700, &[3]);
        let mut view = medium.image().clone();
        view.write(140, &[2; 20]);
        view.set_len(500);
        medium.replace(&view);
        assert_eq!(medium.wounds(), [Wound { offset: 100, len: 40, kind: HurtKind::Garbage }]);
        medium.heal();
        let sound = [vec![1; 140], vec![2; 20], vec![1; 340]].concat();
        assert_eq!(medium.image().to_vec(), sound);
    }
}
