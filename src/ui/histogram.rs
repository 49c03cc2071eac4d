//! One overlap histogram: same-class pairs filled, different-class pairs hatched, over the cosine.

use std::ops::RangeInclusive;

use egui::{Color32, Rect, Response, Role, Shape, Stroke, Ui, WidgetInfo, pos2};
use egui_plot::{Bar, BarChart, PlotPoint, PlotTransform};

use crate::app::{Command, OverlapFigures, PairKind};

use super::bare_plot::bare_plot;
use super::format::{count, percent};
use super::picture::hatch;
use super::theme::Palette;

/// The part of the axes that both histograms show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axes {
    /// Cosines.
    x: RangeInclusive<f64>,
    /// The tallest bin's share.
    top: f64,
}

impl Axes {
    /// Axes that hold all bins of both.
    pub(super) fn around<'a>(figures: impl Iterator<Item = &'a OverlapFigures>) -> Self {
        let (mut low, mut high, mut top) = (1.0_f64, -1.0_f64, 0.0_f64);
        for figures in figures {
            for (index, (paired, unpaired)) in bins(figures).enumerate() {
                let height = f64::from(paired.max(unpaired));
                if height > 0.0 {
                    let (from, to) = edges(index, figures.paired.len());
                    low = low.min(from);
                    high = high.max(to);
                    top = top.max(height);
                }
            }
        }
        if low >= high {
            (low, high, top) = (-1.0, 1.0, 1.0);
        }
        let margin = (high - low) * 0.03;
        Self {
            x: low - margin..=high + margin,
            top: top * 1.08,
        }
    }
}

fn bins(figures: &OverlapFigures) -> impl Iterator<Item = (f32, f32)> {
    figures
        .paired
        .iter()
        .copied()
        .zip(figures.unpaired.iter().copied())
}

/// From where to where a bin goes, of `num_bins` over [-1, 1].
fn edges(index: usize, num_bins: usize) -> (f64, f64) {
    let width = 2.0 / num_bins as f64;
    (
        -1.0 + index as f64 * width,
        -1.0 + (index + 1) as f64 * width,
    )
}

/// Draws a histogram; a click on a bin gives the command that lists its pairs.
pub(super) fn histogram_ui(
    ui: &mut Ui,
    name: &str,
    figures: &OverlapFigures,
    axes: &Axes,
    height: f32,
) -> Option<Command> {
    let palette = Palette::of(ui);
    let (x, top) = (axes.x.clone(), axes.top);
    let bars = paired_bars(figures, palette.paired);
    let plot = bare_plot(("overlap", name), height).show(ui, |plot| {
        plot.set_plot_bounds_x(x);
        plot.set_plot_bounds_y(0.0..=top);
        plot.bar_chart(bars);
    });
    let response = plot.response;
    paint_unpaired(
        ui,
        response.rect,
        &plot.transform,
        figures,
        palette.unpaired,
    );
    ticks_ui(ui, response.rect, &plot.transform, axes);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, spoken(name, figures)));
    react(&response, &plot.transform, figures, name == "after")
}

/// The foot line with a cosine at every fifth.
fn ticks_ui(ui: &mut Ui, plot: Rect, transform: &PlotTransform, axes: &Axes) {
    let palette = Palette::of(ui);
    let size = egui::vec2(plot.width(), 13.0);
    let (strip, _) = ui.allocate_exact_size(size, egui::Sense::hover());
    let painter = ui.painter();
    painter.hline(
        plot.x_range(),
        plot.bottom(),
        Stroke::new(1.0, palette.weak),
    );
    for fifth in -5..=5_i8 {
        let cosine = f64::from(fifth) / 5.0;
        if !axes.x.contains(&cosine) {
            continue;
        }
        let x = transform
            .position_from_point(&PlotPoint::new(cosine, 0.0))
            .x;
        let mark = plot.bottom()..=plot.bottom() + 3.0;
        painter.vline(x, mark, Stroke::new(1.0, palette.weak));
        let text = format!("{cosine:.1}").replace('-', "−");
        let font = egui::FontId::proportional(10.5);
        let galley = painter.layout_no_wrap(text, font, palette.weak);
        let half = galley.size().x / 2.0;
        let x = x.clamp(strip.left() + half, strip.right() - half);
        painter.galley(pos2(x - half, strip.top()), galley, palette.weak);
    }
}

fn paired_bars(figures: &OverlapFigures, colour: Color32) -> BarChart {
    let num_bins = figures.paired.len();
    let width = 2.0 / num_bins.max(1) as f64;
    let bars = figures
        .paired
        .iter()
        .enumerate()
        .filter(|(_, share)| **share > 0.0)
        .map(|(index, share)| {
            let (from, to) = edges(index, num_bins);
            Bar::new(f64::midpoint(from, to), f64::from(*share))
                .width(width)
                .fill(colour.gamma_multiply(0.75))
                .stroke(Stroke::NONE)
        })
        .collect();
    BarChart::new("same class", bars).allow_hover(false)
}

