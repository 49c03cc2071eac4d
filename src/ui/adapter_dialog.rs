//! Training an adapter: what from and how, then loss and histograms while it learns.

use egui::{Align, ComboBox, DragValue, Grid, Layout, ProgressBar, RichText, TextEdit, Ui, vec2};

use crate::app::{
    AdapterRequest, AdapterStage, AdapterTrainingView, App, Command, Loss, OverlapFigures,
    PixelValues, Preset, TrainingOptions,
};

use super::bare_plot::loss_curve_ui;
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::format::{count, counted, duration};
use super::histogram::{Axes, histogram_ui};
use super::theme::{Palette, semibold};

const WIDTH: f32 = 440.0;
const CURVE_HEIGHT: f32 = 64.0;
const HISTOGRAM_HEIGHT: f32 = 76.0;

/// What is typed into the dialog; the rest is the app's.
#[derive(Default)]
pub(super) struct AdapterDialog {
    name: String,
    options: TrainingOptions,
    goes_on: bool,
    was_open: bool,
}

impl AdapterDialog {
    /// Draws the dialog over the gallery, if it is open.
    pub(super) fn ui(&mut self, context: &egui::Context, cx: &mut PanelContext<'_>) {
        let view = cx.app.adapter_training();
        if view.is_open && !self.was_open && view.stage == AdapterStage::Idle {
            self.name = free_name(cx.app);
        }
        self.was_open = view.is_open;
        if !view.is_open {
            return;
        }
        let (mut is_open, room) = (true, context.content_rect());
        egui::Window::new("Train adapter")
            .id(egui::Id::unique("adapter training"))
            .open(&mut is_open)
            .collapsible(false)
            .resizable(false)
            .default_width(WIDTH)
            .default_pos(room.center() - vec2(WIDTH / 2.0, 0.42 * room.height()))
            .show(context, |ui| {
                ui.set_width(WIDTH);
                match &view.stage {
                    AdapterStage::Idle => self.form_ui(ui, cx),
                    _ => progress_ui(ui, cx, view),
                }
            });
        if !is_open {
            cx.push(Command::ShowAdapterTraining(false));
        }
    }

    fn form_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.label("Small adapters inside CLIP's image encoder learn to bring photos of one class together. A quarter of the photos is held out: it shows what was learnt, and is never trained on.");
        ui.add_space(4.0);
        Grid::new("adapter form")
            .num_columns(2)
            .spacing(vec2(12.0, 8.0))
            .show(ui, |ui| {
                let label = ui.label("Name");
                ui.add(TextEdit::singleline(&mut self.name).desired_width(250.0))
                    .labelled_by(label.id);
                ui.end_row();
                ui.label("Learn from");
                source_ui(ui, cx);
                ui.end_row();
                ui.label("Loss");
                loss_ui(ui, &mut self.options.loss);
                ui.end_row();
                ui.label("Recipe");
                preset_ui(ui, &mut self.options.preset);
                ui.end_row();
            });
        ui.collapsing("More", |ui| options_ui(ui, &mut self.options));
        ui.add_space(4.0);
        self.start_ui(ui, cx);
    }

    /// The button that starts it, or why it cannot start.
    fn start_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let name = self.name.trim().to_owned();
        let is_unfinished = cx.app.unfinished_adapters().any(|other| other == name);
        if is_unfinished {
            ui.checkbox(
                &mut self.goes_on,
                "Go on with the interrupted training of this name",
            )
            .on_hover_text("Needs the same photos and options as before");
        }
        let obstacle = obstacle(cx.app, &name);
        ui.horizontal(|ui| {
            let button = egui::Button::new(semibold("Train")).min_size(vec2(90.0, 0.0));
            if ui.add_enabled(obstacle.is_none(), button).clicked() {
                let options = TrainingOptions {
                    resume: is_unfinished && self.goes_on,
                    ..self.options.clone()
                };
                cx.push(Command::TrainAdapter(Box::new(AdapterRequest {
                    name,
                    folder: cx.app.adapter_training().folder.clone(),
                    options,
                })));
            }
            match obstacle {
                Some(reason) => ui.colored_label(Palette::of(ui).warning, reason),
                None => ui.weak("Goes on in the background; you can label meanwhile"),
            };
        });
    }
}

/// "Adapter", "Adapter 2", ...: the first that no file has.
fn free_name(app: &App) -> String {
    let taken: Vec<String> = app
        .adapter_names()
        .chain(app.unfinished_adapters())
        .collect();
    let base = app.title().trim_end_matches(".shotlens");
    let names = (2..).map(|number| format!("{base} adapter {number}"));
    std::iter::once(format!("{base} adapter"))
        .chain(names)
        .find(|name| !taken.contains(name))
        .unwrap_or_default()
}

