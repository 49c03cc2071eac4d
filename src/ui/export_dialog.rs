//! What to export, and how.

use egui::{Context, Id, Modal, RichText, ScrollArea, Ui};

use crate::app::{Choice, Command, Exported, Format, Link, Options};

use super::context::{PanelContext, Request};
use super::dialogs::{Ask, ExportPlace};
use super::theme::{self, semibold};

/// The open dialog.
#[derive(Default)]
pub(super) struct ExportDialog {
    chosen: usize,
    link: Link,
    is_labelled_only: bool,
    min_confidence: f32,
    replaces: bool,
}

/// Height of the options of the kind with the most.
const OPTIONS_HEIGHT: f32 = 142.0;

/// One thing to write.
struct Kind {
    /// `None`: the classifier.
    format: Option<Format>,
    title: &'static str,
    summary: &'static str,
    /// The name that is proposed.
    name: &'static str,
    /// Whether photos are put into folders.
    has_files: bool,
}

const fn kind(
    format: Option<Format>,
    title: &'static str,
    summary: &'static str,
    name: &'static str,
    has_files: bool,
) -> Kind {
    Kind {
        format,
        title,
        summary,
        name,
        has_files,
    }
}

const KINDS: [Kind; 9] = [
    kind(
        Some(Format::Csv),
        "Table (CSV)",
        "Path, label, prediction, confidence, who decided",
        "labels.csv",
        false,
    ),
    kind(
        Some(Format::Folders),
        "Folders",
        "A folder for each class",
        "photos",
        true,
    ),
    kind(
        Some(Format::ImageFolder),
        "Hugging Face",
        "ImageFolder: images and metadata.jsonl",
        "imagefolder",
        true,
    ),
    kind(
        Some(Format::FiftyOne),
        "FiftyOne",
        "An image classification data set",
        "fiftyone",
        true,
    ),
    kind(
        Some(Format::Coco),
        "COCO",
        "Classification without boxes",
        "coco",
        true,
    ),
    kind(
        Some(Format::Yolo),
        "YOLO",
        "Ultralytics: train and val, a folder for each class",
        "yolo",
        true,
    ),
    kind(
        Some(Format::Parquet),
        "Table with features (Parquet)",
        "As the table, with CLIP's features",
        "photos.parquet",
        false,
    ),
    kind(
        Some(Format::ClipRetrieval),
        "clip-retrieval",
        "Features as .npy, paths and labels as .parquet",
        "embeddings",
        false,
    ),
    kind(
        None,
        "Classifier",
        "The fitted method in one file, for `shotlens label`",
        "classifier.safetensors",
        false,
    ),
];

impl ExportDialog {
    /// Draws the dialog; `true` when it is done with.
    pub(super) fn ui(&mut self, context: &Context, cx: &mut PanelContext<'_>) -> bool {
        let mut is_done = false;
        let frame = theme::dialog(&context.global_style());
        let modal = Modal::new(Id::unique("export")).frame(frame);
        let modal = modal.show(context, |ui| {
            ui.set_width(480.0_f32.min(context.content_rect().width() - 60.0));
            ui.label(semibold("Export").heading());
            ui.weak("Photos stay where they are; what is exported is written beside them as copies, links or tables");
            ui.add_space(4.0);
            let room = (context.content_rect().height() - 330.0).max(120.0);
            ScrollArea::vertical().max_height(room).show(ui, |ui| {
                for (index, kind) in KINDS.iter().enumerate() {
                    ui.horizontal(|ui| {
                        ui.radio_value(&mut self.chosen, index, kind.title);
                        ui.add(egui::Label::new(RichText::new(kind.summary).weak()).truncate());
                    });
                }
            });
            ui.separator();
            let kind = &KINDS[self.chosen];
            // As high for every kind, so that nothing moves under the pointer.
            ui.allocate_ui(egui::vec2(ui.available_width(), OPTIONS_HEIGHT), |ui| {
                ui.set_min_height(OPTIONS_HEIGHT);
                self.options_ui(ui, kind);
            });
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                if ui.button(semibold("Choose where…")).clicked() {
                    cx.request(Request::Ask(Ask::Export(self.place(kind))));
                    is_done = true;
                }
                if ui.button("Type a path…").clicked() {
                    cx.request(Request::TypePath(Ask::Export(self.place(kind))));
                    is_done = true;
                }
                is_done |= ui.button("Cancel").clicked();
            });
        });
        is_done || modal.should_close()
    }

    fn options_ui(&mut self, ui: &mut Ui, kind: &Kind) {
        if kind.format.is_none() {
            ui.weak("Holds everything that it takes: the method, the shots' features, the class names and the model's name");
            return;
        }
        if kind.has_files {
            ui.horizontal(|ui| {
                ui.label("Photos as");
                let links = [
                    (Link::Copy, "copies"),
                    (Link::Symlink, "links"),
                    (Link::Hardlink, "hard links"),
                ];
                for (link, title) in links {
                    ui.radio_value(&mut self.link, link, title);
                }
            });
        }
        ui.checkbox(&mut self.is_labelled_only, "Labelled photos alone")
            .on_hover_text(
                "Off: photos that are only predicted count as what they are predicted as",
            );
        ui.add_enabled_ui(!self.is_labelled_only, |ui| {
            let mut percent = self.min_confidence * 100.0;
            ui.horizontal(|ui| {
                let label = ui.label("Predictions that are surer than");
                let slider = egui::Slider::new(&mut percent, 0.0..=100.0)
                    .suffix(" %")
                    .integer();
                ui.add(slider).labelled_by(label.id);
            });
            self.min_confidence = percent / 100.0;
        });
        ui.checkbox(&mut self.replaces, "Replace what is there");
        let files_by_class = matches!(
            kind.format,
            Some(Format::Folders | Format::FiftyOne | Format::Yolo)
        );
        if files_by_class && !self.is_labelled_only {
            ui.weak("Predictions are written as if they were labels");
        }
    }

    fn place(&self, kind: &Kind) -> ExportPlace {
        let options = Options {
            link: self.link,
            choice: Choice {
                is_labelled_only: self.is_labelled_only,
                min_confidence: self.min_confidence,
            },
            replaces: self.replaces,
        };
        ExportPlace {
            what: kind.format.map_or(Exported::Classifier, |format| {
                Exported::Photos(format, options)
            }),
            name: kind.name,
        }
    }
}

/// How far an export is, in the status bar; with a way to end it.
pub(super) fn export_status_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(view) = cx.app.export() else { return };
    ui.spinner();
    let said = if view.total == 0 {
        "Exporting".to_owned()
    } else {
        format!(
            "Exporting {} / {}",
            super::format::count(view.done),
            super::format::count(view.total)
        )
    };
    ui.label(said);
    if ui.small_button("End the export").clicked() {
        cx.push(Command::CancelExport);
    }
}
