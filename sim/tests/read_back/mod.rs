//! Copies and repairs on disks that return other bytes than they were given, while the page cache
//! still shows the right ones: what was written is read back from the device, or nobody notices.

use super::repairs::{cases, copy, files, name, options, records, settled, written};
use seawall::{Error, Log};
use seawall_sim::{HurtKind, Seed, SimDisk, environment};

/// What a device does to a write that it acknowledged.
pub(crate) const KINDS: [HurtKind; 3] = [HurtKind::LostWrite, HurtKind::Garbage, HurtKind::BitRot];

/// How often a kind of damage was noticed; and how often it hit what nobody reads.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    pub(crate) noticed: u32,
    pub(crate) harmless: u32,
}

/// Copies a log to disks with this damage.
///
/// # Errors
/// A copy is said to be whole, and is not once it is read from the device.
pub(crate) fn copies(kind: HurtKind) -> Result<Noticed, String> {
    let disk = written(true);
    let expected = records(&disk).0;
    let mut seen = Noticed::default();
    for seed in 0..16 {
        let dest = SimDisk::new(Seed::new(seed));
        dest.hurt_synced(kind, &name(2), 0);
        match copy(&environment(&disk, 1), &dest) {
            Err(Error::Io { action: "compare", .. }) => seen.noticed += 1,
            Err(other) => return Err(format!("{kind}, seed {seed}: {other:?}")),
            Ok(_) => {
                let (shown, told) = records(&settled(&dest));
                if shown != expected || !told.is_empty() {
                    return Err(format!("{kind}, seed {seed}: the copy is not the log"));
                }
                seen.harmless += 1;
            }
        }
    }
    Ok(seen)
}

/// Repairs a log into a quarantine with this damage, and a log whose new files get it.
///
/// # Errors
/// A repair is said to be done, and the original or the repaired log is not what it must be.
pub(crate) fn repairs(kind: HurtKind) -> Result<Noticed, String> {
    let mut seen = Noticed::default();
    for (seed, of_new) in (0..24).zip([false, true].into_iter().cycle()) {
        let case = cases()
            .find(|case| case.what == "rot in all three")
            .ok_or("the damaged log is gone")?;
        let quarantine = SimDisk::new(Seed::new(seed));
        let (disk, suffix) =
            if of_new { (&case.disk, ".repair") } else { (&quarantine, ".partial") };
        disk.hurt_synced(kind, suffix, seed / 2 % 3);
        match Log::repair(&environment(&case.disk, 9), &quarantine, "first", |_| {}) {
            Err(error @ (Error::Io { .. } | Error::Unrepairable { .. })) => {
                if !of_new && files(&case.disk) != case.originals {
                    let names = case.disk.names();
                    return Err(format!("{kind}, seed {seed}: {error:?}, and now {names:?}"));
                }
                seen.noticed += 1;
            }
            Err(other) => return Err(format!("{kind}, seed {seed}: {other:?}")),
            Ok(repaired) => {
                let kept = settled(&quarantine);
                let whole = (repaired.quarantined.iter()).all(|name| {
                    let original = name.strip_suffix(".first").unwrap_or(name);
                    kept.read_durable(name) == case.originals.get(original).cloned()
                });
                if !whole {
                    return Err(format!("{kind}, seed {seed}: an original is lost"));
                }
                let after = settled(&case.disk);
                let opened = Log::open_in(environment(&after, 10), options());
                if let Err(error) = opened {
                    return Err(format!("{kind}, seed {seed}: repaired, and {error:?}"));
                }
                seen.harmless += 1;
            }
        }
    }
    Ok(seen)
}
