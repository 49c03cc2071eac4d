//! How good the predictions are by the person's own labels: confusion, classes, calibration, coverage, and over time.

use egui::{
    Align2, FontId, Id, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, vec2,
};
use egui_plot::{Line, LineStyle, Plot, Points};

use crate::app::{Command, EvaluationView, RUNNING};
use crate::ids::ClassId;
use crate::methods::reliability::precision_and_recall;

use super::chip::{chip_ui, paint_chip};
use super::context::PanelContext;
use super::format::{count, counted, percent};
use super::theme::{Palette, semibold};

const PLOT_HEIGHT: f32 = 240.0;
/// Largest side of a cell of the confusion matrix.
const CELL: f32 = 34.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Tab {
    #[default]
    Confusion,
    Classes,
    Coverage,
    Calibration,
    OverTime,
}

const TABS: [(Tab, &str); 5] = [
    (Tab::Confusion, "Confusion"),
    (Tab::Classes, "Classes"),
    (Tab::Coverage, "Coverage"),
    (Tab::Calibration, "Calibration"),
    (Tab::OverTime, "Over time"),
];

/// Draws the window over the gallery, if it is open.
pub(super) fn evaluation_ui(context: &egui::Context, cx: &mut PanelContext<'_>) {
    let view = cx.app.evaluation();
    if !view.is_open {
        return;
    }
    let (mut is_open, room) = (true, context.content_rect());
    let size = vec2(
        460.0_f32.min(room.width() - 60.0),
        380.0_f32.min(room.height() - 130.0),
    );
    egui::Window::new("How good are the predictions?")
        .id(Id::unique("evaluation"))
        .open(&mut is_open)
        .collapsible(false)
        .default_size(size)
        .default_pos(room.center() - size / 2.0)
        .show(context, |ui| {
            headline_ui(ui, view);
            let id = ui.scope_id().with("tab");
            let mut tab = ui.data(|data| data.get_temp(id).unwrap_or_default());
            ui.horizontal(|ui| {
                for (other, title) in TABS {
                    ui.selectable_value(&mut tab, other, title);
                }
            });
            ui.data_mut(|data| data.insert_temp(id, tab));
            ui.separator();
            if view.num_judged == 0 && tab != Tab::OverTime {
                ui.weak("Label some photos of the pool (1 to 9, or Enter): they show how often the predictions are right. Shots do not count, because they are what the predictions are made from");
                return;
            }
            match tab {
                Tab::Confusion => confusion_ui(ui, cx, view),
                Tab::Classes => classes_ui(ui, cx, view),
                Tab::Coverage => coverage_ui(ui, view),
                Tab::Calibration => calibration_ui(ui, view),
                Tab::OverTime => over_time_ui(ui, view),
            }
        });
    if !is_open {
        cx.push(Command::ShowEvaluation(false));
    }
}

fn headline_ui(ui: &mut Ui, view: &EvaluationView) {
    if view.num_judged > 0 {
        let share = view.num_right as f32 / view.num_judged as f32;
        ui.label(semibold(format!(
            "{} of {} predicted as labelled: {}",
            count(view.num_right),
            counted(view.num_judged, "labelled photo", "labelled photos"),
            percent(share)
        )));
    }
    if view.num_unseen > 0 {
        let said = format!(
            "{} were given to many photos at once, or came with an import, and agree: where they are accepted predictions, they judge themselves",
            counted(view.num_unseen, "label", "labels")
        );
        ui.colored_label(Palette::of(ui).warning, said);
    }
}

