//! What clients do to a log, how its options are drawn, and how both get smaller.

use crate::model::FIRST_LEN_MIN;
use crate::rng::Rng;
use seawall::{Durability, Options, Tag};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A level of durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// [`Durability::Buffered`].
    Buffered,
    /// [`Durability::Os`].
    Os,
    /// [`Durability::Interval`], of 5 ms.
    Interval,
    /// [`Durability::Sync`].
    Sync,
}

impl Level {
    pub(crate) const fn durability(self) -> Durability {
        match self {
            Self::Buffered => Durability::Buffered,
            Self::Os => Durability::Os,
            Self::Interval => Durability::Interval(Duration::from_millis(5)),
            Self::Sync => Durability::Sync,
        }
    }
}

/// Which tags the records of a run have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tags {
    /// None.
    #[default]
    None,
    /// One of four, the same for all records of a batch.
    Batches,
    /// One of four for each record.
    Records,
    /// Any for each record.
    Any,
}

impl Tags {
    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The tag of the record `index` of this append.
    pub(crate) fn of(self, append: u32, index: u32) -> Tag {
        let mixed = |index: u32| {
            let place = u64::from(append) << 32 | u64::from(index);
            let mixed = place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes()
        };
        let [high, low, ..] = match self {
            Self::None => return Tag::NONE,
            Self::Batches => mixed(0),
            Self::Records | Self::Any => mixed(index),
        };
        match self {
            Self::Any => Tag::new(u16::from_le_bytes([low, high])),
            _ => Tag::new(u16::from(high % 4)),
        }
    }
}

/// How the log is configured, and which operations a run draws how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOptions {
    /// The level.
    pub level: Level,
    /// Bytes of a segment.
    pub segment_len: u64,
    /// Bytes of the first one of a run; each next one is longer, up to the above. Else all are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_segment_len: Option<u64>,
    /// Bytes buffered at most.
    pub buffer_max: u64,
    /// Bytes at which they are written.
    pub write_at: u64,
    /// Bytes of a frame of a batch.
    pub batch_frame_max: u64,
    /// Files kept.
    pub spares_max: usize,
    /// Whether the next segment is prepared ahead.
    pub prepare_ahead: bool,
    /// Whether idle marks are written.
    pub idle_mark: bool,
    /// Whether new files are written with zeros.
    pub zeros_ahead: Option<bool>,
    /// Bytes after which write-back is started early.
    #[serde(default)]
    pub write_back: Option<u64>,
    /// One client makes the waiting calls of `Log`, one after the other, and each does the work of
    /// the disk itself, by whatever shortcut it has; otherwise the calls and the pieces of work are
    /// taken in turn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub direct: bool,
    /// Which tags records have.
    #[serde(default, skip_serializing_if = "Tags::is_none")]
    pub tags: Tags,
    /// Whether no two commits share a block.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_blocks: bool,
    /// Bytes that may be left unsynced by a rotation that does not wait; 0: each waits.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsynced_max: u64,
    /// Bytes that a clean close gives back at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_at_close: Option<u64>,
    /// Clients.
    pub clients: u8,
    /// Weights of the operations, in the order of [`What`]'s kinds. Of no matter to a run that
    /// was drawn, so they are not stored with it.
    #[serde(skip)]
    pub weights: [u8; KINDS],
    /// Records are up to about this long.
    pub record_max: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

