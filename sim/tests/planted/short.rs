//! The mistake of a close that cuts its file, which no campaign draws: the power goes between the close and the
//! next open, which a drawn run makes in one step.

use super::scenes::opened;
use seawall::{Log, Options};
use seawall_sim::{Concern, CrashPolicy, Seed, SimDisk, environment};

/// The file is shorter, and nothing that was not synced is on it.
pub(super) fn power_cut_behind_a_close() -> Option<String> {
    let options = Options::new().segment_len(64 << 10).first_segment_len(64 << 10);
    let options = options.cut_at_close(Some(1)).prepare_ahead(false).idle_mark(None);
    let disk = SimDisk::new(Seed::new(1));
    let log = opened(&disk, 1, options.clone());
    log.append(b"acknowledged").ok()?;
    log.close().ok()?;
    drop(log);
    let mut rng = Seed::new(1).rng(Concern::CrashResolution);
    let disk = disk.after_power_cut(&CrashPolicy::SizeWithoutData, &mut rng);
    let told = Log::open_in(environment(&disk, 2), options).err()?;
    Some(format!("G5: a log that was closed does not open: {told}"))
}
