//! Performs the machine's actions on a disk. Decides nothing.
//!
//! The order of calls inside an action is the protocol its line in [`Action`] states; a crash
//! between any two of them is recovery's business.

use super::action::{
    Action, Event, Finished, Outcome, Preparation, Prepared, Removal, Run, Source, Trouble, Write,
};
use super::fill::{Needed, Pace, fill, fill_reserve};
use super::give_back::give_back;
use super::lineage::home;
use super::observing::Observing;
use super::watch::Watch;
use crate::error::{Disturbed, is_full};
use crate::format::extension::Extension;
use crate::format::frame_writer::{FinishedRun, finish_frames};
use crate::format::header::SegmentHeader;
use crate::format::layout;
use crate::format::name::FileName;
use crate::format::trailer::Trailer;
use crate::position::{Salt, SegmentId};
use crate::storage::latch::{AtomicU64, Mutex, Ordering};
use crate::storage::{Entropy, OpenMode, Storage, StorageFile, WriteFailure, write_full};
use std::io;
use std::sync::Arc;

/// The disk as the machine's actions need it. The active segment is written and synced through
/// one descriptor, which nothing else uses: a failed sync is told once per descriptor.
#[derive(Debug)]
pub(crate) struct Performer {
    storage: Arc<dyn Storage>,
    entropy: Arc<dyn Entropy>,
    active: Kept,
    /// The descriptors of segments that were written through `active` and are not synced.
    left: Mutex<Vec<(SegmentId, Arc<dyn StorageFile>)>>,
    /// The other descriptor of the active segment, for early write-back.
    back: Kept,
    /// Bytes of runs that were written: by them a preparation beside the appends is paced.
    appended: AtomicU64,
    /// Where the frames end that this run wrote to the newest segment; 0 before it wrote one.
    end: AtomicU64,
    watch: Watch,
    /// Whether the file of the next segment is.
    needed: Needed,
    observing: Option<Arc<Observing>>,
}

/// A file that is kept open, and whose it is.
#[derive(Debug)]
struct Kept(Mutex<Option<(SegmentId, Arc<dyn StorageFile>)>>);

impl Kept {
    fn none() -> Self {
        Self(Mutex::new(None))
    }

    /// What `body` makes of the segment's file, which is opened if another is kept. Nobody waits for
    /// the lock while the disk works: one lane asks, and has one action at a time.
    fn with<R>(
        &self,
        storage: &dyn Storage,
        segment: SegmentId,
        body: impl FnOnce(&Arc<dyn StorageFile>) -> R,
    ) -> io::Result<R> {
        let mut kept = self.0.lock();
        match &*kept {
            Some((number, file)) if *number == segment => Ok(body(file)),
            _ => {
                let file = storage.open(&FileName::Segment(segment).text(), OpenMode::Write)?;
                let (_, file) = kept.insert((segment, file));
                Ok(body(file))
            }
        }
    }
}

impl Performer {
    pub(crate) fn new(storage: Arc<dyn Storage>, entropy: Arc<dyn Entropy>, watch: Watch) -> Self {
        let (active, left, back) = (Kept::none(), Mutex::new(Vec::new()), Kept::none());
        let (appended, end) = (AtomicU64::new(0), AtomicU64::new(0));
        let needed = Needed::default();
        let observing = None;
        Self { storage, entropy, active, left, back, appended, end, watch, needed, observing }
    }

    pub(crate) fn observed(self, observing: Option<Arc<Observing>>) -> Self {
        Self { observing, ..self }
    }

    /// A preparation under way ends at its next call; from here on none succeeds but that of the close.
    pub(crate) fn stop_preparing(&self) {
        self.needed.stop();
    }

    /// Files are prepared again.
    pub(crate) fn prepare_again(&self) {
        self.needed.resume();
    }

