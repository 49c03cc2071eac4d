//! The right panel's lower half: overlap before and after, as two histograms.

use egui::{Align, Layout, RichText, Ui};

use crate::app::{AdapterStage, Command, OverlapFigures, OverlapView, PairKind};

use super::adapter_menu::adapter_ui;
use super::chip::question_ui;
use super::context::{PanelContext, Request};
use super::format::percent;
use super::help::Topic;
use super::histogram::{Axes, histogram_ui};
use super::picture::hatch;
use super::theme::{self, Palette, semibold};

const PLOT_HEIGHT: f32 = 78.0;
/// How many pairs "the most confusing ones" are.
const NUM_EXTREME_PAIRS: u64 = 24;

/// Draws the card.
pub(super) fn overlap_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let palette = Palette::of(ui);
    theme::card(palette).show(ui, |ui| {
        ui.set_width(ui.available_width());
        header_ui(ui, cx);
        let overlap = cx.app.overlap();
        let Some(before) = &overlap.before else {
            ui.weak("Shows how well your shots stand apart, as soon as there are two classes with two shots each");
            note_ui(ui, overlap);
            return;
        };
        let axes = Axes::around([before].into_iter().chain(&overlap.after));
        legend_ui(ui);
        before_ui(ui);
        let mut command = figures_ui(ui, "before", before, &axes);
        after_ui(ui, cx);
        if let Some(after) = &overlap.after {
            command = figures_ui(ui, "after", after, &axes).or(command);
        }
        warnings_ui(ui, overlap);
        note_ui(ui, overlap);
        pairs_buttons_ui(ui, cx, before);
        if let Some(command) = command {
            cx.push(command);
        }
        ui.label(RichText::new("Our own measure: the paper's exact one is unpublished").small().weak());
    });
}

fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        ui.label(semibold("Overlap").heading())
            .on_hover_text("Intra-modal overlap: how often two photos of different classes are as alike as two of one class");
        if cx.app.overlap().stale {
            ui.weak("updating");
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if question_ui(ui, "Help on the overlap").clicked() {
                cx.request(Request::Help(Some(Topic::Overlap)));
            }
            train_button_ui(ui, cx);
        });
    });
}

fn legend_ui(ui: &mut Ui) {
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let size = egui::vec2(16.0, 10.0);
        let (filled, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        ui.painter()
            .rect_filled(filled, 2.0, palette.paired.gamma_multiply(0.75));
        ui.label(RichText::new("same class").small());
        ui.add_space(4.0);
        let (hatched, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        ui.painter().add(hatch(hatched, 6.0, palette.unpaired));
        ui.painter().rect_stroke(
            hatched,
            1.0,
            egui::Stroke::new(1.2, palette.unpaired),
            egui::StrokeKind::Inside,
        );
        ui.label(RichText::new("different classes").small());
    });
}

fn before_ui(ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(semibold("before"));
        ui.label(RichText::new("original features").small().weak());
    });
}

/// "after", with the choice of what comes after.
fn after_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(semibold("after"));
        adapter_ui(ui, cx, cx.app.project().settings());
    });
}

/// Headline and histogram of one side.
fn figures_ui(ui: &mut Ui, name: &str, figures: &OverlapFigures, axes: &Axes) -> Option<Command> {
    let (low, high) = figures.auroc_interval;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.spacing_mut().interact_size.y = 16.0;
        ui.label(semibold(format!("AUROC {:.2}", figures.auroc)))
            .on_hover_text("Chance that a same-class pair is more alike than a different-class pair: 0.5 is full overlap, 1 is none. Beside it its 95 % interval");
        ui.label(RichText::new(format!("{low:.2} to {high:.2}")).small().weak());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(format!("overlap {:.2}", figures.overlap)).small())
                .on_hover_text("Overlap coefficient: the area that the two histograms share. 0 is apart, 1 is the same");
        });
    });
    histogram_ui(ui, name, figures, axes, PLOT_HEIGHT)
}

