//! Cosines of same-class and different-class pairs, before above after, on the same axes.

use std::fmt::Write as _;

use super::axis::Axis;
use super::markup::escape;
use crate::methods::overlap::{Overlap, bin_edge};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 706.0;
/// Height of one histogram.
const HEIGHT: f64 = 150.0;
/// From one histogram's top to the next one's.
const PITCH: f64 = 190.0;
const TOP: f64 = 34.0;

/// One histogram with its name.
pub(super) struct Panel<'a> {
    pub(super) title: String,
    pub(super) overlap: &'a Overlap,
}

/// The panels below each other; same-class shares filled, different-class shares hatched.
pub(super) fn drawing(panels: &[Panel<'_>]) -> String {
    let (low, high) = cosines_there(panels);
    let x = Axis::around(low, high, 10.0, (LEFT, RIGHT));
    let shares = panels
        .iter()
        .flat_map(|panel| panel.overlap.paired.iter().chain(&panel.overlap.unpaired));
    let most = 100.0 * shares.copied().fold(0.0, f64::max);
    let height = TOP + PITCH * panels.len() as f64 + 24.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs>\n",
        escape("Histograms of the cosines of same-class and different-class pairs of photos"),
    );
    legend(&mut svg);
    for (index, panel) in panels.iter().enumerate() {
        let bottom = TOP + PITCH * index as f64 + HEIGHT + 22.0;
        let y = Axis::around(0.0, most.max(1.0), 4.0, (bottom, bottom - HEIGHT));
        histogram(&mut svg, panel, &x, &y);
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">cosine of two photos</text>\n</svg>",
        height - 6.0
    )
    .ok();
    svg
}

/// The range of cosines that occur in any panel.
fn cosines_there(panels: &[Panel<'_>]) -> (f64, f64) {
    let (mut low, mut high) = (1.0_f64, -1.0_f64);
    for panel in panels {
        let num_bins = panel.overlap.num_bins();
        let shares = panel.overlap.paired.iter().zip(&panel.overlap.unpaired);
        for (bin, (paired, unpaired)) in shares.enumerate() {
            if paired + unpaired > 0.0 {
                low = low.min(bin_edge(bin, num_bins));
                high = high.max(bin_edge(bin + 1, num_bins));
            }
        }
    }
    if low < high { (low, high) } else { (-1.0, 1.0) }
}

fn legend(svg: &mut String) {
    let entry = |svg: &mut String, x: f64, class: &str, fill: &str, words: &str| {
        writeln!(
            svg,
            "<rect class=\"{class}\"{fill} x=\"{x}\" y=\"6\" width=\"18\" height=\"12\"/><text x=\"{}\" y=\"16\">{words}</text>",
            x + 24.0
        )
        .ok();
    };
    entry(svg, LEFT, "paired", "", "same class");
    entry(
        svg,
        LEFT + 120.0,
        "unpaired",
        " fill=\"url(#hatch)\"",
        "different classes",
    );
}

fn histogram(svg: &mut String, panel: &Panel<'_>, x: &Axis, y: &Axis) {
    let (bottom, top) = (y.at(0.0), y.at(y.high));
    for (value, label) in y.ticks() {
        let at = y.at(value);
        writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/><text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label} %</text>",
            LEFT - 6.0,
            at + 4.0
        )
        .ok();
    }
    for (value, label) in x.ticks() {
        writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x.at(value),
            bottom + 14.0
        )
        .ok();
    }
    let overlap = panel.overlap;
    let paired = steps(&overlap.paired, x, y);
    let unpaired = steps(&overlap.unpaired, x, y);
    writeln!(
        svg,
        "<path class=\"paired\" d=\"{paired}\"/>\n<path class=\"unpaired\" fill=\"url(#hatch)\" d=\"{unpaired}\"/>\n<path class=\"zero\" d=\"M{LEFT} {bottom:.1}H{RIGHT}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"600\">{}</text>",
        LEFT + 8.0,
        top + 14.0,
        escape(&panel.title)
    )
    .ok();
}

/// The outline of a histogram over the bins that are in sight.
fn steps(shares: &[f64], x: &Axis, y: &Axis) -> String {
    let edge = |bin| bin_edge(bin, shares.len());
    let seen: Vec<usize> = (0..shares.len())
        .filter(|bin| edge(*bin) >= x.low - 1e-9 && edge(bin + 1) <= x.high + 1e-9)
        .collect();
    let Some(first) = seen.first() else {
        return String::new();
    };
    let mut path = format!("M{:.1} {:.1}", x.at(edge(*first)), y.at(0.0));
    for bin in &seen {
        let (top, right) = (y.at(100.0 * shares[*bin]), x.at(edge(bin + 1)));
        write!(path, "V{top:.1}H{right:.1}").ok();
    }
    write!(path, "V{:.1}H{:.1}Z", y.at(0.0), x.at(edge(*first))).ok();
    path
}
