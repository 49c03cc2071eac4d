//! All methods side by side: a bar each with its 95 % interval; a click chooses the method.

use egui::{
    Align2, FontId, Rect, RichText, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use crate::app::{Command, ComparisonView, FEWEST_LABELLED};
use crate::methods::Method;
use crate::methods::metrics::wilson;
use crate::worker::study_worker::{Basis, Outcome, Row};

use super::chip::paint_bar;
use super::context::PanelContext;
use super::format::{counted, cut_line, parameter};
use super::theme::{self, Palette};

const ROW_HEIGHT: f32 = 24.0;
const TITLE_WIDTH: f32 = 118.0;
const FIGURES_WIDTH: f32 = 148.0;

/// Draws the window over the gallery, if it is open.
pub(super) fn comparison_ui(context: &egui::Context, cx: &mut PanelContext<'_>) {
    let view = cx.app.comparison();
    if !view.is_open {
        return;
    }
    let mut is_open = true;
    let room = context.content_rect();
    let size = vec2(
        600.0_f32.min(room.width() - 60.0),
        (room.height() - 150.0).clamp(260.0, 640.0),
    );
    egui::Window::new("Compare methods")
        .id(egui::Id::unique("comparison"))
        .open(&mut is_open)
        .collapsible(false)
        .default_size(size)
        .default_pos(room.center() - size / 2.0)
        .show(context, |ui| {
            basis_ui(ui, view);
            trains_ui(ui, cx, view);
            ui.separator();
            if view.rows.is_empty() {
                ui.weak("The figures appear as soon as there are classes with shots");
            }
            ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    for row in &view.rows {
                        row_ui(ui, cx, row);
                    }
                });
        });
    if !is_open {
        cx.push(Command::ShowComparison(false));
    }
}

/// What the figures rest on, in words.
fn basis_ui(ui: &mut Ui, view: &ComparisonView) {
    let labelled = match view.num_labelled {
        0 => "No labelled photos".to_owned(),
        some => counted(some, "labelled photo", "labelled photos"),
    };
    let said = match view.basis {
        Some(Basis::Labelled) => format!(
            "Share right of {labelled} that are no shots, with a 95 % interval. Parameters were chosen on the shots alone"
        ),
        _ if view.labels_are_shots => "You learn from your labels, so labelled photos are shots and cannot judge: these are the shots, each recognised by the others (leave-one-out)".to_owned(),
        _ => format!(
            "{labelled} so far: label {FEWEST_LABELLED} photos of the pool, and methods are judged by them. Until then these are the shots, each recognised by the others (leave-one-out)"
        ),
    };
    ui.label(said);
    if view.basis == Some(Basis::LeftOut) {
        ui.label(
            RichText::new(
                "Parameters were chosen on the same shots, so these figures flatter a little",
            )
            .small()
            .weak(),
        );
    }
}

fn trains_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &ComparisonView) {
    ui.horizontal(|ui| {
        let mut trains = view.trains;
        let switch = ui
            .checkbox(&mut trains, "Train too")
            .on_hover_text("Also trains the methods that need it: seconds to minutes");
        if switch.changed() {
            cx.push(Command::TrainInComparison(trains));
        }
        if view.is_running {
            ui.spinner();
            ui.weak(format!("{} of {}", view.num_done, Method::ALL.len()));
        }
    });
}

