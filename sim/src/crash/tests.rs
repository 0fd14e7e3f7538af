use super::*;
use crate::image::index;
use crate::testing::{contents, create, cut, disk, read, settled};
use seawall::storage::{OpenMode, Storage, write_full};
use std::collections::BTreeSet;

#[test]
fn what_was_synced_survives_every_policy() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 5000);
    file.allocate(0, 20_000).unwrap();
    write_full(&*file, 4096, &[&[2; 3000]]).unwrap();
    for policy in CrashPolicy::every(disk.pending_units(), 100) {
        for seed in 0..20 {
            let after = cut(&disk, &policy, seed);
            assert_eq!(read(&after, "a")[..4096], [1; 4096], "{policy:?}");
            assert!(read(&after, "a").len() >= 5000);
        }
    }
    assert_eq!(contents(&*file)[4096], 2, "resolving a crash leaves the disk as it was");
}

#[test]
fn prefix_and_suffix_keep_the_first_and_the_last_units() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 512 * 8);
    write_full(&*file, 0, &[&[1; 512 * 8]]).unwrap();
    let (mut firsts, mut lasts) = (0, 0);
    for seed in 0..40 {
        let kept: Vec<u8> = sectors(&read(&cut(&disk, &CrashPolicy::Prefix, seed), "a"));
        assert!(kept.is_sorted_by(|a, b| a >= b), "{kept:?}");
        firsts += usize::from(kept[0] == 1 && kept[7] == 0);
        let kept: Vec<u8> = sectors(&read(&cut(&disk, &CrashPolicy::Suffix, seed), "a"));
        assert!(kept.is_sorted(), "{kept:?}");
        lasts += usize::from(kept[0] == 0 && kept[7] == 1);
    }
    assert!(firsts > 20 && lasts > 20);
}

#[test]
fn each_unit_is_kept_whose_bit_is_set() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 512 * 70);
    write_full(&*file, 0, &[&[1; 512 * 70]]).unwrap();
    let kept =
        |bits: &[u64]| sectors(&read(&cut(&disk, &CrashPolicy::Units(bits.to_vec()), 0), "a"));
    let mut wanted = vec![0; 70];
    assert_eq!(kept(&[]), wanted);
    for unit in [0, 2, 63, 64, 69] {
        wanted[unit] = 1;
    }
    assert_eq!(kept(&[1 | 1 << 2 | 1 << 63, 1 | 1 << 5]), wanted);
}

/// The first byte of each sector.
fn sectors(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(512).map(|sector| sector[0]).collect()
}

#[test]
fn one_unit_is_missing_or_alone() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 512 * 4);
    write_full(&*file, 0, &[&[1; 512 * 4]]).unwrap();
    assert_eq!(disk.pending_units(), 4);
    let missing = |i| sectors(&read(&cut(&disk, &CrashPolicy::MissingOne(i), 0), "a"));
    let only = |i| sectors(&read(&cut(&disk, &CrashPolicy::OnlyOne(i), 0), "a"));
    assert_eq!((missing(0), missing(2)), (vec![0, 1, 1, 1], vec![1, 1, 0, 1]));
    assert_eq!((only(0), only(3)), (vec![1, 0, 0, 0], vec![0, 0, 0, 1]));
    assert_eq!((missing(9), only(9)), (vec![1; 4], vec![0; 4]));
    assert_eq!(CrashPolicy::every(4, 100).len(), CrashPolicy::DRAWN.len() + 8);
    assert_eq!(CrashPolicy::every(1000, 3).len(), CrashPolicy::DRAWN.len() + 6);
}

#[test]
fn headers_and_payloads_are_lost_apart() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 16_384);
    write_full(&*file, 0, &[&[1; 16_384]]).unwrap();
    let headers = read(&cut(&disk, &CrashPolicy::HeadersOnly, 0), "a");
    assert!(headers[..8192].iter().all(|b| *b == 1) && headers[8192..].iter().all(|b| *b == 0));
    let payloads = read(&cut(&disk, &CrashPolicy::PayloadsOnly, 0), "a");
    assert!(payloads[..8192].iter().all(|b| *b == 0) && payloads[8192..].iter().all(|b| *b == 1));
}

#[test]
fn one_file_is_kept_or_lost_while_all_names_stay() {
    let disk = disk();
    for name in ["a", "b", "c"] {
        write_full(&*create(&disk, name), 0, &[b"new"]).unwrap();
    }
    for seed in 0..20 {
        for (policy, count) in [(CrashPolicy::OneFileKept, 1), (CrashPolicy::OneFileLost, 2)] {
            let after = cut(&disk, &policy, seed);
            assert_eq!(after.names().len(), 3);
            let full = after.names().iter().filter(|name| read(&after, name) == b"new").count();
            assert_eq!(full, count);
        }
    }
}

#[test]
fn any_pending_version_of_a_sector_may_survive() {
    let disk = disk();
    let file = settled(&disk, "a", 0, 512);
    write_full(&*file, 0, &[&[1; 300]]).unwrap();
    write_full(&*file, 200, &[&[2; 300]]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..60 {
        seen.insert(read(&cut(&disk, &CrashPolicy::RandomSectors, seed), "a"));
    }
    let first = [vec![1; 300], vec![0; 212]].concat();
    let second = [vec![1; 200], vec![2; 300], vec![0; 12]].concat();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [vec![0; 512], first, second]);
}

