//! Accepting every sure prediction at once: how many, which, and how often such predictions were right so far.

use std::collections::BTreeMap;

use egui::{Context, Grid, Id, Modal, ScrollArea, Sense, Slider, Ui, vec2};

use crate::app::{App, Command};
use crate::ids::{ClassId, PhotoId};

use super::chip::chip_ui;
use super::context::PanelContext;
use super::format::{count, counted, percent};
use super::picture::{self, Fit};
use super::theme::{self, semibold};

/// Photos in the preview: the least sure of those that would be accepted.
const MAX_PREVIEW: usize = 24;
const SIDE: f32 = 66.0;
/// Width of a class with its number.
const COUNT_WIDTH: f32 = 120.0;

/// The open dialog.
pub(super) struct AcceptDialog {
    /// Share in percent.
    threshold: f32,
    /// Of a hundred thousand photos this takes longer than a frame may, so it is found once for each threshold.
    found: Option<Found>,
}

/// What a threshold comes to.
struct Found {
    threshold: f32,
    revision: u64,
    photos: Vec<PhotoId>,
    counts: BTreeMap<ClassId, usize>,
    agreement: (usize, usize),
}

impl Found {
    fn of(app: &App, threshold: f32) -> Self {
        let photos = app.acceptable(threshold);
        Self {
            threshold,
            revision: app.revision(),
            counts: app.predicted_counts(&photos),
            agreement: app.agreement_above(threshold),
            photos,
        }
    }

    fn is_of(&self, app: &App, threshold: f32) -> bool {
        self.threshold.to_bits() == threshold.to_bits() && self.revision == app.revision()
    }
}

impl Default for AcceptDialog {
    fn default() -> Self {
        Self {
            threshold: 95.0,
            found: None,
        }
    }
}

impl AcceptDialog {
    /// Draws the dialog; `true` when it is done with.
    pub(super) fn ui(&mut self, context: &Context, cx: &mut PanelContext<'_>) -> bool {
        let mut is_done = false;
        let frame = theme::dialog(&context.global_style());
        let modal = Modal::new(Id::unique("accept many")).frame(frame);
        let modal = modal.show(context, |ui| {
            ui.set_width(500.0_f32.min(context.content_rect().width() - 60.0));
            ui.label(semibold("Accept all sure predictions").heading());
            let label = ui.label("Surer than");
            ui.spacing_mut().slider_width = ui.available_width() - 90.0;
            let slider = Slider::new(&mut self.threshold, 50.0..=99.9)
                .suffix(" %")
                .fixed_decimals(1);
            ui.add(slider).labelled_by(label.id);
            let threshold = self.threshold / 100.0;
            let known = self
                .found
                .take()
                .filter(|found| found.is_of(cx.app, threshold));
            let found = known.unwrap_or_else(|| Found::of(cx.app, threshold));
            let photos = &found.photos;
            agreement_ui(ui, found.agreement);
            counts_ui(ui, cx, &found.counts);
            preview_ui(ui, cx, photos);
            ui.horizontal(|ui| {
                let said = format!(
                    "Accept {}",
                    counted(photos.len(), "prediction", "predictions")
                );
                let button = egui::Button::new(semibold(said));
                if ui.add_enabled(!photos.is_empty(), button).clicked() {
                    cx.push(Command::AcceptPredictions(photos.clone()));
                    is_done = true;
                }
                is_done |= ui.button("Cancel").clicked();
                ui.weak("One undo takes all of it back");
            });
            self.found = Some(found);
        });
        is_done || modal.should_close()
    }
}

/// What labels say so far of predictions that are so sure.
fn agreement_ui(ui: &mut Ui, agreement: (usize, usize)) {
    let said = match agreement {
        (_, 0) => "None of your labelled photos is so sure: label a few first to see how often such predictions are right".to_owned(),
        (right, all) => format!(
            "Of your labelled photos that are so sure, {right} of {all} are labelled as predicted ({})",
            percent(right as f32 / all as f32)
        ),
    };
    ui.weak(said);
}

/// Class and number of each, in columns: a hundred classes scroll instead of widening the dialog.
fn counts_ui(ui: &mut Ui, cx: &PanelContext<'_>, counts: &BTreeMap<ClassId, usize>) {
    let columns = ((ui.available_width() / COUNT_WIDTH) as usize).max(1);
    let area = ScrollArea::vertical().id_salt("counts").max_height(110.0);
    area.show(ui, |ui| {
        Grid::new("counts").spacing(vec2(6.0, 4.0)).show(ui, |ui| {
            for (index, (&class, &number)) in counts.iter().enumerate() {
                let Some(class) = cx.class(class) else {
                    continue;
                };
                ui.horizontal(|ui| {
                    ui.set_width(COUNT_WIDTH - 6.0);
                    chip_ui(ui, class, 16.0);
                    let said = format!("{} {}", count(number), class.name);
                    ui.add(egui::Label::new(said).truncate());
                });
                if (index + 1).is_multiple_of(columns) {
                    ui.end_row();
                }
            }
        });
    });
}

fn preview_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photos: &[PhotoId]) {
    if photos.is_empty() {
        ui.weak("No unlabelled photo is so sure");
        return;
    }
    ui.label("The least sure of them:");
    let columns = ((ui.available_width() + 6.0) / (SIDE + 6.0)) as usize;
    Grid::new("preview").spacing(vec2(6.0, 6.0)).show(ui, |ui| {
        for (index, id) in photos.iter().take(MAX_PREVIEW).enumerate() {
            let Some(photo) = cx.photo(*id) else { continue };
            let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::hover());
            let side = picture::side_for(rect.size(), Fit::Cover, ui.pixels_per_point());
            let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
            let name = photo.file_name();
            picture::paint(ui, rect, &thumbnail, Fit::Cover, &name);
            let prediction = cx.app.prediction(*id);
            let class = prediction.as_ref().and_then(|found| cx.class(found.class));
            if let (Some(prediction), Some(class)) = (&prediction, class) {
                let sure = percent(prediction.confidence);
                response.on_hover_text(format!("{} {sure} — {name}", class.name));
                let chip = egui::Rect::from_min_size(rect.min + vec2(3.0, 3.0), vec2(15.0, 15.0));
                super::chip::paint_chip(ui.painter(), chip, class);
            }
            if (index + 1).is_multiple_of(columns.max(1)) {
                ui.end_row();
            }
        }
    });
}