/// Rows are labels, columns predictions; a click shows the photos of a cell.
fn confusion_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &EvaluationView) {
    ui.weak("Rows: your labels. Columns: predictions. Click a cell to see its photos");
    let places = used_places(view);
    let room = ui.available_size() - vec2(40.0, 30.0);
    let fitting = (room.x / (places.len() + 1) as f32).min(room.y / (places.len() + 1) as f32);
    let cell = fitting.clamp(18.0, CELL);
    let most = view
        .confusion
        .iter()
        .flatten()
        .copied()
        .max()
        .unwrap_or(0)
        .max(1);
    ScrollArea::both().show(ui, |ui| {
        let side = cell * (places.len() + 1) as f32;
        let (area, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        let at = |row: usize, column: usize| {
            let min = area.min + vec2(column as f32, row as f32) * cell;
            Rect::from_min_size(min, vec2(cell, cell)).shrink(1.0)
        };
        for (index, place) in places.iter().enumerate() {
            let Some(class) = cx.class(view.classes[*place]) else {
                continue;
            };
            for rect in [at(index + 1, 0), at(0, index + 1)] {
                let id = ui.scope_id().with(("head", index, rect.min.x as i32));
                paint_chip(ui.painter(), rect.shrink(2.0), class);
                ui.interact(rect, id, Sense::hover())
                    .on_hover_text(&class.name);
            }
        }
        for (row, label) in places.iter().enumerate() {
            for (column, predicted) in places.iter().enumerate() {
                let number = view.confusion[*label][*predicted];
                let pair = (view.classes[*label], view.classes[*predicted]);
                cell_ui(ui, cx, at(row + 1, column + 1), number, most, pair);
            }
        }
    });
}

/// Classes that were labelled or predicted at least once.
fn used_places(view: &EvaluationView) -> Vec<usize> {
    let is_used = |place: &usize| {
        let predicted = view.confusion.iter().map(|row| row[*place]).sum::<usize>();
        predicted + view.confusion[*place].iter().sum::<usize>() > 0
    };
    (0..view.classes.len()).filter(is_used).collect()
}

fn cell_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    rect: Rect,
    number: usize,
    most: usize,
    (label, predicted): (ClassId, ClassId),
) {
    let palette = Palette::of(ui);
    let is_right = label == predicted;
    let ink = if is_right {
        palette.good
    } else {
        palette.error
    };
    let strength = (number as f32 / most as f32).sqrt();
    ui.painter().rect_filled(rect, 3.0, palette.well);
    if number > 0 {
        ui.painter()
            .rect_filled(rect, 3.0, ink.gamma_multiply(0.15 + 0.6 * strength));
        let font = FontId::proportional((rect.height() * 0.42).clamp(9.0, 13.0));
        let text = count(number);
        ui.painter().text(
            rect.center(),
            Align2::CENTER_CENTER,
            text,
            font,
            palette.strong,
        );
    }
    let id = ui.scope_id().with(("cell", label, predicted));
    let response = ui.interact(rect, id, Sense::click());
    let name = |id| {
        cx.class(id)
            .map_or("", |class| class.name.as_str())
            .to_owned()
    };
    let title = format!("{}, predicted {}", name(label), name(predicted));
    let said = format!("labelled {title}: {}", counted(number, "photo", "photos"));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, number > 0, &said));
    if response.hovered() && number > 0 {
        let stroke = Stroke::new(1.5, palette.accent);
        ui.painter()
            .rect_stroke(rect, 3.0, stroke, egui::StrokeKind::Inside);
    }
    if response.clicked() && number > 0 {
        cx.push(Command::ShowOnly(cx.app.confused(label, predicted), title));
    }
    response.on_hover_text(said);
}

fn classes_ui(ui: &mut Ui, cx: &PanelContext<'_>, view: &EvaluationView) {
    ScrollArea::vertical().show(ui, |ui| {
        egui::Grid::new("precision and recall")
            .num_columns(4)
            .spacing(vec2(18.0, 6.0))
            .show(ui, |ui| {
                for title in ["Class", "Labelled", "Precision", "Recall"] {
                    ui.label(semibold(title));
                }
                ui.end_row();
                for (place, id) in view.classes.iter().enumerate() {
                    let Some(class) = cx.class(*id) else { continue };
                    ui.horizontal(|ui| {
                        chip_ui(ui, class, 18.0);
                        ui.label(&class.name);
                    });
                    ui.label(count(view.confusion[place].iter().sum()));
                    let (precision, recall) = precision_and_recall(&view.confusion, place);
                    for share in [precision, recall] {
                        ui.label(
                            share.map_or_else(|| "–".to_owned(), |share| percent(share as f32)),
                        );
                    }
                    ui.end_row();
                }
            });
    });
    ui.weak("Precision: of the photos predicted as the class, how many are. Recall: of those that are, how many are predicted so");
}

