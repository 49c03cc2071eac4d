//! Overlap reduction against gain in accuracy, a mark for each class or method, with the line of least squares.

use std::fmt::Write as _;

use super::axis::Axis;
use super::markup::escape;
use crate::methods::overlap::{ScatterPoint, Trend};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 370.0;
/// Width of a letter of a label, about.
const LETTER: f64 = 6.2;
const LINE: f64 = 13.0;
/// Different shapes of marks.
pub(super) const NUM_SHAPES: usize = 3;

/// A point as it is drawn.
pub(super) struct Mark<'a> {
    pub(super) point: &'a ScatterPoint,
    pub(super) label: String,
    /// Which of the shapes.
    pub(super) shape: usize,
}

/// What is drawn.
pub(super) struct Scatter<'a> {
    pub(super) marks: Vec<Mark<'a>>,
    pub(super) trend: Option<Trend>,
    /// As "gain in recall, percentage points".
    pub(super) gain: &'static str,
    /// Names of the shapes, where there are several.
    pub(super) legend: Vec<String>,
}

/// A rectangle that something is drawn in: left, top, right, bottom.
type Area = [f64; 4];

impl Scatter<'_> {
    pub(super) fn drawing(&self) -> String {
        let (x, y) = self.axes();
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
            escape(&format!(
                "Scatter of overlap reduction against {}",
                self.gain
            ))
        );
        self.legend(&mut svg);
        frame(&mut svg, &x, &y, self.gain);
        self.line(&mut svg, &x, &y);
        self.marks(&mut svg, &x, &y);
        svg.push_str("</svg>\n");
        svg
    }

    /// Axes that hold all points, with some room, and 0 on both.
    fn axes(&self) -> (Axis, Axis) {
        let range = |value: fn(&ScatterPoint) -> f64, least: f64| {
            let values = || self.marks.iter().map(|mark| value(mark.point));
            let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
            let room = 0.08 * (high - low).max(least);
            (low - room, high + room)
        };
        let (x_low, x_high) = range(ScatterPoint::overlap_reduction, 0.05);
        let (y_low, y_high) = range(ScatterPoint::accuracy_gain, 5.0);
        (
            Axis::around(x_low, x_high, 8.0, (LEFT, RIGHT)),
            Axis::around(y_low, y_high, 7.0, (BOTTOM, TOP)),
        )
    }

    fn legend(&self, svg: &mut String) {
        let mut at = LEFT;
        for (number, name) in self.legend.iter().enumerate() {
            shape(svg, number, at + 6.0, 14.0);
            writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"18\">{}</text>",
                at + 18.0,
                escape(name)
            )
            .ok();
            at += 40.0 + LETTER * name.chars().count() as f64;
        }
    }

    /// The line, from the first point to the last, as far as it is in sight; dashed where it is not firm.
    fn line(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let Some(trend) = self.trend else { return };
        let reductions = || self.marks.iter().map(|mark| mark.point.overlap_reduction());
        let ends = [
            reductions().fold(f64::INFINITY, f64::min),
            reductions().fold(f64::NEG_INFINITY, f64::max),
        ];
        let [from, to] = ends.map(|at| {
            let gain = trend.intercept + trend.slope * at;
            (x.at(at), y.at(gain.clamp(y.low, y.high)))
        });
        let class = if trend.is_firm() {
            "trend"
        } else {
            "trend unsure"
        };
        writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
            from.0, from.1, to.0, to.1
        )
        .ok();
    }

    /// Marks, and beside them the labels that find a free place; the others show when the pointer rests on them.
    fn marks(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let at = |mark: &Mark<'_>| {
            (
                x.at(mark.point.overlap_reduction()),
                y.at(mark.point.accuracy_gain()),
            )
        };
        let mut taken: Vec<Area> = self
            .marks
            .iter()
            .map(|mark| {
                let (x, y) = at(mark);
                [x - 6.0, y - 6.0, x + 6.0, y + 6.0]
            })
            .collect();
        for mark in &self.marks {
            let (x, y) = at(mark);
            write!(
                svg,
                "<g><title>{}: overlap {:.3} to {:.3}, {:.1} % to {:.1} %</title>",
                escape(&mark.point.name),
                mark.point.overlap_before,
                mark.point.overlap_after,
                mark.point.accuracy_before,
                mark.point.accuracy_after
            )
            .ok();
            shape(svg, mark.shape, x, y);
            svg.push_str("</g>\n");
            let width = LETTER * mark.label.chars().count() as f64;
            let Some(area) = free_place(x, y, width, &taken) else {
                continue;
            };
            taken.push(area);
            writeln!(
                svg,
                "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                area[0],
                area[3] - 3.0,
                escape(&mark.label)
            )
            .ok();
        }
    }
}

/// Where a label of this width meets nothing: beside, above or below its mark, or a little further away.
fn free_place(x: f64, y: f64, width: f64, taken: &[Area]) -> Option<Area> {
    let place =
        |left: f64, middle: f64| [left, middle - LINE / 2.0, left + width, middle + LINE / 2.0];
    let places = [
        place(x + 8.0, y),
        place(x - 8.0 - width, y),
        place(x - width / 2.0, y - 14.0),
        place(x - width / 2.0, y + 14.0),
        place(x + 7.0, y - 12.0),
        place(x + 7.0, y + 12.0),
        place(x - 7.0 - width, y - 12.0),
        place(x - 7.0 - width, y + 12.0),
    ];
    places.into_iter().find(|area| {
        let inside = area[0] > LEFT && area[2] < WIDTH && area[1] > TOP - 10.0 && area[3] < BOTTOM;
        let meets = |other: &Area| {
            area[0] < other[2] && other[0] < area[2] && area[1] < other[3] && other[1] < area[3]
        };
        inside && !taken.iter().any(meets)
    })
}

/// A circle, a square or a triangle.
fn shape(svg: &mut String, number: usize, x: f64, y: f64) {
    let path = match number % NUM_SHAPES {
        0 => format!("M{:.1} {y:.1}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z", x - 5.0),
        1 => format!("M{:.1} {:.1}h9v9h-9Z", x - 4.5, y - 4.5),
        _ => format!("M{x:.1} {:.1}l5.5 10h-11Z", y - 6.0),
    };
    write!(
        svg,
        "<path class=\"mark{}\" d=\"{path}\"/>",
        number % NUM_SHAPES
    )
    .ok();
}

fn frame(svg: &mut String, x: &Axis, y: &Axis, gain: &str) {
    for (value, label) in x.ticks() {
        let at = x.at(value);
        let class = if value == 0.0 { "zero" } else { "grid" };
        writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/><text class=\"small\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 16.0
        )
        .ok();
    }
    for (value, label) in y.ticks() {
        let at = y.at(value);
        let class = if value == 0.0 { "zero" } else { "grid" };
        writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            at + 4.0
        )
        .ok();
    }
    let (across, up) = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
    writeln!(
        svg,
        "<text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">overlap reduction (before \u{2212} after)</text>\n<text transform=\"translate(16 {up:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        HEIGHT - 10.0,
        escape(gain)
    )
    .ok();
}
