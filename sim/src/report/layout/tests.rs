use super::*;
use crate::rng::{Concern, Rng, Seed};

/// A life without sense, of any shape.
fn any_life(rng: &mut Rng) -> TimelineLife {
    let mut number = |limit: usize| rng.index(limit);
    let step = |number: usize| wide(number);
    let kinds = [
        CallKind::Read,
        CallKind::Write,
        CallKind::Sync,
        CallKind::Name,
        CallKind::Length,
        CallKind::Other,
    ];
    let text = |length: usize| "a long text with many words in it".chars().cycle().take(length);
    let mut life = TimelineLife { title: "any".to_owned(), ..TimelineLife::default() };
    life.files = (0..number(5)).map(|file| format!("{file:020}.seg")).collect();
    let calls = number(60);
    for call in 0..calls {
        let failed = (number(4) == 0).then(|| [5, 28, 122, 4, 71][number(5)]);
        let (file, kind, bits) = (number(6), kinds[number(6)], number(40));
        let (step, len) = (step(100 + call + number(2)), 1 << bits);
        let what = "call".to_owned();
        life.calls.push(TimelineCall { step, file, kind, offset: 0, len, failed, what });
    }
    for _ in 0..number(60) {
        let first_step = step(100 + number(calls + 1));
        life.ops.push(TimelineOp {
            client: number(4),
            first_step,
            end_step: first_step + step(number(6)),
            what: text(number(30)).collect(),
            answer: text(number(3) * 9).collect(),
        });
    }
    if number(3) > 0 {
        let mut end = TimelineEnd { step: step(100 + number(calls + 2)), ..TimelineEnd::default() };
        end.kind = "power cut".to_owned();
        end.broke = (number(2) == 0).then(|| text(number(120)).collect());
        let count = [0, 3, 40, 300][number(4)];
        end.pending =
            (0..count).map(|_| PendingUnit { file: number(6), ..PendingUnit::default() }).collect();
        life.end = Some(end);
    }
    life
}

type Box = (u64, u64, u64, u64, String);

fn box_of(label: &Label) -> Box {
    let width = columns(&label.text) * CHAR;
    let x = label.middle.map_or(label.x, |room| label.x + (room - width) / 2);
    (x, label.y - 9, x + width, label.y + 3, label.text.clone())
}

fn apart(one: &Box, other: &Box) -> bool {
    one.2 <= other.0 || other.2 <= one.0 || one.3 <= other.1 || other.3 <= one.1
}

fn labels(figure: &Figure<'_>) -> Vec<Box> {
    let crash = figure
        .crash
        .iter()
        .flat_map(|crash| [&crash.label, &crash.pending].into_iter().chain(crash.broke.as_ref()));
    (figure.steps.iter())
        .chain(figure.ops.iter().flat_map(|op| [&op.what, &op.answer]))
        .chain(figure.calls.iter().flat_map(|call| call.bytes.iter().chain(&call.errno)))
        .chain(crash)
        .chain(&figure.more)
        .map(box_of)
        .filter(|label| !label.4.is_empty())
        .collect()
}

#[test]
fn no_text_and_no_shape_lies_on_another_and_none_leaves_the_drawing() {
    let mut rng = Seed::new(0x7ea1).rng(Concern::Workload);
    for case in 0..400 {
        let life = any_life(&mut rng);
        let clients: Vec<String> = (0..rng.index(4)).map(|nth| format!("client {nth}")).collect();
        let figure = lay_out(&clients, &life, &Shown::of(&life));
        let labels = labels(&figure);
        for (nth, label) in labels.iter().enumerate() {
            assert!(label.2 <= figure.width && label.3 <= figure.height, "{case}: {label:?}");
            for other in &labels[nth + 1..] {
                assert!(apart(label, other), "{case}: {label:?} {other:?}");
            }
        }
        let bar = |op: &PlacedOp<'_>| (op.x, op.y, op.x + op.width, op.y + BAR, op.op.what.clone());
        let cell = |cell: &PlacedCell<'_>| {
            (cell.x, cell.y, cell.x + CELL, cell.y + CELL, "cell".to_owned())
        };
        let slot = |call: &PlacedCall<'_>| {
            (call.x, call.top, call.x + SLOT, call.top + call.height, "call".to_owned())
        };
        let shapes: Vec<Box> = (figure.ops.iter().map(bar))
            .chain(figure.cells.iter().map(cell))
            .chain(figure.calls.iter().map(slot))
            .collect();
        for (nth, shape) in shapes.iter().enumerate() {
            assert!(shape.2 <= figure.width && shape.3 <= figure.height, "{case}: {shape:?}");
            for other in &shapes[nth + 1..] {
                assert!(apart(shape, other), "{case}: {shape:?} {other:?}");
            }
        }
    }
}

#[test]
fn the_crash_is_right_of_all_calls_up_to_it_and_left_of_the_others() {
    let mut rng = Seed::new(0xc4a5).rng(Concern::Workload);
    for _ in 0..200 {
        let life = any_life(&mut rng);
        let figure = lay_out(&[], &life, &Shown::of(&life));
        let (Some(end), Some(crash)) = (&life.end, &figure.crash) else {
            continue;
        };
        for placed in &figure.calls {
            let before = placed.call.step <= end.step;
            assert_eq!(before, placed.x + SLOT <= crash.x, "{:?}", placed.call);
        }
        let cells_right = figure.cells.iter().all(|cell| cell.x > crash.x);
        assert!(cells_right);
    }
}

#[test]
fn an_operation_without_an_answer_lasts_to_the_crash() {
    let op = |answer: &str| TimelineOp {
        first_step: 2,
        end_step: 3,
        answer: answer.to_owned(),
        ..TimelineOp::default()
    };
    let call = |step| TimelineCall { step, ..TimelineCall::default() };
    let life = TimelineLife {
        ops: vec![op(""), op("ok")],
        calls: (0..9).map(call).collect(),
        end: Some(TimelineEnd { step: 8, ..TimelineEnd::default() }),
        ..TimelineLife::default()
    };
    let figure = lay_out(&[], &life, &Shown::of(&life));
    let crash = figure.crash.as_ref().unwrap().x;
    let end = |answer: &str| {
        let found = figure.ops.iter().find(|placed| placed.op.answer == answer).unwrap();
        found.x + found.width
    };
    assert!(end("") + 4 >= crash && end("") < crash);
    assert_eq!(end("ok") - figure.ops[0].x, SLOT - 2);
}