fn warnings_ui(ui: &mut Ui, overlap: &OverlapView) {
    let sides = [&overlap.before, &overlap.after];
    let is_any = |test: fn(&OverlapFigures) -> bool| sides.into_iter().flatten().any(test);
    if is_any(|figures| figures.too_few) {
        ui.label(
            RichText::new("too few photos for a firm figure")
                .small()
                .color(Palette::of(ui).warning),
        );
    }
    if is_any(|figures| figures.sampled) {
        ui.label(RichText::new("from a sample of the pairs").small().weak());
    }
}

fn note_ui(ui: &mut Ui, overlap: &OverlapView) {
    if let Some(note) = &overlap.note {
        ui.label(RichText::new(note).small().weak());
    }
}

fn pairs_buttons_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, before: &OverlapFigures) {
    ui.horizontal_wrapped(|ui| {
        let confusing = ui
            .button("Most confusing pairs")
            .on_hover_text("Photos of different classes that look most alike to CLIP");
        if confusing.clicked() {
            let low = upper_tail(&before.unpaired, before.num_unpaired);
            cx.push(Command::ShowPairs(PairKind::Unpaired, low, 1.01, false));
        }
        let unlike = ui
            .button("Least alike pairs")
            .on_hover_text("Photos of one class that look least alike to CLIP");
        if unlike.clicked() {
            let high = lower_tail(&before.paired, before.num_paired);
            cx.push(Command::ShowPairs(PairKind::Paired, -1.0, high, false));
        }
        let adapters = ui
            .button("Compare adapters…")
            .on_hover_text("All adapters with their overlap and what they are worth, any two as histograms, and whether less overlap means more accuracy");
        if adapters.clicked() {
            cx.push(Command::ShowAdapterComparison(true));
        }
    });
}

/// The way to an adapter of one's own; while one is trained, how far it is.
fn train_button_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let training = cx.app.adapter_training();
    let said = match (&training.stage, &training.step) {
        (AdapterStage::Running, Some(step)) => {
            let share = step.step as f32 / step.total.max(1) as f32;
            format!("Training: {}", percent(share))
        }
        (AdapterStage::Running | AdapterStage::Ending, _) => "Training…".to_owned(),
        _ => "Train adapter…".to_owned(),
    };
    let button = ui
        .button(said)
        .on_hover_text("Teach CLIP's image encoder to tell your classes apart, and watch the two histograms separate");
    if button.clicked() {
        cx.push(Command::ShowAdapterTraining(!training.is_open));
    }
}

/// The cosine above which about [`NUM_EXTREME_PAIRS`] pairs lie.
fn upper_tail(shares: &[f32], num_pairs: u64) -> f32 {
    let mut num_above = 0.0;
    for (index, share) in shares.iter().enumerate().rev() {
        num_above += f64::from(*share) * num_pairs as f64;
        if num_above >= NUM_EXTREME_PAIRS as f64 {
            return -1.0 + 2.0 * index as f32 / shares.len() as f32;
        }
    }
    -1.0
}

/// The cosine below which about [`NUM_EXTREME_PAIRS`] pairs lie.
fn lower_tail(shares: &[f32], num_pairs: u64) -> f32 {
    let mut num_below = 0.0;
    for (index, share) in shares.iter().enumerate() {
        num_below += f64::from(*share) * num_pairs as f64;
        if num_below >= NUM_EXTREME_PAIRS as f64 {
            return -1.0 + 2.0 * (index + 1) as f32 / shares.len() as f32;
        }
    }
    1.01
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_hold_about_as_many_pairs_as_are_listed() {
        let shares = [0.1, 0.2, 0.3, 0.4];
        assert!((upper_tail(&shares, 100) - 0.5).abs() < 1e-6);
        assert!((lower_tail(&shares, 100) - 0.0).abs() < 1e-6);
        assert!((upper_tail(&shares, 4) + 1.0).abs() < 1e-6);
    }
}