/// A plot of shares, over something from 0 to `last`.
fn shares_plot<'a>(id: &'static str, height: f32, last: f64) -> Plot<'a> {
    Plot::new(id)
        .height(height)
        .include_x(0.0)
        .include_x(last)
        .include_y(0.0)
        .include_y(1.0)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .show_grid([false, true])
        .y_axis_formatter(|mark, _| format!("{:.0} %", mark.value * 100.0))
        .label_formatter(|_| None)
}

/// The same over shares.
fn plot_over_shares<'a>(id: &'static str, height: f32) -> Plot<'a> {
    shares_plot(id, height, 1.0).x_axis_formatter(|mark, _| format!("{:.0} %", mark.value * 100.0))
}

fn coverage_ui(ui: &mut Ui, view: &EvaluationView) {
    let palette = Palette::of(ui);
    let points: Vec<[f64; 2]> = view
        .coverage
        .iter()
        .map(|at| [at.coverage, at.accuracy])
        .collect();
    let plot = plot_over_shares("coverage", height_of(ui)).show(ui, |plot| {
        let line = Line::new("accuracy", points)
            .color(palette.accent)
            .width(2.0);
        plot.line(line);
        plot.pointer_coordinate()
    });
    let hovered = plot.inner.filter(|_| plot.response.hovered());
    let chosen = hovered.and_then(|at| {
        let nearest = |a: f64, b: f64| (a - at.x).abs().total_cmp(&(b - at.x).abs());
        view.coverage
            .iter()
            .min_by(|a, b| nearest(a.coverage, b.coverage))
    });
    let reliable = || view.coverage.iter().rev().find(|at| at.accuracy >= 0.95);
    let said = match chosen.or_else(reliable) {
        Some(at) => format!(
            "Accept above {}: {} of the photos at {} accuracy",
            percent(at.threshold),
            percent(at.coverage as f32),
            percent(at.accuracy as f32)
        ),
        None => "No share of the photos is predicted at 95 % accuracy".to_owned(),
    };
    ui.label(semibold(said));
    ui.weak("Across: the share of photos that you would accept, the surest first. Up: how many of those are right");
}

fn calibration_ui(ui: &mut Ui, view: &EvaluationView) {
    let palette = Palette::of(ui);
    let filled = view.calibration.iter().filter(|bin| bin.count > 0);
    let points: Vec<[f64; 2]> = filled.map(|bin| [bin.confidence, bin.accuracy]).collect();
    plot_over_shares("calibration", height_of(ui)).show(ui, |plot| {
        let ideal = Line::new("ideal", vec![[0.0, 0.0], [1.0, 1.0]]);
        let dashed = LineStyle::Dashed { length: 6.0 };
        plot.line(ideal.color(palette.weak).width(1.2).style(dashed));
        plot.line(
            Line::new("bins", points.clone())
                .color(palette.accent)
                .width(2.0),
        );
        plot.points(
            Points::new("bins", points)
                .color(palette.accent)
                .radius(4.0),
        );
    });
    ui.label(semibold(format!(
        "Confidence is off by {:.1} points on average",
        100.0 * view.calibration_error
    )));
    ui.weak("Across: how sure the predictions say they are. Up: how many of them are right. On the dashed line the two agree");
}

fn over_time_ui(ui: &mut Ui, view: &EvaluationView) {
    let palette = Palette::of(ui);
    if view.over_time.is_empty() {
        ui.weak("As you label photos, this shows how often your label was predicted before you gave it: where the curve is flat, more labels teach little");
        return;
    }
    let last = view.over_time.len().max(RUNNING) as f64;
    shares_plot("over time", height_of(ui), last).show(ui, |plot| {
        let line = Line::new("right", view.over_time.clone());
        plot.line(line.color(palette.accent).width(2.0));
    });
    let (right, all) = view.predicted_before;
    ui.label(semibold(format!(
        "{} of your {} were predicted before you gave them",
        count(right),
        counted(all, "label", "labels")
    )));
    ui.weak(RichText::new(format!(
        "Across: labels in their order. Up: the share of the last {RUNNING} that was predicted"
    )));
}

fn height_of(ui: &Ui) -> f32 {
    (ui.available_height() - 70.0).clamp(120.0, PLOT_HEIGHT)
}
