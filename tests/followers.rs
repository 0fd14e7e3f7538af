//! Followers cost little while there is nothing for them: their memory, in a process of its own.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use seawall::{Durability, Log, Lsn, Options};

const FOLLOWERS: usize = 1000;
const MEMORY_MAX: u64 = 4 << 20;

fn resident() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the kernel's word, not a file of a log")]
    let status = std::fs::read("/proc/self/status").unwrap();
    let status = String::from_utf8(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_thousand_followers_that_have_read_everything_hold_little() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let log = Log::open(dir.path(), Options::new().durability(Durability::Os)).unwrap();
    let record = [7; 1000];
    for _ in 0..600 {
        log.append(&record).unwrap();
    }
    let read_all = |follower: &mut seawall::Follower| {
        let mut count = 0;
        while follower.try_next().unwrap().is_some() {
            count += 1;
        }
        count
    };
    // Whatever is made once, and the block that each of them reads into, one after the other.
    assert_eq!(read_all(&mut log.follow(Lsn::FIRST).unwrap()), 600);
    let before = resident();
    let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| log.follow(Lsn::FIRST).unwrap()).collect();
    assert!(followers.iter_mut().all(|follower| read_all(follower) == 600));
    log.append(&record).unwrap();
    assert!(followers.iter_mut().all(|follower| read_all(follower) == 1));
    let held = resident().saturating_sub(before);
    println!("{FOLLOWERS} followers hold {} KiB", held >> 10);
    assert!(held < MEMORY_MAX, "{held} bytes");
    drop(followers);
    log.close().unwrap();
}
