//! Adapters side by side: figures in a table, any two as histograms, and overlap against accuracy as a scatter.

use egui::{Grid, Id, RichText, ScrollArea, Ui, vec2};
use egui_plot::{Line, MarkerShape, Plot, Points, Text};

use crate::app::{AdapterComparisonView, AdapterRow, COMPARED, Command};
use crate::methods::overlap::{ScatterPoint, Trend};

use super::context::PanelContext;
use super::histogram::{Axes, histogram_ui};
use super::theme::{Palette, semibold};

const HISTOGRAM_HEIGHT: f32 = 70.0;
const SCATTER_HEIGHT: f32 = 180.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Tab {
    #[default]
    Histograms,
    Methods,
    Classes,
}

/// Draws the window over the gallery, if it is open.
pub(super) fn adapter_comparison_ui(context: &egui::Context, cx: &mut PanelContext<'_>) {
    let view = cx.app.adapter_comparison();
    if !view.is_open {
        return;
    }
    let (mut is_open, room) = (true, context.content_rect());
    let size = vec2(
        680.0_f32.min(room.width() - 40.0),
        520.0_f32.min(room.height() - 110.0),
    );
    egui::Window::new("Compare adapters")
        .id(Id::unique("adapters"))
        .open(&mut is_open)
        .collapsible(false)
        .default_size(size)
        .default_pos(room.center() - size / 2.0)
        .show(context, |ui| {
            ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    basis_ui(ui, view);
                    table_ui(ui, cx, view);
                    for problem in &view.problems {
                        ui.colored_label(Palette::of(ui).warning, problem);
                    }
                    if view.rows.len() > 1 {
                        ui.separator();
                        tabs_ui(ui, view);
                    }
                });
        });
    if !is_open {
        cx.push(Command::ShowAdapterComparison(false));
    }
}

fn basis_ui(ui: &mut Ui, view: &AdapterComparisonView) {
    ui.horizontal(|ui| {
        if view.is_running {
            ui.spinner();
        }
        ui.weak(if view.judges_by_labels {
            "Accuracy on the photos that you labelled; overlap of the shots"
        } else {
            "Overlap and accuracy of the shots, each classified by others at parameters that were chosen without it"
        });
    });
}

fn table_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &AdapterComparisonView) {
    Grid::new("adapters")
        .num_columns(9)
        .striped(true)
        .spacing(vec2(14.0, 6.0))
        .show(ui, |ui| {
            for title in [
                "before", "after", "Features", "Overlap", "AUROC", "Variance",
            ] {
                ui.label(semibold(title).small());
            }
            for (_, adapted) in COMPARED {
                ui.label(semibold(adapted.title()).small());
            }
            ui.end_row();
            for (index, row) in view.rows.iter().enumerate() {
                for side in 0..2 {
                    let is_chosen = view.sides[side] == index;
                    let name = ["before", "after"][side];
                    let radio = ui
                        .radio(is_chosen, "")
                        .accessible_name(format!("{name}: {}", row.title));
                    if radio.clicked() {
                        cx.push(Command::ChooseAdapterSide(side, index));
                    }
                }
                row_ui(ui, row);
                ui.end_row();
            }
        });
}

fn row_ui(ui: &mut Ui, row: &AdapterRow) {
    let notes = row.notes.join("\n");
    let title = ui.label(&row.title);
    if !notes.is_empty() {
        title.on_hover_text(notes);
    }
    match &row.figures {
        Some(figures) => {
            ui.label(format!("{:.3}", figures.overlap));
            let (low, high) = figures.auroc_interval;
            ui.label(format!("{:.3}", figures.auroc))
                .on_hover_text(format!("95 % interval {low:.3} to {high:.3}"));
        }
        None => {
            for _ in 0..2 {
                ui.weak("trained on these");
            }
        }
    }
    match row.variance {
        Some(variance) => {
            ui.label(format!(
                "{:.1} / {:.1}",
                1e3 * variance.within,
                1e3 * variance.between
            ))
            .on_hover_text("Variance of the features within classes / between them, in thousandths")
        }
        None => ui.weak("–"),
    };
    for accuracy in row.accuracy {
        ui.label(accuracy.map_or_else(|| "–".to_owned(), |percent| format!("{percent:.1} %")));
    }
}

