//! A store that is not Seawall's log, tested on the simulated disk: a key-value file that is
//! replaced as a whole at each checkpoint.
//!
//! ```text
//!   checkpoint   write kv.new, sync it, rename it to kv, sync the directory
//!   open         read kv; a kv.new that is left over means nothing
//! ```
//!
//! [`Forgetful`] leaves out the last step: on most file systems nobody ever notices. A campaign
//! does within seconds:
//!
//! ```text
//! cargo run --release -p seawall-sim --example kv -- run 0..10000
//! cargo run --release -p seawall-sim --example kv -- run 0..10000 --forgetful
//! ```
//!
//! `--help` lists what else it takes: a page or the calls of a failure, and other classes of runs. Only
//! *crash* is drawn here, since the store names no others: see [`Subject::CLASSES`].
//!
//! To test a store of your own, copy this file into a new crate that depends on `seawall`,
//! `seawall-sim` and `serde`, and put your store where `KvFile` is.

use seawall::storage::{OpenMode, Storage, read_full, write_full};
use seawall_sim::{Before, Class, Opened, Rng, Stop, Subject, Violation, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::process::ExitCode;
use std::sync::Arc;

/// What the store holds.
type Map = BTreeMap<u8, String>;

/// The store: all keys in one file. Written against [`Storage`], so the same code runs on a real
/// disk ([`seawall::storage::Posix`]) and on the simulated one.
struct KvFile {
    storage: Arc<dyn Storage>,
    map: Map,
    sync_directory: bool,
}

impl KvFile {
    fn open(storage: Arc<dyn Storage>, sync_directory: bool) -> io::Result<Self> {
        let map = match storage.open("kv", OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(error),
            Ok(file) => {
                let mut text = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
                read_full(&*file, 0, &mut text)?;
                parse(&text).ok_or(io::ErrorKind::InvalidData)?
            }
        };
        Ok(Self { storage, map, sync_directory })
    }

    /// When this returns, everything put so far survives a power cut.
    fn checkpoint(&self) -> io::Result<()> {
        match self.storage.remove("kv.new") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.storage.open("kv.new", OpenMode::Create)?;
        let text: String = self.map.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        write_full(&*file, 0, &[text.as_bytes(), b"end\n"]).map_err(io::Error::from)?;
        file.sync_all()?;
        self.storage.rename("kv.new", "kv")?;
        if self.sync_directory {
            self.storage.sync_dir()?;
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Option<Map> {
    let body = std::str::from_utf8(text).ok()?.strip_suffix("end\n")?;
    let pair = |line: &str| {
        let (key, value) = line.split_once('=')?;
        Some((key.parse().ok()?, value.to_owned()))
    };
    body.lines().map(pair).collect()
}

/// Which variant is tested.
trait Variant: 'static {
    const SYNCS_THE_DIRECTORY: bool;
}

/// As it should be.
struct Careful;

/// Forgets that a rename, too, is only a wish until the directory is synced.
struct Forgetful;

impl Variant for Careful {
    const SYNCS_THE_DIRECTORY: bool = true;
}

impl Variant for Forgetful {
    const SYNCS_THE_DIRECTORY: bool = false;
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Op {
    Put(u8, String),
    Delete(u8),
    Checkpoint,
}

/// The store with its oracle: which states a crash may leave.
struct Tested<V> {
    store: Option<KvFile>,
    /// What is put, checkpointed or not.
    now: Map,
    /// What the last checkpoint that returned promised.
    promised: Map,
    /// What checkpoints that did not return may have left instead.
    possible: Vec<Map>,
    variant: PhantomData<V>,
}

impl<V: Variant> Subject for Tested<V> {
    type Op = Op;
    type Options = ();

    fn draw_options(_class: Class, _rng: &mut Rng) {}

    fn draw_op((): &(), rng: &mut Rng) -> Op {
        let key = u8::try_from(rng.below(16)).unwrap_or(0);
        match rng.below(5) {
            0 => Op::Checkpoint,
            1 => Op::Delete(key),
            _ => Op::Put(key, format!("{:x}", rng.next_u64())),
        }
    }

    fn new((): &()) -> Self {
        let (now, promised) = (Map::new(), Map::new());
        Self { store: None, now, promised, possible: Vec::new(), variant: PhantomData }
    }

    fn fork(&self) -> Self {
        let (promised, possible) = (self.promised.clone(), self.possible.clone());
        Self { store: None, now: self.now.clone(), promised, possible, variant: PhantomData }
    }

    fn open(&mut self, world: &World) -> Result<Opened, Stop> {
        let store = match KvFile::open(Arc::clone(&world.storage), V::SYNCS_THE_DIRECTORY) {
            Ok(store) => store,
            Err(_) if world.disk.is_dead() => return Err(Stop::Down),
            Err(error) => return broken("opens", format!("{error}")),
        };
        let allowed = match world.before {
            Before::Nothing => store.map.is_empty(),
            Before::PowerCut | Before::Kill => {
                store.map == self.promised || self.possible.contains(&store.map)
            }
        };
        if !allowed {
            let what = format!("shows {:?}, promised was {:?}", store.map, self.promised);
            return broken("checkpoints survive", what);
        }
        // What a crash left is stable from now on only after a checkpoint of its own.
        self.possible.push(store.map.clone());
        self.now.clone_from(&store.map);
        self.store = Some(store);
        Ok(Opened { parts: 1, ..Opened::default() })
    }

    fn make(&mut self, world: &World, op: &Op) -> Result<(), Stop> {
        let Some(store) = &mut self.store else { return Ok(()) };
        match op {
            Op::Put(key, value) => {
                store.map.insert(*key, value.clone());
                self.now.insert(*key, value.clone());
            }
            Op::Delete(key) => {
                store.map.remove(key);
                self.now.remove(key);
            }
            Op::Checkpoint => {
                self.possible.push(self.now.clone());
                match store.checkpoint() {
                    Ok(()) => {
                        self.promised.clone_from(&self.now);
                        self.possible.clear();
                    }
                    Err(_) if world.disk.is_dead() => return Err(Stop::Down),
                    Err(error) => return broken("checkpoints work", format!("{error}")),
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, world: &World) -> Result<(), Stop> {
        self.make(world, &Op::Checkpoint)
    }

    fn abandon(&mut self) {
        self.store = None;
    }
}

fn broken<T>(promise: &'static str, what: String) -> Result<T, Stop> {
    Err(Violation { promise, what }.into())
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let forgetful = arguments.iter().position(|argument| argument == "--forgetful");
    match forgetful {
        Some(at) => {
            arguments.remove(at);
            seawall_sim::main_for::<Tested<Forgetful>>(
                &arguments,
                "cargo run --example kv -- --forgetful",
            )
        }
        None => seawall_sim::main_for::<Tested<Careful>>(&arguments, "cargo run --example kv --"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_sim::{Campaign, shrink};

    #[test]
    fn a_forgotten_sync_of_the_directory_is_found_and_made_small() {
        let failure = Campaign::<Tested<Forgetful>>::new().run(0..1000).unwrap_err();
        assert_eq!(failure.violation.promise, "checkpoints survive");
        let small = shrink(&failure.scenario, None, |_| true).unwrap();
        assert!(small.scenario.op_count() <= 3, "{}", small.scenario.to_json());
    }

    #[test]
    fn a_careful_checkpoint_survives_every_crash() {
        let figures = Campaign::<Tested<Careful>>::new().run(0..1000).unwrap();
        // Outside of a checkpoint there is nothing to lose, so few of the cuts take something.
        assert!(figures.lossy_power_cuts > 100, "{figures}");
        assert!(figures.crash_cycles > 9_000, "{figures}");
    }
}