    /// Performs `action`; blocks as long as the disk does.
    pub(crate) fn perform(&self, action: Action) -> Event {
        match action {
            Action::EraseCloseRecord { .. } if planted!("close-record-left") => {
                Event::Erased(Ok(()))
            }
            Action::EraseCloseRecord { segment, offset } => {
                let may = |file: &dyn StorageFile| self.watch.may_erase(file, offset);
                Event::Erased(self.write_and_sync(segment, offset, &[0; 64], may))
            }
            Action::Write(write) => self.write(write),
            Action::Sync { segment, upto } => {
                let file = self.active.with(&*self.storage, segment, Arc::clone);
                let file = file.map_err(|error| self.watch.explain(segment, error));
                let outcome = file.and_then(|file| {
                    self.sync_data(&*file)?;
                    Ok(self.watch.synced_later(&*file)?)
                });
                Event::Synced { upto, outcome }
            }
            Action::SyncLeft { segment, upkeep } => {
                Event::SyncedLeft { upkeep, outcome: self.sync_left(segment) }
            }
            // An append meanwhile waits for nothing, and a whole segment is no last resort.
            Action::Prepare(preparation)
                if preparation.beside.is_some()
                    || preparation.file_len > layout::SEGMENT_LEN_MIN =>
            {
                Event::Prepared(self.prepare(preparation))
            }
            Action::Prepare(preparation) => {
                Event::Prepared(self.with_room(|| self.prepare(preparation)))
            }
            Action::First { preparation, header } => Event::First(self.first(preparation, header)),
            Action::MakeReserve { from } => Event::ReserveMade(
                self.make_reserve(from)
                    .and_then(|()| self.storage.sync_dir().map_err(Trouble::SyncFailed)),
            ),
            Action::Begin { header } => {
                if !header.vouches() {
                    self.leave(header.number);
                }
                let may = |file: &dyn StorageFile| self.watch.may_begin(file, &header);
                let outcome = self.write_and_sync(header.number, 0, &header.blocks(), may);
                let outcome = outcome.and_then(|()| {
                    self.end.store(layout::FRAMES_START, Ordering::Relaxed);
                    self.watch.began(&header).map_err(|found| trouble(found.into()))
                });
                Event::Began { header, outcome }
            }
            Action::WriteCloseRecord { segment, offset, record } => {
                let may = |file: &dyn StorageFile| self.watch.may_close(file, offset);
                let outcome = self.write_and_sync(segment, offset, &record.encode(), may);
                Event::CloseRecorded(outcome.and_then(|()| self.look_at_the_close(segment)))
            }
            Action::CutAtClose { segment, file_len, record } => {
                Event::CutAtClose(self.cut_at_close(segment, file_len, &record))
            }
            Action::SealShort { segment, offset, seal } => {
                Event::Erased(self.open(FileName::Segment(segment)).and_then(|file| {
                    let may = self.watch.may_erase(&*file, offset);
                    may.map_err(|found| trouble(found.into()))?;
                    write_full(&*file, offset, &[&seal.encode()])
                        .map_err(|failure| Trouble::Failed(failure.error))?;
                    file.sync_data().map_err(Trouble::SyncFailed)
                }))
            }
            Action::Retire { segment, file_len, trailer } => {
                let outcome = self.open(FileName::Segment(segment)).and_then(|file| {
                    if let Some(trailer) = trailer {
                        seal(&*file, file_len, &trailer)
                            .map_err(|failure| Trouble::Failed(failure.error))?;
                    }
                    file.set_len(file_len).map_err(Trouble::Failed)
                });
                let found = self.watch.list_what_is_earned();
                let found = found.map_err(|found| Trouble::SyncFailed(found.into()));
                Event::Retired { segment, file_len, outcome: found.and(outcome) }
            }
            Action::WriteBack { segment } => {
                let shared = planted!("write-back-shares-the-descriptor");
                let of = if shared { &self.active } else { &self.back };
                let file = of.with(&*self.storage, segment, Arc::clone);
                let file = file.map_err(|error| self.no_file(segment, error));
                Event::WroteBack(
                    file.and_then(|file| file.sync_data().map_err(Trouble::SyncFailed)),
                )
            }
            Action::Remove { files, make_reserve } => self.remove(files, make_reserve),
        }
    }