fn tabs_ui(ui: &mut Ui, view: &AdapterComparisonView) {
    let id = ui.scope_id().with("tab");
    let mut tab = ui.data(|data| data.get_temp(id).unwrap_or_default());
    ui.horizontal(|ui| {
        let titles = [
            (Tab::Histograms, "Histograms"),
            (Tab::Methods, "Less overlap, more accuracy? Methods"),
            (Tab::Classes, "Classes"),
        ];
        for (other, title) in titles {
            ui.selectable_value(&mut tab, other, title);
        }
    });
    ui.data_mut(|data| data.insert_temp(id, tab));
    match tab {
        Tab::Histograms => histograms_ui(ui, view),
        Tab::Methods => scatter_ui(ui, "methods", &view.methods),
        Tab::Classes => scatter_ui(ui, "classes", &view.classes),
    }
}

fn histograms_ui(ui: &mut Ui, view: &AdapterComparisonView) {
    let rows = view.sides.map(|side| view.rows.get(side));
    let figures = rows.map(|row| row.and_then(|row| row.figures.as_ref()));
    let axes = Axes::around(figures.into_iter().flatten());
    for (side, (row, figures)) in rows.into_iter().zip(figures).enumerate() {
        let Some(row) = row else { continue };
        ui.label(RichText::new(&row.title).small());
        match figures {
            // A click would list pairs of the adapter in use, which this need not be.
            Some(figures) => {
                histogram_ui(
                    ui,
                    ["compared before", "compared after"][side],
                    figures,
                    &axes,
                    HISTOGRAM_HEIGHT,
                );
            }
            None => {
                ui.weak("The adapter was trained on all of these shots: they cannot show what it is worth");
            }
        }
    }
}

/// Overlap taken off against accuracy gained, with the line of least squares.
fn scatter_ui(ui: &mut Ui, name: &str, points: &[ScatterPoint]) {
    if points.len() < 2 {
        ui.weak("Too few points: add shots, or adapters that have not seen all of them");
        return;
    }
    let palette = Palette::of(ui);
    let trend = Trend::of(points);
    let place = |point: &ScatterPoint| [point.overlap_reduction(), point.accuracy_gain()];
    let xs = points.iter().map(ScatterPoint::overlap_reduction);
    let (low, high) = xs.fold((0.0_f64, 0.0_f64), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    Plot::new(("scatter", name))
        .height(SCATTER_HEIGHT)
        .include_x(0.0)
        .include_y(0.0)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .x_axis_label("overlap taken off")
        .y_axis_label("accuracy gained, points")
        .label_formatter(|_| None)
        .show(ui, |plot| {
            if let Some(trend) = trend {
                let at = |x: f64| [x, trend.intercept + trend.slope * x];
                plot.line(
                    Line::new("trend", vec![at(low), at(high)])
                        .color(palette.weak)
                        .width(1.2),
                );
            }
            for point in points {
                let dot = Points::new(&point.name, vec![place(point)]);
                plot.points(
                    dot.color(palette.accent)
                        .radius(4.5)
                        .shape(MarkerShape::Circle),
                );
            }
            let hovered = plot
                .pointer_coordinate()
                .filter(|_| plot.response().hovered());
            if let Some(at) = hovered {
                let distance = |point: &&ScatterPoint| {
                    let [x, y] = place(point);
                    (plot.screen_from_plot(egui_plot::PlotPoint::new(x, y))
                        - plot.screen_from_plot(at))
                    .length()
                };
                let nearest = points
                    .iter()
                    .min_by(|a, b| distance(a).total_cmp(&distance(b)));
                if let Some(point) = nearest.filter(|point| distance(point) < 40.0) {
                    let text = RichText::new(&point.name).color(palette.strong);
                    plot.text(
                        Text::new(&point.name, place(point).into(), text)
                            .anchor(egui::Align2::LEFT_BOTTOM),
                    );
                }
            }
        });
    ui.label(semibold(said(trend)));
    ui.weak("Rightwards: the kinds of pairs overlap less. Upwards: more is right");
}

fn said(trend: Option<Trend>) -> String {
    let Some(trend) = trend else {
        return "Too few different points for a line".to_owned();
    };
    let interval = trend.interval.map_or_else(String::new, |(low, high)| {
        format!(" (95 % interval {low:.2} to {high:.2})")
    });
    let firm = if trend.is_firm() {
        ""
    } else {
        ": too few points for a firm statement"
    };
    format!("Correlation {:.2}{interval}{firm}", trend.correlation)
}