/// Hatched bars under a stepped outline, so that the two kinds differ without colours.
fn paint_unpaired(
    ui: &Ui,
    frame: Rect,
    transform: &PlotTransform,
    figures: &OverlapFigures,
    colour: Color32,
) {
    let painter = ui.painter_at(frame);
    let num_bins = figures.unpaired.len();
    let at = |x: f64, y: f64| transform.position_from_point(&PlotPoint::new(x, y));
    let mut outline = Vec::with_capacity(2 * num_bins);
    let mut hatches = Vec::new();
    for (index, share) in figures.unpaired.iter().enumerate() {
        let (from, to) = edges(index, num_bins);
        let height = f64::from(*share);
        let (left, right) = (at(from, height), at(to, height));
        outline.extend([left, right]);
        let bar = Rect::from_min_max(left, pos2(right.x, at(to, 0.0).y));
        if bar.height() > 1.0 && frame.intersects(bar) {
            hatches.push(hatch(bar, 6.0, colour.gamma_multiply(0.7)));
        }
    }
    painter.extend(hatches);
    painter.add(Shape::line(outline, Stroke::new(1.5, colour)));
}

/// A bin's cosines, shares and numbers of pairs.
struct BinFacts {
    from: f64,
    to: f64,
    paired: f32,
    unpaired: f32,
}

impl BinFacts {
    fn at(x: f64, figures: &OverlapFigures) -> Option<Self> {
        let num_bins = figures.paired.len().min(figures.unpaired.len());
        if !(-1.0..=1.0).contains(&x) || num_bins == 0 {
            return None;
        }
        let index = ((f64::midpoint(x, 1.0) * num_bins as f64) as usize).min(num_bins - 1);
        let (from, to) = edges(index, num_bins);
        Some(Self {
            from,
            to,
            paired: figures.paired[index],
            unpaired: figures.unpaired[index],
        })
    }

    fn text(&self, figures: &OverlapFigures) -> String {
        let pairs = |share: f32, of: u64| count((f64::from(share) * of as f64).round() as usize);
        format!(
            "cosine {:.2} to {:.2}\nsame class: {} of {} pairs ({})\ndifferent classes: {} of {} pairs ({})\nClick to see them as photos",
            self.from,
            self.to,
            pairs(self.paired, figures.num_paired),
            count(figures.num_paired as usize),
            percent(self.paired),
            pairs(self.unpaired, figures.num_unpaired),
            count(figures.num_unpaired as usize),
            percent(self.unpaired),
        )
    }

    /// The kind whose bar the pointer is in; where it is in both, the shorter one, which lies in front of the other's taller part.
    fn kind_at(&self, height: f64) -> PairKind {
        let (paired, unpaired) = (f64::from(self.paired), f64::from(self.unpaired));
        match (height <= paired, height <= unpaired) {
            (true, false) => PairKind::Paired,
            (true, true) if paired < unpaired => PairKind::Paired,
            (false, false) if paired > unpaired => PairKind::Paired,
            _ => PairKind::Unpaired,
        }
    }
}

fn react(
    response: &Response,
    transform: &PlotTransform,
    figures: &OverlapFigures,
    is_after: bool,
) -> Option<Command> {
    let at = transform.value_from_position(response.hover_pos()?);
    let facts = BinFacts::at(at.x, figures)?;
    response
        .clone()
        .on_hover_text_at_pointer(facts.text(figures));
    response.clicked().then(|| {
        // The last bin holds a cosine of exactly 1.
        let to = if facts.to >= 1.0 { 1.01 } else { facts.to };
        Command::ShowPairs(facts.kind_at(at.y), facts.from as f32, to as f32, is_after)
    })
}

/// The histogram in words.
fn spoken(name: &str, figures: &OverlapFigures) -> String {
    let (low, high) = figures.auroc_interval;
    format!(
        "overlap {name}: AUROC {:.2} ({low:.2} to {high:.2}), overlap coefficient {:.2}, same class {} pairs with mean cosine {:.2}, different classes {} pairs with mean cosine {:.2}",
        figures.auroc,
        figures.overlap,
        figures.num_paired,
        figures.paired_mean,
        figures.num_unpaired,
        figures.unpaired_mean,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> OverlapFigures {
        OverlapFigures {
            paired: vec![0.0, 0.0, 0.25, 0.75],
            unpaired: vec![0.0, 0.5, 0.5, 0.0],
            num_paired: 8,
            num_unpaired: 16,
            ..OverlapFigures::default()
        }
    }

    #[test]
    fn the_axes_hold_every_bin_and_no_more() {
        let axes = Axes::around([&figures()].into_iter());
        assert!(*axes.x.start() < -0.5 && *axes.x.start() > -0.6);
        assert!(*axes.x.end() > 1.0);
        assert!(axes.top > 0.75);
    }

    #[test]
    fn a_bin_tells_its_pairs() {
        let facts = BinFacts::at(0.3, &figures()).unwrap();
        let text = facts.text(&figures());
        assert!(text.contains("same class: 2 of 8 pairs (25 %)"), "{text}");
        assert!(text.contains("different classes: 8 of 16 pairs"), "{text}");
        assert!(BinFacts::at(1.4, &figures()).is_none());
    }

    #[test]
    fn a_click_means_the_bar_under_the_pointer() {
        let facts = BinFacts::at(0.3, &figures()).unwrap();
        assert_eq!(facts.kind_at(0.4), PairKind::Unpaired);
        assert_eq!(facts.kind_at(0.2), PairKind::Paired);
        assert_eq!(
            BinFacts::at(0.9, &figures()).unwrap().kind_at(0.9),
            PairKind::Paired
        );
    }
}