    /// Performs a write; blocks as long as the disk does.
    pub(crate) fn write(&self, write: Write) -> Event {
        let mut write = write;
        let finished = finish(&mut write.run);
        let begun = self.observing.as_ref().map(|observing| observing.now());
        let refused = |error| WriteFailure { written: 0, error };
        let written = self.active.with(&*self.storage, write.segment, |file| {
            self.watch.may_write(&**file, &write).map_err(|found| refused(found.into()))?;
            let written = match write_run(&**file, write.offset, &write.run) {
                Err(failure) if is_full(&failure.error) => {
                    let end = write.offset + write.run.len;
                    if self.storage.copies_on_write() && give_back(&**file, Some(end)) {
                        write_run(&**file, write.offset, &write.run)
                    } else {
                        Err(failure)
                    }
                }
                written => written,
            };
            written.inspect_err(|_| self.watch.failed(write.offset))?;
            Ok(write.sync.then(|| Arc::clone(file)))
        });
        let Write { segment, offset, mut run, .. } = write;
        // Nobody else adds to it.
        let appended = self.appended.load(Ordering::Relaxed) + run.len;
        self.appended.store(appended, Ordering::Relaxed);
        let (outcome, synced) = match written {
            Ok(Ok(file)) => {
                if let (Some(observing), Some(begun)) = (&self.observing, begun) {
                    observing.wrote(run.len, begun);
                }
                // Here and not under the lock: giving so much memory back takes its time.
                run.front = Vec::new();
                let FinishedRun { last_check, last_at, frames } = finished;
                self.end.store(offset + run.len, Ordering::Relaxed);
                self.watch.wrote(offset + last_at as u64, last_check);
                let sync = |file: Arc<dyn StorageFile>| {
                    self.sync_data(&*file)?;
                    Ok(self.watch.synced(&*file)?)
                };
                (Ok(Finished { last_check, frames }), file.map(sync))
            }
            Ok(Err(failure)) => (Err(failure), None),
            Err(error) => (Err(refused(self.watch.explain(segment, error))), None),
        };
        Event::Wrote { run, outcome, synced }
    }

    /// Syncs what was appended.
    fn sync_data(&self, file: &dyn StorageFile) -> io::Result<()> {
        let Some(observing) = &self.observing else { return file.sync_data() };
        let begun = observing.now();
        file.sync_data()?;
        observing.synced(begun);
        Ok(())
    }

    /// The segment before this one is synced later, through the descriptor that it was written through: an
    /// error of a write in the background is reported to that one.
    fn leave(&self, next: SegmentId) {
        let mut active = self.active.0.lock();
        if let Some(before) = active.take_if(|(number, _)| *number < next) {
            self.left.lock().push(before);
        }
    }

    fn sync_left(&self, segment: SegmentId) -> io::Result<()> {
        let left = self.left.lock().iter().find(|(number, _)| *number == segment).cloned();
        let file = match left {
            Some((_, file)) => file,
            None => self
                .storage
                .open(&FileName::Segment(segment).text(), OpenMode::Write)
                .map_err(|error| self.watch.explain(segment, error))?,
        };
        self.sync_data(&*file)?;
        self.watch.synced_left(&*file, segment)?;
        self.left.lock().retain(|(number, _)| *number != segment);
        Ok(())
    }

    fn open(&self, name: FileName) -> Outcome<Arc<dyn StorageFile>> {
        self.storage.open(&name.text(), OpenMode::Write).map_err(Trouble::Failed)
    }

    /// Why a segment's file could not be opened: for good, if others removed it.
    fn no_file(&self, segment: SegmentId, error: io::Error) -> Trouble {
        trouble(self.watch.explain(segment, error))
    }

    /// Writes and syncs, if what stands there is what `may` expects.
    fn write_and_sync(
        &self,
        segment: SegmentId,
        offset: u64,
        bytes: &[u8],
        may: impl FnOnce(&dyn StorageFile) -> Result<(), Disturbed>,
    ) -> Outcome {
        let outcome = self.active.with(&*self.storage, segment, |file| {
            may(&**file).map_err(|found| trouble(found.into()))?;
            let write = || {
                write_full(&**file, offset, &[bytes])
                    .map_err(|failure| Trouble::Failed(failure.error))
            };
            let written = self.with_room(write);
            if offset == 0 {
                // Nothing counts in the file before its header.
                written
                    .or_else(|trouble| self.hollow(&**file, 1, trouble).and_then(|()| write()))?;
            } else {
                written?;
            }
            if offset == 0 && planted!("header-not-synced-before-its-frames") {
                return Ok(());
            }
            file.sync_data().map_err(Trouble::SyncFailed)
        });
        outcome.map_err(|error| self.no_file(segment, error)).flatten()
    }