impl LogOptions {
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new()
            .durability(self.level.durability())
            .segment_len(self.segment_len)
            .first_segment_len(self.first_segment_len.unwrap_or(self.segment_len))
            .buffer_max(self.buffer_max)
            .write_at(self.write_at.min(self.buffer_max))
            .batch_frame_max(self.batch_frame_max)
            .spares_max(self.spares_max)
            .prepare_ahead(self.prepare_ahead)
            .own_blocks(self.own_blocks)
            .unsynced_max(self.unsynced_max)
            .cut_at_close(self.cut_at_close)
            .idle_mark(self.idle_mark.then_some(Duration::from_millis(10)));
        options.zeros_ahead = self.zeros_ahead;
        options.write_back = self.write_back;
        options
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let level = *rng
            .pick(&[Level::Sync, Level::Sync, Level::Os, Level::Buffered, Level::Interval])
            .unwrap_or(&Level::Sync);
        let mut weights = USUAL;
        for weight in weights.iter_mut().skip(2) {
            // Half of the operations are left out of each run, or there much more often.
            *weight = match rng.below(4) {
                0 | 1 => 0,
                2 => *weight,
                _ => weight.saturating_mul(3),
            };
        }
        let drawn = Self {
            level,
            segment_len: if rng.chance(3, 4) { 16 << 10 } else { 20 << 10 },
            first_segment_len: None,
            buffer_max: if rng.chance(1, 2) { 8 << 10 } else { 32 << 10 },
            write_at: if rng.chance(1, 2) { 1 << 10 } else { 8 << 10 },
            batch_frame_max: if rng.chance(1, 2) { 512 } else { 1 << 20 },
            spares_max: rng.index(3),
            prepare_ahead: rng.chance(1, 2),
            idle_mark: rng.chance(3, 4),
            zeros_ahead: *rng.pick(&[None, Some(true), Some(false)]).unwrap_or(&None),
            write_back: None,
            direct: false,
            tags: Tags::None,
            own_blocks: false,
            unsynced_max: 0,
            cut_at_close: None,
            clients: *rng.pick(&[1, 1, 2, 4, 8, 24]).unwrap_or(&1),
            weights,
            record_max: *rng.pick(&[60, 200, 200, 700, 3000]).unwrap_or(&200),
        };
        // No draw of its own: it would change what every seed means.
        let early = drawn.spares_max == 1 && drawn.prepare_ahead;
        let drawn = Self { write_back: early.then_some(4 << 10), ..drawn };
        if rng.chance(1, 3) { drawn.directly(rng) } else { drawn }
    }

    /// In some runs segments grow.
    pub(crate) fn draw_growth(&mut self, rng: &mut Rng) {
        // What bytes that are used up decide is the usual.
        if !rng.chance(3, 4) {
            self.first_segment_len = Some(16 << 10);
            self.segment_len = if rng.chance(1, 2) { 20 << 10 } else { 64 << 10 };
        }
    }

    /// The same log in the hands of one client whose calls wait.
    fn directly(self, rng: &mut Rng) -> Self {
        // The shortcuts are those of the levels that do not sync each append.
        let levels = [self.level, Level::Os, Level::Os, Level::Buffered];
        let level = *rng.pick(&levels).unwrap_or(&self.level);
        Self { direct: true, clients: 1, level, ..self }
    }

    /// What seeds did not draw at first.
    pub(crate) fn draw_later(&mut self, rng: &mut Rng) {
        let tags = [Tags::None, Tags::Batches, Tags::Records, Tags::Any];
        self.tags = *rng.pick(&tags).unwrap_or(&Tags::None);
        self.own_blocks = rng.chance(1, 4);
        let amounts = [0, 40 << 10, 100 << 10, 256 << 20];
        self.unsynced_max = *rng.pick(&amounts).unwrap_or(&0);
        self.cut_at_close = *rng.pick(&[None, Some(1), Some(8 << 10)]).unwrap_or(&None);
    }

    pub(crate) fn simpler(&self) -> Vec<Self> {
        let mut simpler = vec![
            Self { tags: Tags::None, ..self.clone() },
            Self { own_blocks: false, ..self.clone() },
            Self { unsynced_max: 0, ..self.clone() },
            Self { cut_at_close: None, ..self.clone() },
            Self { direct: false, ..self.clone() },
            Self { clients: 1, ..self.clone() },
            Self { idle_mark: false, ..self.clone() },
            Self { prepare_ahead: false, ..self.clone() },
            Self { spares_max: 0, ..self.clone() },
            Self { zeros_ahead: Some(false), ..self.clone() },
            Self { write_back: None, ..self.clone() },
            Self { level: Level::Sync, ..self.clone() },
            Self { segment_len: 16 << 10, ..self.clone() },
            Self { first_segment_len: None, ..self.clone() },
            Self { buffer_max: 32 << 10, write_at: 8 << 10, ..self.clone() },
            Self { batch_frame_max: 1 << 20, ..self.clone() },
        ];
        simpler.retain(|options| options != self);
        simpler
    }
}

/// One step of the log's engine, or one look of its clients at what became of their calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// The commit lane goes on: takes work, or does it, or gives it back.
    Commit,
    /// The upkeep lane does.
    Upkeep,
    /// The clients poll their calls.
    Poll,
    /// All of it, until nothing is left to do.
    Drive,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Appends one record of this length, at least this durable.
    Append(u32, Level),
    /// Appends records of these lengths as one batch.
    Batch(Vec<u32>, Level),
    /// Makes everything durable.
    Sync,
    /// Reads everything and compares.
    Read,
    /// Reads the record at this share (of 256) of the known addresses.
    At(u8),
    /// Trims to that share.
    Trim(u8),
    /// Time goes by, and the log's deadlines pass.
    Tend,
    /// Reads on with the client's follower.
    Follow,
    /// Reads without the lock, and verifies.
    Look,
    /// Closes, and opens again.
    Reopen,
    /// Tries to open it a second time.
    OpenTwice,
    /// Appends through the call that waits, which drives the log itself.
    Direct(u32, Level),
    /// Appends only if nothing has to be waited for.
    Try(u32),
    /// A reader without the lock goes on where it was; or begins, and reads a little.
    Hold,
}

/// How many kinds of operations there are.
pub(crate) const KINDS: usize = 14;
const USUAL: [u8; KINDS] = [60, 14, 4, 2, 3, 5, 6, 4, 1, 2, 1, 8, 3, 2];

/// What a client does, and how far the log's engine gets meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Who; if its last call is still under way, the next client that is free.
    pub client: u8,
    /// What.
    pub what: What,
    /// Behind it.
    pub turns: Vec<Turn>,
}

