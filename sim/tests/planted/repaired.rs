//! Repairs and copies that the power is cut in, with the judges of `tests/repair.rs`.

use super::repairs::{
    Tally, cases, copy, crashes_in_copies, crashes_in_repairs, options, records, written,
};
use seawall::{Durability, Log};
use seawall_sim::{Concern, CrashPolicy, Seed, SimDisk, environment};

/// Three kinds of damage, the power cut in every call of their repair.
pub(crate) fn repairs_cut_off() -> Option<String> {
    let some = cases().filter(|case| {
        ["rot in a frame of the middle", "the middle cut", "the middle removed"]
            .contains(&case.what)
    });
    crashes_in_repairs(some).err()
}

/// A copy of three segments, the power cut in every call of it.
pub(crate) fn copies_cut_off() -> Option<String> {
    crashes_in_copies(&written(false), &mut Tally::default()).err()
}

/// A log whose last records nobody synced is copied; then the power goes.
pub(crate) fn copy_of_what_a_power_cut_takes() -> Option<String> {
    let disk = SimDisk::new(Seed::new(5));
    let live = options().durability(Durability::Os);
    let log = Log::open_in(environment(&disk, 1), live).unwrap();
    for nth in 0..4_u8 {
        log.append(&[nth; 600]).unwrap();
        if nth == 1 {
            log.sync().unwrap();
        }
    }
    let dest = SimDisk::new(Seed::new(6));
    copy(&environment(&disk, 2), &dest).unwrap();
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    let kept = records(&disk.after_power_cut(&CrashPolicy::AllLost, &mut rng)).0;
    let copied = records(&dest).0;
    let more = copied.keys().find(|place| !kept.contains_key(place))?;
    Some(format!("G1: the copy has {more:?}, which the log lost in a power cut"))
}
