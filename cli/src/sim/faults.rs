//! The faults of a campaign under the names people know them by. The simulator counts finer, by
//! what exactly happened; here its counters are put together.

use seawall_sim::Figures;

/// What a fault is called, and the counters that it is the sum of.
const FAULTS: &[(&str, &[&str])] = &[
    ("crash between steps", &["crashes_between_calls"]),
    (
        "crash inside a call",
        &["crashes_in_a_call_not_begun", "crashes_in_a_call_done", "crashes_in_a_call_half_done"],
    ),
    ("call under way half done", &["crashes_in_a_call_half_done"]),
    ("torn or reordered writes", &["torn_writes", "reordered"]),
    ("sheared sectors", &["torn"]),
    ("background write-back", &["written_back", "names_written_back"]),
    ("size without data", &["sizes_without_data"]),
    ("data without size", &["data_without_size"]),
    ("stale bytes", &["stale"]),
    ("create lost", &["creates_lost"]),
    ("rename lost", &["renames_lost"]),
    ("remove lost, name is back", &["removes_lost"]),
    ("names reordered", &["names_reordered"]),
    ("short read", &["short_reads"]),
    ("short write", &["short_writes"]),
    ("EINTR", &["interrupted", "eintr"]),
    ("EIO on read", &["eio_on_read", "unreadable_reads"]),
    ("EIO on write", &["eio_on_write"]),
    ("bytes left by a failed write", &["failed_writes_left_bytes", "failed_writes_left_length"]),
    ("write that failed and landed", &["failed_writes_landed"]),
    ("EIO on sync", &["eio_on_sync", "late_errors"]),
    ("pages clean after a failed sync", &["failed_write_backs"]),
    ("ENOSPC", &["enospc", "no_space"]),
    ("EDQUOT", &["edquot", "over_quota"]),
    ("room came back", &["room_returned"]),
    ("bit rot", &["bit_rot"]),
    ("sector of garbage", &["garbage"]),
    ("latent sector error", &["latent_sectors"]),
    ("misdirected write", &["misdirected_writes"]),
    ("misdirected read", &["misdirected_reads"]),
    ("lost write", &["lost_writes"]),
    ("lying flush", &["flushes_lost"]),
    ("power cut of a lying disk", &["power_cuts_lying"]),
    ("power cut of a journalled disk", &["power_cuts_journalled"]),
    ("power cut with power-loss protection", &["power_cuts_power_safe"]),
    ("slow calls", &["slow_calls"]),
    ("stuck calls", &["stuck_calls"]),
    ("clock jumps", &["clock_jumps"]),
    ("repair of a hurt log", &["repairs"]),
    ("repair of what needs none", &["repairs_idle"]),
    ("repair refused", &["repairs_refused"]),
    ("power cut in a repair", &["repairs_cut_off"]),
    ("failing call in a repair", &["repairs_with_a_failing_call"]),
    ("copy of a hurt log", &["hurt_logs_copied"]),
    ("copy beside its log", &["copies", "copies_of_files"]),
    ("copy that goes on", &["copies_gone_on"]),
];

/// Every fault with how often it happened, those that never did too.
pub(crate) fn list(figures: &Figures) -> Vec<(&'static str, u64)> {
    let sum = |counters: &[&str]| {
        counters.iter().filter_map(|counter| figures.faults.get(*counter)).sum()
    };
    let mut list = vec![
        ("power cut", figures.power_cuts),
        ("process kill", figures.kills),
        ("crash in recovery", figures.nested.iter().sum()),
    ];
    list.extend(FAULTS.iter().map(|(name, counters)| (*name, sum(counters))));
    list
}

/// The name as a key: `EIO on read` is `eio_on_read`.
pub(crate) fn key(name: &str) -> String {
    let letters = name.chars().filter(|c| *c != ',');
    let joined = letters.map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_sim::{Campaign, Counters, SeawallLog};

    #[test]
    fn every_counter_that_is_named_here_is_counted_somewhere() {
        let jobs = std::num::NonZeroUsize::MIN;
        let (figures, _) = Campaign::<SeawallLog>::new().run_while(0..150, jobs, |_| true);
        let counters = Counters::default();
        let listed: Vec<_> = counters.list().into_iter().map(|(name, _)| name).collect();
        for counter in FAULTS.iter().flat_map(|(_, counters)| *counters) {
            let known = listed.contains(counter) || figures.faults.contains_key(*counter);
            assert!(known, "{counter}");
        }
    }

    #[test]
    fn keys_are_plain() {
        assert_eq!(key("remove lost, name is back"), "remove_lost_name_is_back");
        assert_eq!(key("power-loss"), "power_loss");
    }
}
