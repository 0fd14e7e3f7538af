//! What to do about an error of the operating system: a table by what was tried, what the system
//! said, and the state of the file system. [`exit`](crate::exit) prints it.

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// The state of the file system of the log, as far as it explains an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ground {
    /// It is mounted read-only, or cannot be written at all.
    pub(crate) read_only: bool,
    /// It counts inodes, and none is left.
    pub(crate) no_inodes: bool,
}

impl Ground {
    /// Asks about the file system of `dir`, or of the directory above it where it is missing. What
    /// cannot be found out explains nothing.
    pub(crate) fn of(dir: &Path) -> Self {
        let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
        let found = statvfs(dir).or_else(|_| statvfs(above.unwrap_or(Path::new("."))));
        found.map_or_else(
            |_| Self::default(),
            |found| Self {
                read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
                no_inodes: found.f_files > 0 && found.f_favail == 0,
            },
        )
    }
}

/// When a row of the table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Any,
    ReadOnly,
    NoInodes,
}

impl State {
    const fn holds(self, ground: Ground) -> bool {
        match self {
            Self::Any => true,
            Self::ReadOnly => ground.read_only,
            Self::NoInodes => ground.no_inodes,
        }
    }
}

/// One row. Empty lists stand for everything.
struct Row {
    tried: &'static [&'static str],
    said: &'static [Errno],
    state: State,
    hint: &'static str,
}

/// What is tried when a file is made or gets its name.
const MAKE: &[&str] = &["open the directory", "create", "prepare", "rename"];
/// What writes bytes in place.
const WRITE: &[&str] = &[
    "write",
    "write the header of",
    "write the close record of",
    "erase the close record of",
    "rebuild the header of",
];
const DIRECTORY: &[&str] = &["open the directory"];
const QUARANTINE: &[&str] = &["open the quarantine"];
const LOCK: &[&str] = &["lock"];
const SYNC: &[&str] = &["sync"];
const SYNC_OR_OPEN_DIRECTORY: &[&str] = &["sync", "open the directory"];
/// What is refused where a name is no file. It may only be found out when the header is read.
const OPEN: &[&str] = &["open", "use", "read", "rename", "remove"];
const OUTPUT: &[&str] = &["write to standard output"];
const INPUT: &[&str] = &["read standard input"];
const THREADS: &[&str] = &["start the threads of"];
/// What the log's last act before a failed sync was does not matter.
const POISONED: &[&str] = &[POISON];

/// How the table names a sync that stopped the log.
pub(crate) const POISON: &str = "sync what was appended";

const READ_ONLY: &str = "the file system is mounted read-only, which may be the kernel's answer to \
    a failing disk: look at its log, then mount it for writing; `cat`, `inspect` and `verify` work \
    as it is";

