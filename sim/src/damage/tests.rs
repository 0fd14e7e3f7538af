use crate::testing::{contents, create, cut, disk, errno, read, rng, settled};
use crate::{CrashPolicy, EIO, Hurt, HurtKind, SimDisk};
use seawall::storage::{OpenMode, Storage, StorageFile, write_full};
use std::collections::BTreeSet;
use std::io::IoSliceMut;

/// A file whose sectors are numbered, on blocks that held nines.
fn numbered(disk: &SimDisk, name: &str, sectors: u8) -> std::sync::Arc<dyn StorageFile> {
    let file = create(disk, name);
    let bytes: Vec<u8> = (1..=sectors).flat_map(|nth| [nth; 512]).collect();
    write_full(&*file, 0, &[&bytes]).unwrap();
    file.sync_all().unwrap();
    disk.sync_dir().unwrap();
    file
}

fn differing(one: &[u8], other: &[u8]) -> Vec<u64> {
    (0_u64..).zip(one.iter().zip(other)).filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect()
}

#[test]
fn whatever_is_hurt_is_told_exactly_and_is_taken_back() {
    let kinds =
        [HurtKind::BitRot, HurtKind::LostWrite, HurtKind::MisdirectedWrite, HurtKind::Garbage];
    for kind in kinds {
        let mut landed = BTreeSet::new();
        for seed in 0..30 {
            let disk = disk();
            let names = ["a", "b"];
            for name in names {
                numbered(&disk, name, 6);
            }
            let sound = names.map(|name| read(&disk, name));
            assert!(disk.hurt_somewhere(kind, &mut rng(seed)));
            let hurts = disk.hurt();
            assert!(!hurts.is_empty() && hurts.iter().all(|hurt| hurt.kind == kind));
            for (name, sound) in names.iter().zip(&sound) {
                let wrong = differing(&read(&disk, name), sound);
                let told: Vec<&Hurt> = hurts.iter().filter(|hurt| hurt.name == *name).collect();
                assert!(wrong.iter().all(|at| {
                    told.iter().any(|hurt| (hurt.offset..hurt.offset + hurt.len).contains(at))
                }));
                for hurt in told {
                    assert!(wrong.contains(&hurt.offset), "{kind}");
                    assert!(wrong.contains(&(hurt.offset + hurt.len - 1)), "{kind}");
                }
            }
            landed.insert(hurts.len());
            let after = cut(&disk, &CrashPolicy::AllLost, 0);
            assert_eq!(after.hurt(), hurts, "damage outlives a power cut");
            for disk in [after, disk.after_kill(), disk] {
                disk.revoke_damage();
                assert!(disk.hurt().is_empty());
                assert_eq!(names.map(|name| read(&disk, name)), sound);
            }
        }
        let both = BTreeSet::from([1, 2]);
        assert!(
            landed.is_subset(&both) && (landed == both) == (kind == HurtKind::MisdirectedWrite)
        );
    }
}

#[test]
fn a_sector_that_cannot_be_read_fails_until_it_is_written() {
    let disk = disk();
    let file = numbered(&disk, "a", 6);
    disk.hurt_at("a", 1030, HurtKind::Unreadable, &mut rng(0)).unwrap();
    let read_at = |offset, len: usize| {
        let mut bytes = vec![0; len];
        file.read_at(offset, &mut [IoSliceMut::new(&mut bytes)])
    };
    assert_eq!(read_at(0, 3072).unwrap(), 1024, "up to the bad sector");
    assert_eq!(errno(read_at(1024, 1)), EIO);
    assert_eq!(errno(read_at(1535, 600)), EIO);
    assert_eq!(read_at(1536, 600).unwrap(), 600);
    assert_eq!(disk.counters().unreadable_reads, 2);
    let told = disk.hurt();
    let expected =
        Hurt { name: "a".to_owned(), offset: 1024, len: 512, kind: HurtKind::Unreadable };
    assert_eq!(told, [expected]);
    write_full(&*file, 1024, &[&[7; 512]]).unwrap();
    assert_eq!(contents(&*file)[1024], 7, "the page cache has it");
    assert_eq!(disk.hurt().len(), 1, "and the device not yet");
    file.sync_data().unwrap();
    assert!(disk.hurt().is_empty());
    assert_eq!(contents(&*file).len(), 3072);
}