    /// Rule F1: a file gets a segment's name only when its length is synced, and its header
    /// blocks and first frame block are zero and synced.
    fn prepare(&self, preparation: Preparation) -> Outcome<Prepared> {
        let Preparation { number, source, file_len, file_len_max, .. } = preparation;
        let Preparation { written, asked, beside, closing, .. } = preparation;
        let of_the_close = Needed::default();
        let needed = if closing { &of_the_close } else { &self.needed };
        let salt = self.draw_salt()?;
        let from = match source {
            Source::Named => FileName::Segment(number),
            Source::Spare(spare) | Source::New(spare) => FileName::Spare(spare),
            Source::Reserve => FileName::RESERVE,
        };
        let file = match source {
            Source::New(_) => self.create_spare(from)?,
            Source::Spare(_) | Source::Reserve => self.open(from)?,
            Source::Named => {
                self.watch.may_prepare(number).map_err(|found| trouble(found.into()))?;
                self.open(from)?
            }
        };
        let file_len = match source {
            // What a longer one has beyond is written already.
            Source::Spare(_) => {
                let there = file.len().map_err(Trouble::Failed)?.min(file_len_max);
                file_len.max(there / layout::BLOCK * layout::BLOCK)
            }
            Source::Named | Source::New(_) | Source::Reserve => file_len,
        };
        let pace = match beside {
            Some(left) => Pace::beside(&self.appended, file_len, left),
            None => Pace::AtOnce,
        };
        let filled = match source {
            // All of it: nothing of an earlier use may be taken for a sign that the segment was begun.
            Source::Reserve => fill_reserve(&*file),
            Source::Named | Source::Spare(_) | Source::New(_) => {
                // Otherwise its zeros would fill the disk before it is seen that they do not fit.
                let asked = asked || self.may_lack_room(&*file, file_len);
                fill(&*file, file_len, written, asked, pace, needed)
            }
        };
        // Another has the room of its own that it needs, or goes to a shorter one.
        let keeps_room = matches!(source, Source::Named | Source::Reserve);
        let filled = match filled {
            Err(trouble) if keeps_room => self.hollow(&*file, file_len, trouble),
            filled => filled,
        };
        let synced = filled.is_ok().then(|| file.sync_all());
        // Nothing of the log is in the file, so a sync of it that fails takes nothing along. But
        // what was written may be lost and marked clean: such a file is thrown away. What failed is
        // told either way, and a file that stays is a spare to the next open.
        let thrown_away = match source {
            Source::New(_) => filled.is_err() || matches!(synced, Some(Err(_))),
            Source::Spare(_) => matches!(synced, Some(Err(_))),
            // Their heads are written anew, and no other byte of them has to be any.
            Source::Named | Source::Reserve => false,
        };
        if thrown_away {
            let _left_as_spare = self.watch.own_change(|| self.storage.remove(&from.text()));
        }
        filled?;
        synced.unwrap_or(Ok(())).map_err(Trouble::Failed)?;
        let home = home(&*self.storage, &*file).map_err(Trouble::Failed)?;
        if from != FileName::Segment(number) {
            self.watch.name(&from.text(), number).map_err(trouble)?;
        }
        self.storage.sync_dir().map_err(Trouble::SyncFailed)?;
        Ok(Prepared { file_len, salt, home })
    }

    fn draw_salt(&self) -> Outcome<Salt> {
        let mut salt = [0; 8];
        self.entropy.fill(&mut salt).map_err(Trouble::Failed)?;
        Ok(Salt::new(u64::from_le_bytes(salt)))
    }

    fn create_spare(&self, name: FileName) -> Outcome<Arc<dyn StorageFile>> {
        match self.watch.own_change(|| self.create(name)) {
            // Left by a preparation that failed and could not clean up; its content is nothing.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.open(name),
            created => created.map_err(|error| trouble(self.watch.explain_made(error))),
        }
    }