/// The first row that fits counts.
const TABLE: &[Row] = &[
    row(
        OUTPUT,
        &[],
        "see where standard output goes, then run this again; what `append` took is in the log, also \
         where it could not be acknowledged",
    ),
    row(INPUT, &[], "see where standard input comes from; what came before is kept"),
    row(
        POISONED,
        &[Errno::INTR],
        "a signal interrupted the sync, which says nothing about the disk: see what is there with \
         `seawall verify`, then append the rest again",
    ),
    row(
        POISONED,
        &[Errno::NOSPC, Errno::DQUOT],
        "the file system took bytes for which it had no room: make room, see what is there with \
         `seawall verify`, then append the rest again",
    ),
    row(
        POISONED,
        &[],
        "what was not acknowledged may be lost: check the disk, then see what is there with \
         `seawall verify` before appending again",
    ),
    row(
        &[],
        &[Errno::MFILE],
        "this process may open no more files: raise the limit (`ulimit -n`) and try again; nothing \
         was lost",
    ),
    row(
        &[],
        &[Errno::NFILE],
        "the whole system has no file handle left: end what holds them, or raise `fs.file-max`, and \
         try again; nothing was lost",
    ),
    row(
        THREADS,
        &[],
        "the system starts no more threads: raise the limit (`ulimit -u`, or `pids.max` of the \
         container) and try again; nothing was changed",
    ),
    Row {
        tried: MAKE,
        said: &[Errno::NOSPC],
        state: State::NoInodes,
        hint: "the file system may have room, but has no inode left for another file (`df -i`): \
               remove files there, then append the rest again; what was acknowledged is kept",
    },
    row(
        &[],
        &[Errno::DQUOT],
        "the quota is used up: remove files that count to it, or have it raised, then append the rest \
         again; what was acknowledged is kept",
    ),
    row(
        &[],
        &[Errno::NOSPC],
        "make room and append the rest again; what was acknowledged is kept, and `seawall verify` \
         counts it; `seawall trim` forgets the head of a log",
    ),
    row(
        &[],
        &[Errno::FBIG],
        "a limit on the length of files (`ulimit -f`, or the file system's own) is below the length \
         of a segment: raise it, or append with a smaller --segment-len and shorter records",
    ),
    Row {
        tried: SYNC_OR_OPEN_DIRECTORY,
        said: &[Errno::INVAL],
        state: State::ReadOnly,
        hint: "this file system is only for reading (squashfs, erofs and the like): `cat`, `inspect` \
               and `verify` work here; to append, `seawall copy` the log to another one",
    },
    row(
        SYNC_OR_OPEN_DIRECTORY,
        &[Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS],
        "this file system cannot sync a directory, so nothing on it is durable: put the log on \
         another one",
    ),
    row(
        SYNC,
        &[Errno::INTR],
        "a signal interrupted the sync, which says nothing about the disk: try again",
    ),
    row(&[], &[Errno::ROFS], READ_ONLY),
    row(
        LOCK,
        &[Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL],
        "this file system has no locks, by which a second writer is refused: mount it with them, or \
         put the log on another one",
    ),
    row(
        WRITE,
        &[Errno::PERM, Errno::OPNOTSUPP, Errno::INVAL],
        "the file system refuses writes into a file that is there, or the file was made immutable \
         (`lsattr` shows it): a log needs them, so clear the attribute or put the log on another \
         file system",
    ),
    row(
        &[],
        &[Errno::PERM],
        "an attribute of the directory or the file forbids it (`lsattr -d DIR`, `lsattr DIR`: `i` \
         immutable, `a` only appended to; `chattr -i -a` clears it), or the file system does not do \
         this",
    ),
    row(
        DIRECTORY,
        &[Errno::NOENT],
        "there is no such directory; `append` makes it, but none above it",
    ),
    row(DIRECTORY, &[Errno::NOTDIR], "a log is a directory, not a file"),
    row(DIRECTORY, &[Errno::ACCESS], "run this as a user who may open the directory"),
    row(
        DIRECTORY,
        &[Errno::LOOP, Errno::NAMETOOLONG, Errno::INVAL, Errno::EXIST],
        "check the path: the names in it, their lengths, and links that lead nowhere",
    ),
    row(
        QUARANTINE,
        &[Errno::NOTDIR],
        "a file or a link has this name, and links out of the log are not followed: move it away, or \
         name a directory with --quarantine; nothing was changed",
    ),
    row(
        QUARANTINE,
        &[Errno::NOENT],
        "there is no such directory, or a link that leads nowhere; `repair` makes it, but none above \
         it; nothing was changed",
    ),
    row(
        OPEN,
        &[Errno::INVAL, Errno::LOOP, Errno::ISDIR, Errno::NOTDIR],
        "this name is the log's own, and a directory, a link or something else that is no file of a \
         log has it: move that away, and put back the file if it was one",
    ),
    row(
        &[],
        &[Errno::NOENT],
        "the file, or the directory, was removed while it was in use: put it back, or restore the \
         directory from a copy",
    ),
    row(&[], &[Errno::ACCESS], "run this as the owner of the log"),
    row(
        &[],
        &[Errno::NOTCONN, Errno::STALE, Errno::SHUTDOWN, Errno::CONNABORTED, Errno::NODEV],
        "the file system is no longer there (its server or program ended, or its device is gone): \
         mount it again, then see what is there with `seawall verify`",
    ),
    row(
        &[],
        &[],
        "nothing was dropped; see to the disk (its own log names the fault), then try again",
    ),
];

const fn row(tried: &'static [&'static str], said: &'static [Errno], hint: &'static str) -> Row {
    Row { tried, said, state: State::Any, hint }
}

/// What to do where the system refused `tried`, saying `error`.
pub(crate) fn of(tried: &str, error: &io::Error, ground: Ground) -> &'static str {
    place(tried, error, ground).and_then(|at| TABLE.get(at)).map_or("", |row| row.hint)
}

fn place(tried: &str, error: &io::Error, ground: Ground) -> Option<usize> {
    let said = Errno::from_io_error(error).or_else(|| kindred(error.kind()));
    TABLE.iter().position(|row| {
        (row.tried.is_empty() || row.tried.contains(&tried))
            && (row.said.is_empty() || said.is_some_and(|said| row.said.contains(&said)))
            && row.state.holds(ground)
    })
}

