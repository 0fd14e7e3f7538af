//! What kind of disk it is.

use crate::rng::Seed;
use crate::text::words;

/// The unit in which a crash takes and keeps the bytes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectorSize {
    /// 512 bytes.
    Small,
    /// 4096 bytes.
    Large,
}

/// What `evict` does and says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionBehaviour {
    /// Drops the clean pages, and says so.
    Seen,
    /// Drops them, but cannot say so.
    Unverified,
    /// Drops nothing, and says it does not know.
    DoesNothing,
}

words!("sector size", SectorSize { Small = "512", Large = "4096" });

words!("behaviour of an eviction", EvictionBehaviour {
    Seen = "seen",
    Unverified = "unverified",
    DoesNothing = "does-nothing",
});

/// What the file system and the device make of the order of calls, and of a sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// The worst that POSIX allows: of what was not synced a crash takes any part, names and
    /// lengths and data, in any order. A sync is true.
    #[default]
    Posix,
    /// A journal: changes of names and lengths come into it in the order of the calls, and a
    /// crash leaves a first part of it. The length of a file comes in after the data behind its
    /// old end, so a length never shows room without its data. Syncing the directory, or a
    /// file whose length changed, or a file as a whole, makes the journal durable. Data that
    /// lies inside a durable length is in any order, as in [`Posix`](Self::Posix).
    Journalled,
    /// The device says that it has flushed its cache, and has not: it does so at moments of
    /// its own. A power cut that happens in between undoes the last syncs of the whole disk, in
    /// their order: what is left is what was durable at one of them.
    /// [`AllLost`](crate::CrashPolicy::AllLost) undoes as many as it can,
    /// [`AllKept`](crate::CrashPolicy::AllKept) none.
    Lying,
    /// The device keeps its cache through a power loss, and all goes there at once: every call
    /// that returned is durable, names too. Only the call in flight may come apart.
    PowerSafe,
}

words!("preset", Preset {
    Posix = "posix",
    Journalled = "journalled",
    Lying = "lying",
    PowerSafe = "power-safe",
});

/// What kind of disk it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The root of everything the disk draws by itself.
    pub seed: Seed,
    /// The unit in which a crash takes and keeps the bytes of a write.
    pub sector_size: SectorSize,
    /// What `evict` does.
    pub eviction: EvictionBehaviour,
    /// How much of each file is its header, to
    /// [`CrashPolicy::HeadersOnly`](crate::CrashPolicy::HeadersOnly).
    pub header_len: u64,
    /// What the file system and the device make of an order and of a sync.
    pub preset: Preset,
}

impl DiskOptions {
    /// Small sectors, a visible eviction, headers of 8 KiB, the worst case of POSIX.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self {
            seed,
            sector_size: SectorSize::Small,
            eviction: EvictionBehaviour::Seen,
            header_len: 8192,
            preset: Preset::Posix,
        }
    }

    /// The same disk of another kind.
    #[must_use]
    pub const fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    pub(crate) const fn sector_len(&self) -> u64 {
        match self.sector_size {
            SectorSize::Small => 512,
            SectorSize::Large => 4096,
        }
    }
}