fn draw_len(options: &LogOptions, rng: &mut Rng) -> u32 {
    let below = |rng: &mut Rng, end: u32| u32::try_from(rng.below(u64::from(end))).unwrap_or(0);
    match rng.below(16) {
        0 => FIRST_LEN_MIN,
        1 => 500 + below(rng, 3000),
        2 if options.record_max >= 700 => 3000 + below(rng, 4000),
        _ => FIRST_LEN_MIN + below(rng, options.record_max),
    }
}

fn draw_level(rng: &mut Rng) -> Level {
    *rng.pick(&[Level::Buffered, Level::Buffered, Level::Os, Level::Sync]).unwrap_or(&Level::Sync)
}

impl Op {
    pub(crate) fn draw(options: &LogOptions, rng: &mut Rng) -> Self {
        let total: u64 = options.weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut draw = rng.below(total);
        let mut kind = 0;
        for &weight in &options.weights {
            if draw < u64::from(weight) {
                break;
            }
            draw -= u64::from(weight);
            kind += 1;
        }
        let share = |rng: &mut Rng| u8::try_from(rng.below(256)).unwrap_or(0);
        let what = match kind {
            1 => {
                let count = 1 + rng.index(6);
                let lens = (0..count).map(|nth| match (nth, rng.below(16)) {
                    // Now and then one that no segment holds but its own.
                    (_, 0) => 9000,
                    (1.., 1..=3) => 0,
                    _ => draw_len(options, rng),
                });
                let mut lens: Vec<u32> = lens.collect();
                if let Some(first) = lens.first_mut() {
                    *first = (*first).max(FIRST_LEN_MIN);
                }
                What::Batch(lens, draw_level(rng))
            }
            2 => What::Sync,
            3 => What::Read,
            4 => What::At(share(rng)),
            5 => What::Trim(share(rng)),
            6 => What::Tend,
            7 => What::Follow,
            8 => What::Look,
            9 => What::Reopen,
            10 => What::OpenTwice,
            11 => What::Direct(draw_len(options, rng), draw_level(rng)),
            12 => What::Try(draw_len(options, rng)),
            13 => What::Hold,
            _ => What::Append(draw_len(options, rng), draw_level(rng)),
        };
        let client = u8::try_from(rng.below(u64::from(options.clients.max(1)))).unwrap_or(0);
        let turns = if rng.chance(1, if options.clients > 1 { 5 } else { 3 }) {
            vec![Turn::Drive]
        } else {
            let count = 1 + rng.index(6);
            (0..count)
                .map(|_| match rng.below(8) {
                    0..=4 => Turn::Commit,
                    5 => Turn::Upkeep,
                    _ => Turn::Poll,
                })
                .collect()
        };
        Self { client, what, turns }
    }

    pub(crate) fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let with = |what: What| Self { what, ..self.clone() };
        match &self.what {
            What::Append(len, level) => {
                for shorter in [FIRST_LEN_MIN, 100, len / 2] {
                    if shorter < *len && shorter >= FIRST_LEN_MIN {
                        simpler.push(with(What::Append(shorter, *level)));
                    }
                }
                if *level != Level::Sync {
                    simpler.push(with(What::Append(*len, Level::Sync)));
                }
            }
            What::Batch(lens, level) => {
                let first = lens.first().copied().unwrap_or(FIRST_LEN_MIN);
                simpler.push(with(What::Append(first, *level)));
                if lens.len() > 2 {
                    let half = lens.get(..lens.len() / 2).unwrap_or_default();
                    simpler.push(with(What::Batch(half.to_vec(), *level)));
                }
                let short: Vec<u32> = lens.iter().map(|_| FIRST_LEN_MIN).collect();
                if short != *lens {
                    simpler.push(with(What::Batch(short, *level)));
                }
            }
            What::Direct(len, level) => {
                simpler.push(with(What::Append(*len, *level)));
                for shorter in [FIRST_LEN_MIN, 100, len / 2] {
                    if shorter < *len && shorter >= FIRST_LEN_MIN {
                        simpler.push(with(What::Direct(shorter, *level)));
                    }
                }
            }
            What::Try(len) => {
                simpler.push(with(What::Append(*len, Level::Buffered)));
                if *len > FIRST_LEN_MIN {
                    simpler.push(with(What::Try(FIRST_LEN_MIN)));
                }
            }
            What::Look => simpler.push(with(What::Read)),
            _ => {}
        }
        if self.turns != [Turn::Drive] {
            simpler.push(Self { turns: vec![Turn::Drive], ..self.clone() });
        }
        if self.turns.len() > 1 {
            for nth in 0..self.turns.len() {
                let mut turns = self.turns.clone();
                turns.remove(nth);
                simpler.push(Self { turns, ..self.clone() });
            }
        }
        if self.client != 0 {
            simpler.push(Self { client: 0, ..self.clone() });
        }
        simpler
    }
}
