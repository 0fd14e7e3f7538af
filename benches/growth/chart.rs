//! Draws the cost of growth: two panels, by bytes and by segments, on a card of its own white, so
//! that a dark page shows it as well. Knows figures, and not where they come from.

use plotters::coord::Shift;
use plotters::prelude::*;
use seawall_bench::growth::Step;
use std::error::Error;
use std::path::Path;

/// Of the whole drawing, in pixels.
const SIZE: (u32, u32) = (1080, 480);
const INK: RGBColor = RGBColor(34, 34, 34);
const LINES: RGBColor = RGBColor(225, 225, 225);
/// Three that people who do not tell red from green can tell apart; the markers differ too.
const OPEN: RGBColor = RGBColor(0, 114, 178);
const READ: RGBColor = RGBColor(213, 94, 0);
const APPEND: RGBColor = RGBColor(0, 135, 100);

type Outcome = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One of the two.
struct Panel<'a> {
    title: &'a str,
    across: &'a str,
    base: f64,
    told: &'a dyn Fn(&f64) -> String,
    /// How large the log is, and what append, read and open cost.
    points: Vec<(f64, [f64; 3])>,
}

/// Draws these steps into the file at `path`.
pub(crate) fn draw(path: &Path, by_bytes: &[Step], by_segments: &[Step]) -> Outcome {
    let costs = |step: &Step| [step.append.median, step.read.median, step.open.median];
    let bytes = Panel {
        title: "By bytes (segments of 64 MiB)",
        across: "bytes in the log",
        base: 4.0,
        told: &|mib| if *mib < 1024.0 { format!("{mib:.0} MiB") } else { gib(*mib) },
        points: by_bytes.iter().map(|step| (real(step.bytes) / MIB, costs(step))).collect(),
    };
    let segments = Panel {
        title: "By segments (of 16 KiB)",
        across: "segments in the log",
        base: 10.0,
        told: &|count| grouped(*count),
        points: by_segments.iter().map(|step| (real(step.segments), costs(step))).collect(),
    };
    let all = bytes.points.iter().chain(&segments.points).flat_map(|(_, costs)| costs).copied();
    let (low, high) = all
        .fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), cost| (low.min(cost), high.max(cost)));
    // The decade above them is for the legend.
    let decades = 10_f64.powf(low.log10().floor())..10_f64.powf(high.log10().ceil() + 1.0);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let halves = root.split_evenly((1, 2));
    for (area, panel) in halves.iter().zip([bytes, segments]) {
        panel.draw(area, decades.clone())?;
    }
    root.present()?;
    Ok(())
}

const MIB: f64 = 1_048_576.0;

impl Panel<'_> {
    fn draw<'a>(&self, area: &Area<'a>, costs: std::ops::Range<f64>) -> Outcome {
        let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
        let ends = (self.points.first(), self.points.last());
        let (Some((first, _)), Some((last, _))) = ends else { return Ok(()) };
        // Room on both sides of the markers; the lines of the grid stand on whole powers.
        let across = (first / 1.3)..(last * 1.3);
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, text(19))
            .margin(14)
            .margin_right(24)
            .x_label_area_size(50)
            .y_label_area_size(72)
            .build_cartesian_2d(across.log_scale().base(self.base), costs.log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc("time of one operation")
            .x_label_formatter(&self.told)
            .y_label_formatter(&|seconds| time(*seconds))
            .label_style(text(13))
            .axis_desc_style(text(14))
            .axis_style(INK)
            .bold_line_style(LINES)
            .light_line_style(TRANSPARENT)
            .draw()?;
        let series = [
            ("open after a clean close", 2, OPEN),
            ("random read of 256 B", 1, READ),
            ("buffered append of 256 B", 0, APPEND),
        ];
        for (name, nth, colour) in series {
            let points =
                self.points.iter().filter_map(|(at, costs)| Some((*at, costs.get(nth).copied()?)));
            let points: Vec<(f64, f64)> = points.collect();
            chart
                .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| {
                    let line = PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(2));
                    EmptyElement::at((0, 0)) + line + marker(nth, (x + 12, y), colour)
                });
            chart.draw_series(
                points.into_iter().map(|at| EmptyElement::at(at) + marker(nth, (0, 0), colour)),
            )?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .margin(12)
            .legend_area_size(34)
            .label_font(text(13))
            .background_style(WHITE)
            .border_style(LINES)
            .draw()?;
        Ok(())
    }
}

/// The marker of a series: a shape of its own.
fn marker<'a>(
    nth: usize,
    at: (i32, i32),
    colour: RGBColor,
) -> DynElement<'static, SVGBackend<'a>, (i32, i32)> {
    match nth {
        0 => Circle::new(at, 4, colour.filled()).into_dyn(),
        1 => TriangleMarker::new(at, 6, colour.filled()).into_dyn(),
        _ => {
            let (x, y) = at;
            Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], colour.filled()).into_dyn()
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure is for reading, not for counting")]
const fn real(count: u64) -> f64 {
    count as f64
}

fn gib(mib: f64) -> String {
    format!("{:.0} GiB", mib / 1024.0)
}

/// A whole number, its thousands apart.
fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    match digits.split_at_checked(digits.len().saturating_sub(3)) {
        Some((thousands, rest)) if !thousands.is_empty() => format!("{thousands},{rest}"),
        _ => digits,
    }
}

fn time(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")];
    // A power of ten may lie a hair below its unit.
    let fits = units.iter().find(|(least, _)| seconds > least * 0.999);
    let (least, name) = fits.copied().unwrap_or((1e-9, "ns"));
    format!("{:.0} {name}", seconds / least)
}
