//! The pairs of photos behind a part of the histogram, with a way to put a wrong one right.

use egui::{Rect, ScrollArea, Sense, Ui, Vec2, vec2};

use crate::app::{Command, PairKind, PairList};
use crate::ids::PhotoId;
use crate::project::Photo;

use super::chip::paint_chip;
use super::context::PanelContext;
use super::format::counted;
use super::picture::{self, Fit};
use super::theme::{Palette, class_colour, semibold};

const SIDE: f32 = 84.0;

/// Draws the list as a window over the gallery, if one is open.
pub(super) fn pair_list_ui(context: &egui::Context, cx: &mut PanelContext<'_>) {
    let Some(list) = &cx.app.overlap().pairs else {
        return;
    };
    let mut is_open = true;
    let title = match list.kind {
        PairKind::Paired => "Pairs of one class",
        PairKind::Unpaired => "Pairs of different classes",
    };
    egui::Window::new(title)
        .id(egui::Id::unique("pair list"))
        .open(&mut is_open)
        .collapsible(false)
        .default_size(vec2(400.0, 460.0))
        .default_pos(context.content_rect().center() - vec2(220.0, 250.0))
        .show(context, |ui| {
            kind_ui(ui, cx, list);
            ui.separator();
            if list.pairs.is_empty() {
                ui.weak("No pairs in this part of the histogram");
            }
            let height = SIDE + 40.0;
            ScrollArea::vertical()
                .auto_shrink([false, false])
                .show_rows(ui, height, list.pairs.len(), |ui, rows| {
                    for &(first, second, cosine) in &list.pairs[rows] {
                        ui.push_id((first, second), |ui| {
                            pair_ui(ui, cx, first, second, cosine);
                        });
                    }
                });
        });
    if !is_open {
        cx.push(Command::HidePairs);
    }
}

/// Which pairs these are, and a switch to the other kind.
fn kind_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, list: &PairList) {
    ui.horizontal_wrapped(|ui| {
        for (kind, title) in [
            (PairKind::Paired, "Same class"),
            (PairKind::Unpaired, "Different classes"),
        ] {
            if ui.selectable_label(list.kind == kind, title).clicked() && list.kind != kind {
                cx.push(Command::ShowPairs(kind, list.low, list.high, list.adapted));
            }
        }
        let pairs = counted(list.pairs.len(), "pair", "pairs");
        ui.weak(format!(
            "{pairs}, cosine {:.2} to {:.2}",
            list.low,
            list.high.min(1.0)
        ));
    });
}

fn pair_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, first: PhotoId, second: PhotoId, cosine: f32) {
    let (Some(first), Some(second)) = (cx.photo(first), cx.photo(second)) else {
        return;
    };
    ui.horizontal(|ui| {
        half_ui(ui, cx, first);
        ui.vertical(|ui| {
            ui.set_width(56.0);
            ui.add_space(SIDE / 2.0 - 16.0);
            ui.vertical_centered(|ui| {
                ui.label(semibold(format!("{cosine:.2}")));
                ui.label(egui::RichText::new("cosine").small().weak());
            });
        });
        half_ui(ui, cx, second);
    });
}

/// One photo of a pair with its class and its buttons.
fn half_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo) {
    ui.push_id(photo.id, |ui| {
        ui.vertical(|ui| {
            ui.set_width(150.0);
            let (rect, response) = ui.allocate_exact_size(vec2(150.0, SIDE), Sense::hover());
            let side = picture::side_for(rect.size(), Fit::Contain, ui.pixels_per_point());
            let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
            ui.painter().rect_filled(rect, 6.0, Palette::of(ui).well);
            picture::paint(ui, rect, &thumbnail, Fit::Contain, "");
            let class = photo.known_class().and_then(|id| cx.class(id));
            if let Some(class) = class {
                super::tile::outline(ui, rect, class_colour(class.colour));
                let chip = Rect::from_min_size(rect.min + vec2(4.0, 4.0), Vec2::splat(17.0));
                paint_chip(ui.painter(), chip, class);
            }
            let name = photo.file_name();
            response.on_hover_text(&name);
            ui.horizontal(|ui| {
                let title = class.map_or("no class", |class| &class.name);
                let menu = ui.menu_button(format!("{title} ⌄"), |ui| {
                    super::tile::class_menu_ui(ui, cx, |class| {
                        Command::MovePhotos(vec![photo.id], Some(class.id))
                    });
                });
                menu.response
                    .accessible_name(format!("Change the class of {name}"))
                    .on_hover_text("Make this photo a shot of another class");
                let remove = ui
                    .button("Remove")
                    .on_hover_text("From the project only: the file stays where it is");
                if remove.clicked() {
                    cx.push(Command::RemovePhotos(vec![photo.id]));
                }
            });
        });
    });
}