#[test]
fn a_torn_sector_mixes_old_and_new_bytes() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 512);
    write_full(&*file, 0, &[&[2; 512]]).unwrap();
    let (mut heads, mut tails) = (0, 0);
    for seed in 0..40 {
        let after = cut(&disk, &CrashPolicy::TornSectors, seed);
        let bytes = read(&after, "a");
        let news = bytes.iter().filter(|byte| **byte == 2).count();
        assert!((1..512).contains(&news) && bytes.iter().all(|byte| [1, 2].contains(byte)));
        let flips = bytes.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert_eq!((flips, after.counters().torn), (1, 1));
        heads += usize::from(bytes[0] == 2);
        tails += usize::from(bytes[511] == 2);
    }
    assert!(heads > 5 && tails > 5);
}

#[test]
fn a_sheared_sector_is_any_mixture_of_old_and_new_pieces() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 1024);
    write_full(&*file, 0, &[&[2; 1000]]).unwrap();
    let mut most = 0;
    for seed in 0..40 {
        let after = cut(&disk, &CrashPolicy::ShearedSectors, seed);
        let bytes = read(&after, "a");
        assert!(bytes.iter().all(|byte| [1, 2].contains(byte)) && bytes[1000..] == [1; 24]);
        let (pieces, _) = bytes[..512].as_chunks::<8>();
        assert!(pieces.iter().all(|piece| *piece == [piece[0]; 8]));
        most = most.max(pieces.windows(2).filter(|pair| pair[0] != pair[1]).count());
        assert!(after.counters().torn > 0);
    }
    assert!(most > 20, "{most}");
}

#[test]
fn counters_tell_what_was_torn_reordered_and_taken_apart() {
    let disk = disk();
    settled(&disk, "gone", 1, 10);
    settled(&disk, "from", 1, 10);
    let file = create(&disk, "a");
    write_full(&*file, 0, &[&[1; 2000]]).unwrap();
    disk.rename("from", "to").unwrap();
    disk.remove("gone").unwrap();
    let counters = |policy: CrashPolicy| cut(&disk, &policy, 3).counters();
    let lost = counters(CrashPolicy::NamesLost);
    assert_eq!((lost.creates_lost, lost.renames_lost, lost.removes_lost), (1, 1, 1));
    assert_eq!(counters(CrashPolicy::MissingOne(0)).names_reordered, 2);
    let missing = counters(CrashPolicy::MissingOne(3));
    assert_eq!((missing.torn_writes, missing.reordered, missing.sizes_without_data), (1, 4, 1));
    assert_eq!(counters(CrashPolicy::SizeWithoutData).sizes_without_data, 1);
    assert_eq!(counters(CrashPolicy::MissingOne(1)).data_without_size, 1);
    let kept = counters(CrashPolicy::AllKept);
    let odd = [kept.lost, kept.torn, kept.torn_writes, kept.reordered, kept.names_lost];
    assert_eq!(odd, [0; 5]);
}

#[test]
fn length_and_data_are_lost_apart() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 100);
    write_full(&*file, 100, &[&[2; 100]]).unwrap();
    write_full(&*file, 200, &[&[3; 100]]).unwrap();
    let zeros = [vec![1; 100], vec![0; 200]].concat();
    assert_eq!(read(&cut(&disk, &CrashPolicy::SizeWithoutData, 0), "a"), zeros);
    let mut lens = BTreeSet::new();
    let whole = contents(&*file);
    for seed in 0..40 {
        let bytes = read(&cut(&disk, &CrashPolicy::DataWithoutSize, seed), "a");
        assert!(whole.starts_with(&bytes));
        lens.insert(bytes.len());
    }
    assert_eq!(lens.into_iter().collect::<Vec<_>>(), [100, 200, 300]);
}

#[test]
fn stale_bytes_show_only_under_their_policy() {
    let disk = disk();
    settled(&disk, "old", 9, 4096);
    disk.remove("old").unwrap();
    disk.sync_dir().unwrap();
    let file = settled(&disk, "a", 1, 512);
    file.allocate(0, 4096).unwrap();
    let (mut ghosts, mut junk) = (0, 0);
    for seed in 0..20 {
        let after = cut(&disk, &CrashPolicy::StaleBytes, seed);
        let bytes = read(&after, "a");
        assert_eq!((bytes.len(), &bytes[..512]), (4096, [1; 512].as_slice()));
        for sector in bytes[512..].chunks(512).filter(|sector| **sector != [0; 512]) {
            if *sector == [9; 512] { ghosts += 1 } else { junk += 1 }
        }
        assert_eq!(after.read_durable("a").unwrap(), bytes);
    }
    assert!(ghosts > 10 && junk > 10);
    for policy in CrashPolicy::every(disk.pending_units(), 10) {
        if policy != CrashPolicy::StaleBytes {
            assert!(read(&cut(&disk, &policy, 0), "a")[512..].iter().all(|byte| *byte == 0));
        }
    }
    file.sync_all().unwrap();
    let synced = cut(&disk, &CrashPolicy::StaleBytes, 3);
    assert!(read(&synced, "a")[512..].iter().all(|byte| *byte == 0));
}

#[test]
fn after_any_run_a_power_cut_leaves_no_byte_past_the_end() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 10);
    write_full(&*file, 5000, &[&[2; 5000]]).unwrap();
    for policy in CrashPolicy::every(disk.pending_units(), 50) {
        let after = cut(&disk, &policy, 1);
        let file = after.open("a", OpenMode::Write).unwrap();
        let len = file.len().unwrap();
        file.set_len(20_000).unwrap();
        assert!(contents(&*file)[index(len)..].iter().all(|byte| *byte == 0), "{policy:?}");
    }
}