/// Why training cannot start, and what to do about it.
fn obstacle(app: &App, name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("Give it a name");
    }
    if app.adapter_names().any(|other| other == name) {
        return Some("There is an adapter of this name: choose another");
    }
    let shots = app.project().classes().iter();
    let num_classes = shots
        .filter(|class| app.project().shots(class.id).len() > 1)
        .count();
    let is_short = app.adapter_training().folder.is_none() && num_classes < 2;
    is_short.then_some("Needs two classes with two shots each")
}

fn source_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let project = cx.app.project();
    let folder = cx.app.adapter_training().folder.clone();
    let classes = project.classes();
    let num_shots: usize = classes
        .iter()
        .map(|class| project.shots(class.id).len())
        .sum();
    ui.vertical(|ui| {
        let said = format!(
            "The support set: {} of {}",
            counted(num_shots, "shot", "shots"),
            counted(classes.len(), "class", "classes")
        );
        if ui.radio(folder.is_none(), said).clicked() {
            cx.push(Command::LearnAdapterFrom(None));
        }
        ui.horizontal(|ui| {
            let said = folder.as_ref().map_or_else(
                || "Another folder of class folders…".to_owned(),
                |folder| format!("The folder {}", folder.display()),
            );
            if ui.radio(folder.is_some(), said).clicked() {
                cx.request(Request::Ask(Ask::Lesson));
            }
        });
    });
}

fn loss_ui(ui: &mut Ui, chosen: &mut Loss) {
    let choices = [
        (
            Loss::CrossEntropy,
            "Classes (the paper's)",
            "A linear layer learns to name the classes, and is thrown away in the end",
        ),
        (
            Loss::Contrastive,
            "Contrastive",
            "Photos of one class are pulled together, others pushed apart",
        ),
        (
            Loss::ProLip,
            "Projection only (ProLIP)",
            "No adapters: the last matrix of the encoder alone moves towards the class names",
        ),
        (
            Loss::Dino,
            "Without labels (DINO)",
            "The encoder learns to see the same in several crops of a photo; classes only judge. Slow, and for many photos",
        ),
    ];
    choice_ui(ui, "Loss", chosen, &choices);
}

fn preset_ui(ui: &mut Ui, chosen: &mut Option<Preset>) {
    let choices = [
        (
            None,
            "By the number of photos",
            "Few photos below 5,000, else the paper's",
        ),
        (
            Some(Preset::FewShot),
            "Few photos",
            "300 steps or more of 32 photos; ends by itself when the photos held out gain nothing more",
        ),
        (
            Some(Preset::Paper),
            "The paper's",
            "Each photo once, 128 at a time: for thousands of photos",
        ),
    ];
    choice_ui(ui, "Recipe", chosen, &choices);
}

/// A menu of values with titles, each with a sentence.
fn choice_ui<T: PartialEq + Copy>(
    ui: &mut Ui,
    name: &str,
    chosen: &mut T,
    choices: &[(T, &str, &str)],
) {
    let title = choices.iter().find(|(value, ..)| value == chosen);
    let combo = ComboBox::from_id_salt(name)
        .width(250.0)
        .selected_text(title.map_or("", |(_, title, _)| *title))
        .show_ui(ui, |ui| {
            for (value, title, about) in choices {
                ui.selectable_value(chosen, *value, *title)
                    .on_hover_text(*about);
            }
        });
    combo.response.accessible_name(name);
}

/// What the recipe decides unless it is given.
fn options_ui(ui: &mut Ui, options: &mut TrainingOptions) {
    Grid::new("adapter options")
        .num_columns(2)
        .spacing(vec2(12.0, 6.0))
        .show(ui, |ui| {
            number_ui(
                ui,
                "Passes over the photos",
                &mut options.epochs,
                10,
                1..=10_000,
            );
            number_ui(ui, "Photos of a step", &mut options.batch, 32, 2..=4096);
            number_ui(
                ui,
                "Step size",
                &mut options.learning_rate,
                1e-3,
                1e-6..=1.0,
            );
            number_ui(ui, "Scale s", &mut options.scale, 0.3, 1e-3..=10.0);
            number_ui(ui, "Dropout", &mut options.dropout, 0.1, 0.0..=0.9);
            ui.label("Seed");
            ui.add(DragValue::new(&mut options.seed));
            ui.end_row();
            ui.label("Pixels");
            let mut is_raw = options.pixels == PixelValues::ZeroToOne;
            ui.checkbox(&mut is_raw, "0 to 1, as the authors' code")
                .on_hover_text(
                    "Their training leaves out CLIP's normalisation, and their use of it does not",
                );
            options.pixels = if is_raw {
                PixelValues::ZeroToOne
            } else {
                PixelValues::Normalised
            };
            ui.end_row();
        });
}

