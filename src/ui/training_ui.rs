//! A training in the method's card: how far it is, its loss as a curve, and a way to end it.

use egui::{Align, Layout, ProgressBar, RichText, Ui};

use crate::app::{Command, TrainingStage, TrainingView};

use super::bare_plot::loss_curve_ui;
use super::context::PanelContext;
use super::format::{count, duration};
use super::theme::{Palette, semibold};

const CURVE_HEIGHT: f32 = 58.0;

/// Draws the training.
pub(super) fn training_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, training: &TrainingView) {
    let is_running = training.stage == TrainingStage::Running;
    title_ui(ui, cx, training, is_running);
    let share = training.step as f32 / training.total.max(1) as f32;
    if is_running {
        ui.add(ProgressBar::new(share).desired_height(6.0))
            .accessible_name("Training");
    }
    if let TrainingStage::Failed(reason) = &training.stage {
        ui.colored_label(Palette::of(ui).error, reason);
    }
    if training.losses.len() > 1 {
        curve_ui(ui, training);
    }
    figures_ui(ui, training);
}

fn title_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, training: &TrainingView, is_running: bool) {
    let said = match &training.stage {
        TrainingStage::Running if training.total == 0 => "Training begins".to_owned(),
        TrainingStage::Running => {
            format!("Step {} of {}", count(training.step), count(training.total))
        }
        TrainingStage::Judging => "Trained; judging it by folds".to_owned(),
        TrainingStage::Done => format!("Trained in {} steps", count(training.step)),
        TrainingStage::EndedEarly => format!(
            "Ended at step {} of {}",
            count(training.step),
            count(training.total)
        ),
        TrainingStage::Stopped => "Not trained: it was ended at once".to_owned(),
        TrainingStage::Failed(_) => "Not trained".to_owned(),
    };
    ui.horizontal(|ui| {
        ui.label(semibold(said).small());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if training.stage == TrainingStage::Judging {
                ui.add(egui::Spinner::new().size(14.0));
            }
            if is_running {
                let end = ui
                    .small_button("End now")
                    .on_hover_text("Stops training; the best so far is used");
                if end.clicked() {
                    cx.push(Command::EndTraining);
                }
                if let Some(seconds) = training.seconds_left {
                    ui.label(
                        RichText::new(format!("{} left", duration(seconds)))
                            .small()
                            .weak(),
                    );
                }
            } else if ui
                .small_button("Train again")
                .on_hover_text("From the beginning")
                .clicked()
            {
                cx.push(Command::TrainAgain);
            }
        });
    });
}

/// The loss, and the share of photos held out that are right where it was measured, both over the steps.
fn curve_ui(ui: &mut Ui, training: &TrainingView) {
    let TrainingView {
        losses,
        accuracies,
        total,
        ..
    } = training;
    loss_curve_ui(ui, CURVE_HEIGHT, losses, accuracies, *total).on_hover_text("Solid: the loss, from 0 to its largest. Dashed: the share of the photos held out that are right, from 0 to 100 %. Where the loss jumps, the best number of passes is known, and training begins anew on all shots");
}

fn figures_ui(ui: &mut Ui, training: &TrainingView) {
    let palette = Palette::of(ui);
    let Some([_, loss]) = training.losses.last() else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.spacing_mut().interact_size.y = 14.0;
        ui.label(
            RichText::new(format!("— loss {loss:.3}"))
                .small()
                .color(palette.unpaired),
        );
        if let Some(best) = training.best_accuracy() {
            let said = format!("╌ held out {:.0} % at best", best * 100.0);
            ui.label(RichText::new(said).small().color(palette.paired))
                .on_hover_text(
                    "Share of the shots that were kept out of training and are recognised",
                );
        }
    });
}
