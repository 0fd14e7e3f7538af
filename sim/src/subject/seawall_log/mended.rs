//! Repairs a log that an open refused, on a disk of its own, and has what comes of it judged like
//! any hurt log: it opens, shows at least what a reader showed before, and says what is gone.

use super::SeawallLog;
use super::damage::{Case, Shown, damage};
use super::open_hurt::read;
use crate::disk::SimDisk;
use crate::environment::environment;
use crate::medium::HurtKind;
use crate::rng::Seed;
use crate::subject::{Stop, World};
use seawall::{Error, Log};
use std::collections::BTreeSet;

impl SeawallLog {
    /// `before` is what a reader showed of the log as it was.
    pub(super) fn judge_repair(
        &self,
        world: &World,
        case: &Case<'_>,
        before: &Shown,
    ) -> Result<(), Stop> {
        // The run goes on with its own disk, and with every call as if nobody had been here.
        let disk = world.disk.after_kill();
        disk.set_limits(None);
        let quarantine = SimDisk::new(Seed::new(world.entropy));
        let repaired =
            Log::repair(&environment(&disk, world.entropy), &quarantine, "campaign", |_| {});
        let repaired = match repaired {
            Ok(repaired) => repaired,
            // What no gap can say, and what cannot be read, is left as it is.
            Err(
                Error::Unrepairable { .. }
                | Error::Io { .. }
                | Error::Unknown { .. }
                | Error::Foreign { .. },
            ) => return Ok(()),
            Err(error) => return Ok(damage(format!("a repair ends with {error:?}"))?),
        };
        let fleeting = |kind| matches!(kind, HurtKind::MisdirectedRead | HurtKind::Unreadable);
        if case.harmed.all.iter().any(|hurt| fleeting(hurt.kind)) {
            return Ok(());
        }
        if let Some(left) = repaired.left {
            return Ok(damage(format!("a repair leaves {left:?}"))?);
        }
        let opened = Log::open_in(environment(&disk, world.entropy), self.options.options());
        let log = match opened {
            Ok(log) => log,
            Err(error) => return Ok(damage(format!("a repaired log is refused: {error:?}"))?),
        };
        let after = read(&log)?;
        case.judge(&after)?;
        let there: BTreeSet<_> = after.records.iter().collect();
        match before.records.iter().find(|record| !there.contains(record)) {
            Some(((lsn, _), _)) => Ok(damage(format!("a repair lost the record at {lsn}"))?),
            None => Ok(()),
        }
    }
}