#[test]
fn one_read_is_misdirected_and_the_next_is_not() {
    let disk = disk();
    let file = numbered(&disk, "a", 6);
    let sound = contents(&*file);
    let mut wrong = 0;
    for seed in 0..20 {
        disk.hurt_at("a", 700, HurtKind::MisdirectedRead, &mut rng(seed)).unwrap();
        let seen = contents(&*file);
        assert_eq!((&seen[..512], &seen[1024..]), (&sound[..512], &sound[1024..]));
        assert!(seen[512..1024].iter().all(|byte| *byte == seen[512]));
        wrong += usize::from(seen != sound);
        assert_eq!(contents(&*file), sound);
    }
    assert!(wrong > 10 && disk.counters().misdirected_reads == 20);
    assert_eq!(disk.hurt()[0].offset, 512);
}

#[test]
fn a_synced_write_is_lost_or_lands_elsewhere_and_is_seen_when_it_is_read_again() {
    for kind in [HurtKind::LostWrite, HurtKind::MisdirectedWrite] {
        let disk = disk();
        settled(&disk, "other", 5, 4096);
        let file = numbered(&disk, "a.seg", 8);
        disk.hurt_synced(kind, ".seg", 1);
        for round in [100, 101] {
            write_full(&*file, 0, &[&[round; 4096]]).unwrap();
            file.sync_data().unwrap();
        }
        assert_eq!(contents(&*file), [101; 4096], "the page cache knows nothing of it");
        file.evict().unwrap();
        let bytes = contents(&*file);
        let old = bytes.chunks(512).filter(|sector| **sector == [100; 512]).count();
        assert_eq!(old, 1, "{kind}: one sector holds what it held before");
        let counters = disk.counters();
        let told = (counters.lost_writes, counters.misdirected_writes);
        assert_eq!(told, if kind == HurtKind::LostWrite { (1, 0) } else { (0, 1) });
        assert!(disk.hurt().iter().any(|hurt| hurt.name == "a.seg" && hurt.len == 512));
        disk.revoke_damage();
        assert_eq!((read(&disk, "a.seg"), read(&disk, "other")), (vec![101; 4096], vec![5; 4096]));
    }
}

#[test]
fn what_a_test_changes_by_hand_is_told_and_taken_back() {
    let disk = disk();
    let file = settled(&disk, "a", 1, 2000);
    disk.overwrite_durably("a", 10, &[1, 2, 3, 1]).unwrap();
    disk.flip_bit("a", 100, 3).unwrap();
    disk.truncate_durably("a", 1500).unwrap();
    let told: Vec<_> =
        disk.hurt().into_iter().map(|hurt| (hurt.offset, hurt.len, hurt.kind)).collect();
    assert_eq!(
        told,
        [
            (11, 2, HurtKind::Overwritten),
            (100, 1, HurtKind::BitRot),
            (1500, 500, HurtKind::Truncated)
        ]
    );
    write_full(&*file, 5, &[&[4; 10]]).unwrap();
    file.sync_all().unwrap();
    disk.rename("a", "b").unwrap();
    assert_eq!((disk.hurt().len(), disk.hurt()[0].name.as_str()), (2, "b"));
    disk.revoke_damage();
    let sound = [vec![1; 5], vec![4; 10], vec![1; 1985]].concat();
    assert_eq!(contents(&*disk.open("b", OpenMode::Read).unwrap()), sound);
}

#[test]
fn garbage_after_a_power_cut_is_damage_and_is_told() {
    let mut seen = 0;
    for seed in 0..20 {
        let disk = disk();
        let file = numbered(&disk, "a", 8);
        write_full(&*file, 0, &[&[100; 4096]]).unwrap();
        let after = cut(&disk, &CrashPolicy::Garbage, seed);
        let junk = after.counters().garbage;
        assert_eq!(after.hurt().len() as u64, junk);
        let bytes = read(&after, "a");
        let odd = bytes.chunks(512).filter(|sector| sector.iter().any(|byte| *byte != sector[0]));
        assert_eq!(odd.count() as u64, junk);
        seen += junk;
        after.revoke_damage();
        assert!(
            read(&after, "a").chunks(512).all(|sector| [100, sector[0]].contains(&sector[511]))
        );
    }
    assert!(seen > 10);
}