/// The errno of an error that has lost its own, or never had one.
fn kindred(kind: io::ErrorKind) -> Option<Errno> {
    match kind {
        io::ErrorKind::InvalidInput => Some(Errno::INVAL),
        io::ErrorKind::NotFound => Some(Errno::NOENT),
        io::ErrorKind::NotADirectory => Some(Errno::NOTDIR),
        io::ErrorKind::PermissionDenied => Some(Errno::ACCESS),
        io::ErrorKind::ReadOnlyFilesystem => Some(Errno::ROFS),
        io::ErrorKind::StorageFull => Some(Errno::NOSPC),
        io::ErrorKind::QuotaExceeded => Some(Errno::DQUOT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SOUND: Ground = Ground { read_only: false, no_inodes: false };
    const IMAGE: Ground = Ground { read_only: true, no_inodes: false };
    const NO_INODES: Ground = Ground { read_only: false, no_inodes: true };

    #[test]
    fn every_row_is_reached_and_says_what_fits_the_call_and_the_error() {
        let mut reached = BTreeSet::new();
        for (tried, errno, ground, says) in [
            ("write to standard output", Errno::NOSPC, SOUND, "where standard output goes"),
            ("read standard input", Errno::ISDIR, SOUND, "where standard input comes from"),
            (POISON, Errno::INTR, SOUND, "a signal interrupted the sync"),
            (POISON, Errno::NOSPC, SOUND, "no room"),
            (POISON, Errno::IO, SOUND, "check the disk"),
            ("open", Errno::MFILE, SOUND, "ulimit -n"),
            ("open the directory", Errno::MFILE, SOUND, "ulimit -n"),
            ("prepare", Errno::NFILE, SOUND, "fs.file-max"),
            ("start the threads of", Errno::AGAIN, SOUND, "ulimit -u"),
            ("prepare", Errno::NOSPC, NO_INODES, "df -i"),
            ("create", Errno::NOSPC, NO_INODES, "df -i"),
            ("prepare", Errno::NOSPC, SOUND, "make room"),
            // Bytes of a file that is there need no inode.
            ("write", Errno::NOSPC, NO_INODES, "make room"),
            ("write", Errno::DQUOT, SOUND, "quota"),
            ("prepare", Errno::FBIG, SOUND, "ulimit -f"),
            ("sync", Errno::INVAL, IMAGE, "squashfs"),
            ("open the directory", Errno::INVAL, IMAGE, "squashfs"),
            ("sync", Errno::INVAL, SOUND, "cannot sync a directory"),
            ("sync", Errno::INTR, SOUND, "try again"),
            ("write", Errno::ROFS, SOUND, "mounted read-only"),
            ("open", Errno::ROFS, IMAGE, "mounted read-only"),
            ("lock", Errno::NOLCK, SOUND, "has no locks"),
            ("write the header of", Errno::PERM, SOUND, "refuses writes into a file"),
            ("erase the close record of", Errno::PERM, SOUND, "refuses writes into a file"),
            ("open", Errno::PERM, SOUND, "chattr"),
            ("rename", Errno::PERM, SOUND, "chattr"),
            ("remove", Errno::PERM, SOUND, "chattr"),
            ("prepare", Errno::PERM, SOUND, "chattr"),
            ("open the directory", Errno::NOENT, SOUND, "no such directory"),
            ("open the directory", Errno::NOTDIR, SOUND, "not a file"),
            ("open the directory", Errno::ACCESS, SOUND, "may open the directory"),
            ("open the directory", Errno::NAMETOOLONG, SOUND, "check the path"),
            ("open the quarantine", Errno::NOTDIR, SOUND, "--quarantine"),
            ("open the quarantine", Errno::NOENT, SOUND, "none above"),
            ("open", Errno::INVAL, SOUND, "move that away"),
            ("open", Errno::LOOP, SOUND, "move that away"),
            ("read", Errno::INVAL, SOUND, "move that away"),
            ("read", Errno::NOENT, SOUND, "was removed while it was in use"),
            ("open", Errno::ACCESS, SOUND, "owner of the log"),
            ("read", Errno::NOTCONN, SOUND, "mount it again"),
            ("read", Errno::IO, SOUND, "see to the disk"),
        ] {
            let error = io::Error::from(errno);
            let hint = of(tried, &error, ground);
            assert!(hint.contains(says), "{tried}, {errno:?}, {ground:?}: {hint}");
            reached.extend(place(tried, &error, ground));
        }
        let all: BTreeSet<usize> = (0..TABLE.len()).collect();
        assert_eq!(reached, all, "each row has a case above");
    }

    #[test]
    fn an_error_without_a_number_is_known_by_its_kind() {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        assert!(of("use", &error, SOUND).contains("move that away"));
        assert!(of("read", &io::Error::other("odd"), SOUND).contains("see to the disk"));
    }

    #[test]
    fn the_ground_of_a_missing_directory_is_that_of_the_one_above() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(Ground::of(&scratch.path().join("missing")), Ground::of(scratch.path()));
        assert_eq!(Ground::of(Path::new("missing")), Ground::of(Path::new(".")));
    }
}
