//! Appends that are on the device when they return, by one thread and by many.

use super::appending::{through, through_room};
use super::{Figure, Group, Line, Row, threads};
use crate::slice::Gang;

const DURABLE: Group = Group {
    title: "Durable appends, 256 B (the record is on the device on return)",
    about: "reference: leader and followers, one write-through write into zeros written before",
};

pub(super) fn rows() -> Vec<Row> {
    let row = |count, target| {
        let gang = Gang { threads: count, len: 256, batch: 1, stride: 1, noted: true };
        let line = Line::rate(format!("durable, {}", threads(count)), target);
        let row = Row::turns(&DURABLE, line, through_room, move |setting| through(setting, gang));
        if count == 32 {
            let figure = Figure::Quantile(0.99);
            row.and(Line::seconds("durable, 32 threads, p99", figure, 1.3))
        } else {
            row
        }
    };
    [(1, 0.98), (2, 1.0), (8, 1.0), (32, 1.0), (128, 1.0)].map(|(n, t)| row(n, t)).into()
}