/// A number that the recipe gives unless the box is ticked.
fn number_ui<N: egui::emath::Numeric>(
    ui: &mut Ui,
    name: &str,
    value: &mut Option<N>,
    proposal: N,
    range: std::ops::RangeInclusive<N>,
) {
    let mut is_given = value.is_some();
    ui.checkbox(&mut is_given, name);
    if is_given != value.is_some() {
        *value = is_given.then_some(proposal);
    }
    match value {
        Some(value) => {
            let speed = 0.01 * proposal.to_f64();
            ui.add(
                DragValue::new(value)
                    .range(range)
                    .speed(speed)
                    .max_decimals(6),
            )
            .accessible_name(name);
        }
        None => {
            ui.weak("as the recipe says");
        }
    }
    ui.end_row();
}

fn progress_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &AdapterTrainingView) {
    stage_ui(ui, cx, view);
    if let Some(plan) = &view.plan {
        let skipped = match plan.skipped.len() {
            0 => String::new(),
            some => format!("; {} could not be read", counted(some, "photo", "photos")),
        };
        let place = match &plan.worker {
            Some(worker) => format!(", in {worker}"),
            None => String::new(),
        };
        let megabytes = (plan.bytes_of_activations + plan.bytes_of_step).div_ceil(1 << 20);
        let said = format!(
            "{} to learn from, {} held out; about {} MB of memory{place}{skipped}",
            counted(plan.num_photos, "photo", "photos"),
            count(plan.num_held_out),
            count(megabytes)
        );
        ui.label(RichText::new(said).small().weak());
    }
    if view.losses.len() > 1 {
        let total = view.step.map_or(0, |step| step.total);
        loss_curve_ui(ui, CURVE_HEIGHT, &view.losses, &[], total)
            .on_hover_text("The loss over the steps, from 0 to its largest");
    }
    held_out_ui(ui, view);
}

fn stage_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &AdapterTrainingView) {
    match &view.stage {
        AdapterStage::Idle => {}
        AdapterStage::Running => running_ui(ui, cx, view),
        AdapterStage::Ending => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label("Keeping the best so far");
            });
        }
        AdapterStage::Done(said) => {
            ui.label(semibold(&view.name).heading());
            ui.label(said);
            again_ui(ui, cx);
        }
        AdapterStage::Stopped => {
            ui.label("It was ended before the first step: nothing was written.");
            again_ui(ui, cx);
        }
        AdapterStage::Failed(reason) => {
            ui.colored_label(Palette::of(ui).error, reason);
            again_ui(ui, cx);
        }
    }
}

fn running_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, view: &AdapterTrainingView) {
    ui.label(semibold(&view.name).heading());
    let share = view
        .step
        .map_or(0.0, |step| step.step as f32 / step.total.max(1) as f32);
    ui.add(ProgressBar::new(share).desired_height(6.0))
        .accessible_name("Training of the adapter");
    ui.horizontal(|ui| {
        match view.step {
            Some(step) => ui.label(format!(
                "Step {} of {} · {:.0} photos/s · {} left at most",
                count(step.step),
                count(step.total),
                step.images_per_second,
                duration(step.seconds_left)
            )),
            None => ui.label("Photos are read"),
        };
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let end = ui
                .button("End now")
                .on_hover_text("Keeps the state that did best so far");
            if end.clicked() {
                cx.push(Command::EndAdapterTraining);
            }
        });
    });
}

fn again_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        if ui.button("Close").clicked() {
            cx.push(Command::ShowAdapterTraining(false));
        }
        if ui.button("Train another…").clicked() {
            cx.push(Command::ShowAdapterTraining(true));
        }
    });
}

/// Both histograms of the photos held out, on the same axes.
fn held_out_ui(ui: &mut Ui, view: &AdapterTrainingView) {
    let Some(before) = &view.before else { return };
    let after = view.after.as_ref();
    let axes = Axes::around(
        [before]
            .into_iter()
            .chain(after.map(|(_, figures)| figures)),
    );
    ui.add_space(4.0);
    ui.label(semibold("Photos held out"));
    side_ui(ui, "held out before", "before", before, &axes);
    if let Some((step, after)) = after {
        let title = format!("after {}", counted(*step, "step", "steps"));
        side_ui(ui, "held out after", &title, after, &axes);
    }
}

fn side_ui(ui: &mut Ui, id: &str, title: &str, figures: &OverlapFigures, axes: &Axes) {
    ui.horizontal(|ui| {
        ui.label(title);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let said = format!(
                "AUROC {:.2} · overlap {:.2}",
                figures.auroc, figures.overlap
            );
            ui.label(RichText::new(said).small());
        });
    });
    // A click lists pairs of the support set, which these are not.
    histogram_ui(ui, id, figures, axes, HISTOGRAM_HEIGHT);
}
