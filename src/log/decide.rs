//! What recovery makes of what it finds. Pure: no I/O, no clock, no bytes.
//!
//! E is the end of the valid run of frames (the base of a segment without frames), W the largest
//! durable LSN that anything valid states: marks in frames beyond E, the `prev_end` of later
//! headers, the end of a seal, and the begin of the close mark that a close record names. What lies below W was
//! acknowledged; so W decides whether a bad end is a torn tail, of which nobody was told, or damage.
//!
//! ```text
//!   what was found                                             W <= E      W > E
//!   Trimmed        a file below the trim point                 remove      remove
//!   Zeros          zeros from E to the end                     end         damage
//!   Closed         anything after a close record or mark       end         damage
//!   Undecodable    bytes that verify as nothing, a broken      cut         damage
//!                  chain, valid frames only behind a hole
//!   HalfBatch      a batch without its last frame              cut         damage
//!   Shortened      a file ends before what it must hold        damage      damage
//!   Unreadable     the device gave an error or too few bytes   report      report
//!   Unknown        another version, unknown kind or flag       refuse      refuse
//!   Contradiction  a header and what it says of the segment    damage      damage
//!                  before it disagree
//!   NotLog         an intact header with another number        spare       damage
//!   Unborn         both headers bad, length whole, first       reuse       damage
//!                  frame block all zeros
//!   HeaderLost     both headers bad, anything else there       damage      damage
//!   OneCopy        one header copy bad                         rebuild     rebuild
//!   Missing        a segment is gone                           damage      damage
//!   Torn           the run ends before the end that a header   cut         damage
//!                  states which does not vouch for it
//!   Dropped        a file behind such an end; W > E: a header  cut         remove
//!                  with a higher number passes over it
//! ```
//!
//! - *Undecodable, cut* is the everyday crash: a torn commit nobody was told about.
//! - *Undecodable, damage*: cutting would silently drop acknowledged frames. Saying so is the
//!   feature.
//! - *Zeros, damage*: a lost write; the disk said it had it.
//! - *Unborn*: rotation was interrupted between the rename and the header.
//! - *Torn, cut*: a crash at a level that promises no power cut, after a rotation that did not wait for the
//!   disk. The segments behind are dropped with the tail: their files go once a header says so.
//!
//! A bad trailer has no row: a seal is written without a sync and may be missing, and a close
//! record that does not hold is none.

/// What was found: one row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Row {
    /// A file below the trim point: its removal was not stable at the crash.
    Trimmed,
    /// Zeros from the end of the frames to the end of their room.
    Zeros,
    /// A close mark is the last frame, or a close record names the end.
    Closed,
    /// Bytes that verify as no frame, or as one that does not belong here.
    Undecodable,
    /// A batch lacks its last frame.
    HalfBatch,
    /// A file is shorter than its header, or its successor's, says.
    Shortened,
    /// The device gave an error, or fewer bytes than the file's length.
    Unreadable,
    /// Intact, but of another version, or with a kind or flag this one does not define.
    Unknown,
    /// A header contradicts the segment before it.
    Contradiction,
    /// An intact header whose number is not the name's.
    NotLog,
    /// Named, never begun: no header, nothing in the first frame block, whole length.
    Unborn,
    /// No header, but something else.
    HeaderLost,
    /// One header copy of two is bad.
    OneCopy,
    /// A number has no file, or the log begins too late.
    Missing,
    /// The frames of a segment end before its successor says they do, and the header that says so does not
    /// vouch for it.
    Torn,
    /// A file behind a segment that is torn, or that was, and which a header passes over.
    Dropped,
}

/// What recovery does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Decision {
    /// The log ends here, nothing is lost and nothing is odd.
    End,
    /// Drop what follows: nobody was told about it.
    Cut,
    /// Acknowledged bytes are gone: refuse to write, say what and where.
    Damage,
    /// Remove the file again.
    Remove,
    /// Report the error, change nothing.
    Report,
    /// Refuse by name, change nothing.
    Refuse,
    /// No part of the log: a spare.
    Spare,
    /// Use the file for the next segment.
    Reuse,
    /// Write the bad copy anew from the good one.
    Rebuild,
}

impl Row {
    /// Every row, in the table's order.
    pub const ALL: [Self; 16] = [
        Self::Trimmed,
        Self::Zeros,
        Self::Closed,
        Self::Undecodable,
        Self::HalfBatch,
        Self::Shortened,
        Self::Unreadable,
        Self::Unknown,
        Self::Contradiction,
        Self::NotLog,
        Self::Unborn,
        Self::HeaderLost,
        Self::OneCopy,
        Self::Missing,
        Self::Torn,
        Self::Dropped,
    ];
}

/// Looks the table up: `proven_beyond` is its column, W > E.
#[must_use]
pub const fn decide(found: Row, proven_beyond: bool) -> Decision {
    match (found, proven_beyond) {
        (Row::Trimmed, _) | (Row::Dropped, true) => Decision::Remove,
        (Row::Zeros | Row::Closed, false) => Decision::End,
        (Row::Undecodable | Row::HalfBatch | Row::Torn | Row::Dropped, false) => Decision::Cut,
        (Row::NotLog, false) => Decision::Spare,
        (Row::Unborn, false) => Decision::Reuse,
        (
            Row::Zeros
            | Row::Closed
            | Row::Undecodable
            | Row::HalfBatch
            | Row::NotLog
            | Row::Unborn
            | Row::Torn,
            true,
        )
        | (Row::Shortened | Row::Contradiction | Row::HeaderLost | Row::Missing, _) => {
            Decision::Damage
        }
        (Row::Unreadable, _) => Decision::Report,
        (Row::Unknown, _) => Decision::Refuse,
        (Row::OneCopy, _) => Decision::Rebuild,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the module's documentation, read back from the source: document, data and
    /// code cannot drift apart.
    fn documented() -> Vec<(String, String, String)> {
        let rows: Vec<_> = include_str!("decide.rs")
            .lines()
            .skip_while(|line| !line.contains("what was found"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .filter_map(|line| {
                let name = line.get(6..21)?.trim().to_owned();
                let mut words = line.split_whitespace().rev();
                let (right, left) = (words.next()?.to_owned(), words.next()?.to_owned());
                (!name.is_empty()).then_some((name, left, right))
            })
            .collect();
        rows
    }

    #[test]
    fn every_row_and_column_decides_as_the_table_says() {
        let table = documented();
        assert_eq!(table.len(), Row::ALL.len(), "the table has a line for each row");
        for (row, (name, left, right)) in Row::ALL.into_iter().zip(table) {
            assert_eq!(format!("{row:?}"), name);
            assert_eq!(format!("{:?}", decide(row, false)).to_lowercase(), left, "{name}, W <= E");
            assert_eq!(format!("{:?}", decide(row, true)).to_lowercase(), right, "{name}, W > E");
        }
    }

    #[test]
    fn nothing_proven_is_ever_dropped() {
        for row in Row::ALL {
            let decision = decide(row, true);
            assert!(
                !matches!(decision, Decision::Cut | Decision::Spare | Decision::Reuse),
                "{row:?} drops acknowledged bytes"
            );
        }
    }
}
