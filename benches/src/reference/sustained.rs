//! Frames gather and are written as for a burst, but a disk must keep up: each segment is synced
//! before the next one is written.
//!
//! A second thread syncs what was written every few MiB through a descriptor of its own, so that
//! the sync at the end of a segment finds little left.

use super::{BLOCK, PREPARED, body_check, created, push};
use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes after which the second thread is asked to sync.
const EARLY: u64 = 4 << 20;

/// Frames gather, are written, and are synced at the end of each segment.
#[derive(Debug)]
pub struct Sustained {
    dir: PathBuf,
    state: Mutex<State>,
    early: Option<(SyncSender<File>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct State {
    file: File,
    number: u64,
    buffer: Vec<u8>,
    end: u64,
    asked: u64,
}

impl Sustained {
    /// The first segment, in a directory.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let file = created(&dir.join("0"))?;
        let buffer = Vec::with_capacity(2 * BLOCK);
        let state = Mutex::new(State { file, number: 0, buffer, end: 0, asked: 0 });
        let (ask, asked) = sync_channel(1);
        let early = std::thread::Builder::new().spawn(move || sync_early(&asked))?;
        Ok(Self { dir: dir.to_owned(), state, early: Some((ask, early)) })
    }

    /// Appends one record.
    ///
    /// # Errors
    /// What the file system says.
    #[inline]
    pub fn append(&self, record: &[u8]) -> io::Result<()> {
        let check = body_check(record);
        let mut state = self.state.lock();
        push(&mut state.buffer, check, record);
        if state.buffer.len() >= BLOCK { self.drain(&mut state) } else { Ok(()) }
    }

    /// Everything appended is durable.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        self.drain(&mut state)?;
        state.file.sync_data()
    }

    fn drain(&self, state: &mut State) -> io::Result<()> {
        state.file.write_all_at(&state.buffer, state.end)?;
        state.end += state.buffer.len() as u64;
        state.buffer.clear();
        if state.end >= PREPARED {
            state.file.sync_data()?;
            state.number += 1;
            state.file = created(&self.dir.join(state.number.to_string()))?;
            (state.end, state.asked) = (0, 0);
        } else if state.end - state.asked >= EARLY {
            state.asked = state.end;
            let path = self.dir.join(state.number.to_string());
            let second = OpenOptions::new().write(true).open(path)?;
            if let Some((ask, _)) = &self.early {
                // One that is busy will find this, too, when it comes round again.
                let _busy = ask.try_send(second);
            }
        }
        Ok(())
    }
}

fn sync_early(asked: &Receiver<File>) {
    for file in asked {
        // The sync of the segment tells what went wrong; this one only begins early.
        let _told_later = file.sync_data();
    }
}

impl Drop for Sustained {
    fn drop(&mut self) {
        if let Some((ask, thread)) = self.early.take() {
            drop(ask);
            let _printed = thread.join();
        }
    }
}