fn row_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, row: &Row) {
    let palette = Palette::of(ui);
    let is_chosen = row.method == cx.app.method();
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let fill = if is_chosen {
        Some(palette.accent_soft)
    } else if response.hovered() || response.has_focus() {
        Some(palette.button[1])
    } else {
        None
    };
    if let Some(fill) = fill {
        ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    }
    let left = rect.left_center() + vec2(8.0, 0.0);
    let is_measured = matches!(row.outcome, Outcome::Measured { .. });
    let ink = if is_measured {
        palette.strong
    } else {
        palette.weak
    };
    let font = FontId::proportional(13.0);
    ui.painter()
        .text(left, Align2::LEFT_CENTER, row.method.title(), font, ink);
    let rest = Rect::from_min_max(
        pos2(rect.left() + TITLE_WIDTH, rect.top()),
        rect.max - vec2(8.0, 0.0),
    );
    let said = match &row.outcome {
        Outcome::Measured {
            num_right,
            num_judged,
            ..
        } => {
            paint_measured(ui, rest, *num_right, *num_judged, palette);
            let (low, high) = wilson(*num_right, *num_judged);
            format!(
                "{}: {num_right} of {num_judged} right, 95 % interval {:.0} to {:.0} %",
                row.method.title(),
                low * 100.0,
                high * 100.0
            )
        }
        Outcome::Unavailable(reason) => {
            paint_words(ui, rest, reason, palette);
            format!("{}: {reason}", row.method.title())
        }
        Outcome::Untrained => {
            let words = "needs training: switch on \"Train too\"";
            paint_words(ui, rest, words, palette);
            format!("{}: {words}", row.method.title())
        }
    };
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, &said));
    if response.clicked() && !is_chosen {
        cx.push(Command::SetMethod(row.method.name().to_owned()));
    }
    response.on_hover_text(format!("{said}{}\nClick to use it", used(row)));
}

/// With which parameters, as "\nα 1.20, β 5.50".
fn used(row: &Row) -> String {
    use crate::app::Parameter;
    if !matches!(row.outcome, Outcome::Measured { .. }) {
        return String::new();
    }
    let parts = row.method.parameters().iter().map(|which| match which {
        Parameter::Alpha => format!("α {}", parameter(f64::from(row.parameters.alpha))),
        Parameter::Beta => format!("β {}", parameter(f64::from(row.parameters.beta))),
        Parameter::Gamma => format!("γ {}", parameter(f64::from(row.parameters.gamma))),
    });
    let parts = parts.collect::<Vec<_>>().join(", ");
    if parts.is_empty() {
        parts
    } else {
        format!("\n{parts}")
    }
}

/// The bar, its interval as a whisker, and the figures.
fn paint_measured(ui: &Ui, rect: Rect, num_right: usize, num_judged: usize, palette: &Palette) {
    let share = num_right as f32 / num_judged.max(1) as f32;
    let (low, high) = wilson(num_right, num_judged);
    let bar = Rect::from_min_max(
        pos2(rect.left(), rect.center().y - 5.0),
        pos2(rect.right() - FIGURES_WIDTH, rect.center().y + 5.0),
    );
    paint_bar(ui.painter(), bar, share, palette.accent, palette);
    let at = |share: f32| egui::lerp(bar.x_range(), share);
    let stroke = Stroke::new(1.5, palette.strong);
    let painter = ui.painter();
    painter.hline(at(low)..=at(high), bar.center().y, stroke);
    for end in [low, high] {
        painter.vline(at(end), bar.y_range(), stroke);
    }
    let right = rect.right_center();
    let figures = format!("{:.0} to {:.0} %", low * 100.0, high * 100.0);
    painter.text(
        right,
        Align2::RIGHT_CENTER,
        figures,
        FontId::proportional(11.5),
        palette.weak,
    );
    painter.text(
        right - vec2(78.0, 0.0),
        Align2::RIGHT_CENTER,
        format!("{:.1} %", share * 100.0),
        theme::semibold_font(13.0),
        palette.strong,
    );
}

/// A sentence in one line, cut off where there is no more room; the whole of it is in the tooltip.
fn paint_words(ui: &Ui, rect: Rect, words: &str, palette: &Palette) {
    let job = cut_line(
        words,
        FontId::proportional(11.5),
        palette.weak,
        rect.width(),
    );
    let galley = ui.painter().layout_job(job);
    let at = pos2(rect.left(), rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, palette.weak);
}
