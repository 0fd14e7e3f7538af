use super::super::Eviction;
use super::super::latch::Mutex;
use super::*;
use std::collections::VecDeque;

/// What the next call does.
#[derive(Clone, Copy, Debug)]
enum Answer {
    AtMost(usize),
    Fails(io::ErrorKind),
    Claims(usize),
}

/// A file that follows a script, then takes and gives everything.
#[derive(Debug, Default)]
struct Scripted {
    bytes: Mutex<Vec<u8>>,
    script: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<(u64, usize, usize)>>,
}

impl Scripted {
    fn new(script: &[Answer]) -> Self {
        Self { script: Mutex::new(script.iter().copied().collect()), ..Self::default() }
    }

    fn holding(bytes: &[u8], script: &[Answer]) -> Self {
        Self { bytes: Mutex::new(bytes.to_vec()), ..Self::new(script) }
    }

    fn next(&self) -> Answer {
        self.script.lock().pop_front().unwrap_or(Answer::AtMost(usize::MAX))
    }
}

impl StorageFile for Scripted {
    fn read_at(&self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked: usize = into.iter().map(|slice| slice.len()).sum();
        self.calls.lock().push((offset, into.len(), asked));
        let most = match self.next() {
            Answer::AtMost(most) => most,
            Answer::Fails(kind) => return Err(kind.into()),
            Answer::Claims(count) => return Ok(count),
        };
        let bytes = self.bytes.lock();
        let from = usize::try_from(offset).unwrap().min(bytes.len());
        let mut count = 0;
        for (to, byte) in
            into.iter_mut().flat_map(|slice| slice.iter_mut()).zip(&bytes[from..]).take(most)
        {
            *to = *byte;
            count += 1;
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let asked: usize = parts.iter().map(|slice| slice.len()).sum();
        self.calls.lock().push((offset, parts.len(), asked));
        assert!(parts.iter().all(|part| !part.is_empty()), "empty parts are left out");
        let most = match self.next() {
            Answer::AtMost(most) => most,
            Answer::Fails(kind) => return Err(kind.into()),
            Answer::Claims(count) => return Ok(count),
        };
        let taken: Vec<u8> =
            parts.iter().flat_map(|part| part.iter().copied()).take(most).collect();
        let from = usize::try_from(offset).unwrap();
        let mut bytes = self.bytes.lock();
        let end = bytes.len().max(from + taken.len());
        bytes.resize(end, 0);
        bytes[from..from + taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.bytes.lock().len()).unwrap())
    }

    fn evict(&self) -> io::Result<Eviction> {
        Ok(Eviction::Unverified)
    }
}

const EINTR: Answer = Answer::Fails(io::ErrorKind::Interrupted);

#[test]
fn short_and_interrupted_writes_go_on_where_they_were() {
    let file = Scripted::new(&[EINTR, Answer::AtMost(2), EINTR, EINTR, Answer::AtMost(3)]);
    write_full(&file, 4, &[b"", b"abc", b"", b"d", b"efgh", b""]).unwrap();
    assert_eq!(*file.bytes.lock(), b"\0\0\0\0abcdefgh");
    assert_eq!(
        *file.calls.lock(),
        [(4, 3, 8), (4, 3, 8), (6, 3, 6), (6, 3, 6), (6, 3, 6), (9, 1, 3)]
    );
}

#[test]
fn a_short_write_of_one_part_goes_on_where_it_was() {
    let file = Scripted::new(&[Answer::AtMost(2), EINTR, Answer::AtMost(1)]);
    write_full(&file, 4, &[b"abcdef"]).unwrap();
    assert_eq!(*file.bytes.lock(), b"\0\0\0\0abcdef");
    assert_eq!(*file.calls.lock(), [(4, 1, 6), (6, 1, 4), (6, 1, 4), (7, 1, 3)]);
}

#[test]
fn short_and_interrupted_reads_go_on_where_they_were() {
    let file = Scripted::holding(b"0123456789", &[Answer::AtMost(1), EINTR, Answer::AtMost(4)]);
    let mut into = [0; 8];
    assert_eq!(read_full(&file, 1, &mut into).unwrap(), 8);
    assert_eq!(&into, b"12345678");
}

#[test]
fn a_read_ends_at_the_end_of_the_file() {
    let file = Scripted::holding(b"0123", &[Answer::AtMost(1)]);
    let mut into = [0; 8];
    assert_eq!(read_full(&file, 2, &mut into).unwrap(), 2);
    assert_eq!(read_full(&file, 9, &mut into).unwrap(), 0);
    assert_eq!(read_full(&file, 0, &mut []).unwrap(), 0);
}

#[test]
fn a_write_that_takes_nothing_is_an_error() {
    let file = Scripted::new(&[Answer::AtMost(1), Answer::AtMost(0)]);
    let failure = write_full(&file, 0, &[b"abc"]).unwrap_err();
    assert_eq!((failure.written, failure.error.kind()), (1, io::ErrorKind::WriteZero));
}

#[test]
fn a_failure_tells_how_far_the_write_got_and_keeps_the_kind() {
    let script = [Answer::AtMost(5), EINTR, Answer::Fails(io::ErrorKind::StorageFull)];
    let file = Scripted::new(&script);
    let failure = write_full(&file, 0, &[b"abc", b"defg"]).unwrap_err();
    assert_eq!(failure.written, 5);
    assert_eq!(io::Error::from(failure).kind(), io::ErrorKind::StorageFull);
    let failing = Scripted::new(&[Answer::Fails(io::ErrorKind::Other)]);
    assert!(read_full(&failing, 0, &mut [0; 4]).is_err());
}

#[test]
fn nothing_to_write_makes_no_call() {
    let file = Scripted::new(&[]);
    write_full(&file, 7, &[]).unwrap();
    write_full(&file, 7, &[b"", b""]).unwrap();
    assert!(file.calls.lock().is_empty());
}

#[test]
fn no_call_has_more_slices_than_the_system_takes() {
    let parts: Vec<[u8; 3]> = (0..3000_u32)
        .map(|i| {
            let [a, b, ..] = i.to_le_bytes();
            [a, b, 7]
        })
        .collect();
    let mut slices: Vec<&[u8]> = vec![b""; 1500];
    slices.extend(parts.iter().map(|part| part.as_slice()));
    let file = Scripted::new(&[Answer::AtMost(1000), EINTR, Answer::AtMost(1)]);
    write_full(&file, 0, &slices).unwrap();
    assert_eq!(*file.bytes.lock(), parts.concat());
    assert!(file.calls.lock().iter().all(|(_, slices, _)| *slices <= SLICES_MAX));
    assert_eq!(file.calls.lock()[0].1, SLICES_MAX);
}

#[test]
fn a_count_beyond_the_request_is_not_believed() {
    let file = Scripted::new(&[Answer::Claims(4)]);
    assert_eq!(write_full(&file, 0, &[b"abc"]).unwrap_err().written, 0);
    let file = Scripted::new(&[Answer::Claims(4)]);
    assert!(read_full(&file, 0, &mut [0; 3]).is_err());
}

#[test]
fn an_offset_past_the_address_space_is_refused() {
    let file = Scripted::new(&[Answer::Claims(1)]);
    let failure = write_full(&file, u64::MAX, &[b"ab"]).unwrap_err();
    assert_eq!((failure.written, failure.error.kind()), (1, io::ErrorKind::FileTooLarge));
}