    /// The first segment of a log has nothing to wait for: its header is written before the file has its
    /// name. Before that it is a spare that is not empty, which the next open of a log that was never
    /// trimmed removes.
    fn first(&self, preparation: Preparation, header: SegmentHeader) -> Outcome<SegmentHeader> {
        let Preparation { number, file_len, written, asked, .. } = preparation;
        let salt = self.draw_salt()?;
        self.make_reserve(None)?;
        let from = FileName::Spare(number.get());
        let file = self.create_spare(from)?;
        let home = home(&*self.storage, &*file).map_err(Trouble::Failed)?;
        let extension = Extension { home, ..header.extension };
        let header = SegmentHeader { salt, extension, ..header };
        let asked = asked || self.may_lack_room(&*file, file_len);
        let made = fill(&*file, file_len, written, asked, Pace::AtOnce, &self.needed)
            .and_then(|()| {
                write_full(&*file, 0, &[&header.blocks()])
                    .map_err(|failure| Trouble::Failed(failure.error))
            })
            .and_then(|()| match planted!("first-named-before-its-sync") {
                true => Ok(()),
                false => file.sync_all().map_err(Trouble::Failed),
            });
        if let Err(trouble) = made {
            let _left_as_spare = self.watch.own_change(|| self.storage.remove(&from.text()));
            return Err(trouble);
        }
        self.watch.may_found(&header);
        // That the file is not there any more is the work of another writer, who perhaps uses it.
        self.watch
            .name(&from.text(), number)
            .map_err(|error| trouble(self.watch.explain(number, error)))?;
        self.storage.sync_dir().map_err(Trouble::SyncFailed)?;
        self.end.store(layout::FRAMES_START, Ordering::Relaxed);
        self.watch.began(&header).map_err(|found| trouble(found.into()))?;
        Ok(header)
    }

    /// After the sync of a close: what it stands in still has its name and its length.
    fn look_at_the_close(&self, segment: SegmentId) -> Outcome {
        let file = self.active.with(&*self.storage, segment, Arc::clone);
        // Without a descriptor nothing can be said.
        let look = file.map_or(Ok(()), |file| self.watch.synced_later(&*file));
        look.map_err(|found| trouble(found.into()))
    }

    /// The log is closed already, and stays so at each step: a file of whole length has its close record, and
    /// a shorter one is there only once the record that ends it is durable.
    fn cut_at_close(&self, segment: SegmentId, file_len: u64, record: &Trailer) -> Outcome {
        let file = self.active.with(&*self.storage, segment, Arc::clone);
        let file = file.map_err(|error| self.no_file(segment, error))?;
        write_full(&*file, layout::trailer_offset(file_len), &[&record.encode()])
            .map_err(|failure| Trouble::Failed(failure.error))?;
        if !planted!("cut-before-its-record-is-synced") {
            file.sync_data().map_err(Trouble::SyncFailed)?;
        }
        file.set_len(file_len).map_err(Trouble::Failed)
    }

    /// Whether the file system says that the file cannot grow to this length. Some keep room for the
    /// superuser that they do not count: so the room is asked for then, and not taken for missing.
    fn may_lack_room(&self, file: &dyn StorageFile, file_len: u64) -> bool {
        let grows = file_len.saturating_sub(file.len().unwrap_or(file_len));
        grows > 0 && self.storage.free().is_some_and(|free| free < grows)
    }

