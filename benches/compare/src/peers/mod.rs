//! One file for each log that is compared, and the list of them.

mod commitlog;
mod fjall;
mod ironwal;
mod nano_wal;
mod okaywal;
mod plain;
mod raft_engine;
#[cfg(feature = "rocksdb")]
mod rocks_db;
mod seawall;
mod sqlite;
pub(crate) mod walrus;

use crate::job::{Answer, Job, run};
use crate::peer::{Abilities, Outcome, Peer};

/// The one that finds noisy rounds.
pub const REFERENCE: &str = plain::Plain::NAME;

/// The one that the others are compared with.
pub const OURS: &str = seawall::Seawall::NAME;

/// What is known of a peer without opening it, and how to set it to work.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// See [`Peer::NAME`].
    pub name: &'static str,
    /// See [`Peer::VERSION`].
    pub version: &'static str,
    /// See [`Peer::NOTE`].
    pub note: &'static str,
    /// See [`Peer::abilities`].
    pub abilities: Abilities,
    /// Does a job in this process.
    pub run: fn(&Job) -> Outcome<Answer>,
}

impl Known {
    fn of<P: Peer>() -> Self {
        Self {
            name: P::NAME,
            version: P::VERSION,
            note: P::NOTE,
            abilities: P::abilities(),
            run: run::<P>,
        }
    }
}

/// All that this build knows; the reference first, then Seawall.
#[must_use]
pub fn all() -> Vec<Known> {
    vec![
        Known::of::<plain::Plain>(),
        Known::of::<seawall::Seawall>(),
        Known::of::<nano_wal::NanoWal>(),
        Known::of::<ironwal::Ironwal>(),
        Known::of::<okaywal::Okaywal>(),
        Known::of::<raft_engine::RaftEngine>(),
        Known::of::<walrus::WalrusRust>(),
        Known::of::<commitlog::Commitlog>(),
        Known::of::<fjall::Fjall>(),
        #[cfg(feature = "rocksdb")]
        Known::of::<rocks_db::RocksDb>(),
        Known::of::<sqlite::Sqlite>(),
    ]
}

/// The peer of this name.
#[must_use]
pub fn by_name(name: &str) -> Option<Known> {
    all().into_iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use super::all;
    use std::collections::BTreeSet;

    #[test]
    fn every_peer_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all().iter().map(|known| known.name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn the_version_of_every_peer_is_the_one_that_is_pinned() {
        let manifest = include_str!("../../Cargo.toml");
        for known in all().iter().skip(2) {
            let version = known.version.split(' ').next_back().unwrap_or_default();
            let version = version.trim_end_matches(')');
            assert!(manifest.contains(&format!("\"={version}\"")), "{} {version}", known.name);
        }
    }
}
