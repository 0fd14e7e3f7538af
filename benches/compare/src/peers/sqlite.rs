//! SQLite: a table with a row for each record, in WAL mode, one connection behind a lock. No
//! checkpoint comes in a slice.

use crate::peer::{Abilities, Address, Can, Failure, Outcome, Peer, Promise};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

const INSERT: &str = "INSERT INTO log (record) VALUES (?1)";

/// The database.
pub(super) struct Sqlite(Mutex<Connection>);

impl Sqlite {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer for Sqlite {
    const NAME: &'static str = "sqlite";
    const VERSION: &'static str = "3.54.1 (rusqlite 0.41.1)";
    const NOTE: &'static str = "a database: a commit writes whole pages of 4 KiB, and a tree is \
        kept; one connection, so threads take turns";

    fn abilities() -> Abilities {
        Abilities {
            buffered: Can::More("a transaction each, synchronous=OFF: the kernel has it"),
            os: Can::Yes("a transaction each, synchronous=OFF"),
            durable: Can::Yes("a transaction each, synchronous=FULL"),
            batch_os: Can::Yes("a transaction, synchronous=OFF"),
            batch_durable: Can::Yes("a transaction, synchronous=FULL"),
            scan: Can::Yes("SELECT in order of the row ids"),
            read: Can::Yes("SELECT by row id"),
        }
    }

    fn open(dir: &Path, promise: Promise) -> Outcome<Self> {
        let connection = Connection::open(dir.join("log.sqlite"))?;
        let synchronous = if promise == Promise::Durable { "FULL" } else { "OFF" };
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
             PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0;
             PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -65536;
             CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, record BLOB NOT NULL)"
        ))?;
        Ok(Self(Mutex::new(connection)))
    }

    fn append(&self, _thread: usize, record: &[u8]) -> Outcome<Address> {
        let connection = self.connection();
        let id = connection.prepare_cached(INSERT)?.insert([record])?;
        Ok(Address(u64::try_from(id)?, 0))
    }

    fn append_batch(&self, records: &[Vec<u8>]) -> Outcome<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        for record in records {
            insert.insert([record])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    fn scan(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT record FROM log ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob()?);
        }
        Ok(())
    }

    fn read(&self, address: Address, show: impl FnOnce(&[u8])) -> Outcome<()> {
        let connection = self.connection();
        let mut select = connection.prepare_cached("SELECT record FROM log WHERE id = ?1")?;
        let mut rows = select.query([i64::try_from(address.0)?])?;
        show(rows.next()?.ok_or("the record is not there")?.get_ref(0)?.as_blob()?);
        Ok(())
    }

    fn close(self) -> Outcome<()> {
        let connection = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| Failure::from(error))
    }
}