    /// All but the sync of the directory.
    fn make_reserve(&self, from: Option<u64>) -> Outcome {
        let name = FileName::RESERVE.text();
        if let Some(spare) = from {
            let spare = FileName::Spare(spare).text();
            self.watch
                .own_change(|| self.storage.rename(&spare, &name))
                .map_err(Trouble::Failed)?;
        }
        let file = match self.storage.open(&name, OpenMode::Write) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.watch.own_change(|| self.create(FileName::RESERVE))
            }
            opened => opened,
        };
        let file = file.map_err(|error| trouble(self.watch.explain_made(error)))?;
        let there = file.len().map_err(Trouble::Failed)?;
        let filled = fill_reserve(&*file);
        if filled.is_err() && there < layout::SEGMENT_LEN_MIN {
            // Gives the room back. What stays is too short, and no reserve to the next open.
            let _left_too_short = self.watch.own_change(|| self.storage.remove(&name));
        }
        filled
    }

    /// Makes a call of the commit lane; once more, where there was no room for it and the newest
    /// segment gave some back. Nothing else writes to that meanwhile: it is this lane that does.
    fn with_room<T>(&self, call: impl Fn() -> Outcome<T>) -> Outcome<T> {
        match call() {
            Err(Trouble::Failed(error)) if is_full(&error) && self.give_back() => call(),
            outcome => outcome,
        }
    }

    /// What this run writes to keeps its room where writes are made in place: its last frames need it.
    fn give_back(&self) -> bool {
        if !self.storage.copies_on_write() && self.watch.writes_to_newest() {
            return false;
        }
        let end = Some(self.end.load(Ordering::Relaxed)).filter(|&end| end > 0);
        let newest = self.watch.newest().map(|number| self.open(FileName::Segment(number)));
        newest.is_some_and(|file| file.is_ok_and(|file| give_back(&*file, end)))
    }

    /// Where even zeros over zeros need room that there is not, a file that was not begun gives its own: a
    /// hole reads as zeros, and the header finds the room that was the file's.
    fn hollow(&self, file: &dyn StorageFile, at_least: u64, trouble: Trouble) -> Outcome {
        let full = matches!(&trouble, Trouble::Failed(error) if is_full(error));
        let hollowed = full
            && self.storage.copies_on_write()
            && !planted!("room-not-given-back")
            && file.len().is_ok_and(|len| len >= at_least && file.punch(0, len).is_ok());
        if hollowed { Ok(()) } else { Err(trouble) }
    }

    fn create(&self, name: FileName) -> io::Result<Arc<dyn StorageFile>> {
        self.storage.open(&name.text(), OpenMode::Create)
    }

    fn remove(&self, files: Vec<Removal>, make_reserve: bool) -> Event {
        self.watch.forget(&files);
        self.watch.own_change(|| self.remove_each(files, make_reserve))
    }

    fn remove_each(&self, files: Vec<Removal>, make_reserve: bool) -> Event {
        let (mut done, mut left) = (Vec::new(), Vec::new());
        let mut outcome = Ok(());
        for removal in files {
            let name = FileName::Segment(removal.segment).text();
            let removed = match (&outcome, removal.keep_as) {
                (Err(_), _) => {
                    left.push(removal);
                    continue;
                }
                (Ok(()), Some(spare)) => self.storage.rename(&name, &FileName::Spare(spare).text()),
                (Ok(()), None) => self.storage.remove(&name),
            };
            match removed {
                Ok(()) => done.push(removal),
                // An earlier attempt got as far as this.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    left.push(removal);
                    outcome = Err(Trouble::Failed(error));
                }
            }
        }
        let reserve = make_reserve.then(|| self.make_reserve(None));
        let kept = planted!("recycled-before-its-removal-is-durable")
            && done.iter().all(|removal| removal.keep_as.is_some());
        if (!done.is_empty() && !kept || make_reserve)
            && let Err(error) = self.storage.sync_dir()
        {
            outcome = Err(Trouble::SyncFailed(error));
        }
        Event::Removed { done, left, reserve, outcome }
    }
}

/// Writes the trailer at the end that the file is about to get. What lies behind gives its room, if
/// there is none.
fn seal(file: &dyn StorageFile, file_len: u64, trailer: &Trailer) -> Result<(), WriteFailure> {
    let write = || write_full(file, layout::trailer_offset(file_len), &[&trailer.encode()]);
    match write() {
        Err(failure) if is_full(&failure.error) => {
            let behind = file.len().unwrap_or(0).saturating_sub(file_len);
            if behind > 0 && file.punch(file_len, behind).is_ok() { write() } else { Err(failure) }
        }
        written => written,
    }
}

/// What others did to the files is as final as a failed sync.
fn trouble(error: io::Error) -> Trouble {
    match Disturbed::of(&error) {
        Some(_) => Trouble::SyncFailed(error),
        None => Trouble::Failed(error),
    }
}

fn write_run(file: &dyn StorageFile, offset: u64, run: &Run) -> Result<(), WriteFailure> {
    if run.front.is_empty() {
        return write_full(file, offset, &[&run.bytes]);
    }
    let all = run.front.iter().chain([&run.bytes]);
    write_full(file, offset, &all.map(Vec::as_slice).collect::<Vec<_>>())
}

/// Fills in the checks of a run.
fn finish(run: &mut Run) -> FinishedRun {
    if run.front.is_empty() {
        return finish_frames(&mut run.bytes, run.seed, run.lsn, run.prev);
    }
    finish_parts(run)
}

/// One part after the other.
#[cold]
fn finish_parts(run: &mut Run) -> FinishedRun {
    let Run { front, bytes, lsn, seed, prev, .. } = run;
    let (mut at, mut begin) = (*lsn, 0);
    let mut all = FinishedRun { last_check: *prev, last_at: 0, frames: 0 };
    for part in front.iter_mut().chain([bytes]).filter(|part| !part.is_empty()) {
        let FinishedRun { last_check, last_at, frames } =
            finish_frames(part, *seed, at, all.last_check);
        all = FinishedRun { last_check, last_at: begin + last_at, frames: all.frames + frames };
        begin += part.len();
        at = at.checked_add(part.len() as u64).expect("LSNs end beyond any log's life");
    }
    all
}
