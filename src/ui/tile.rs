//! One photo of the gallery: picture, prediction, confidence, label.

use egui::{
    Align2, Color32, FontId, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::app::{Command, Mark, Prediction};
use crate::project::{Class, Photo};

use super::chip::{paint_bar, paint_chip};
use super::context::PanelContext;
use super::format::percent;
use super::label_plates::paint_labels;
use super::picture::{self, Fit};
use super::theme::{self, Palette, class_colour};
use super::thumbnails::Thumbnail;

/// Height of the lines under the picture.
pub(super) const CAPTION: f32 = 34.0;
/// Below this confidence a "?" stands behind the class.
pub(super) const UNSURE: f32 = 0.5;

/// Draws a photo's tile in `rect`: a square picture over the caption. A click selects it.
pub(super) fn tile_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    photo: &Photo,
    rect: Rect,
) -> Response {
    let id = ui.scope_id().with(("tile", photo.id));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let is_selected = cx.app.selected() == Some(photo.id);
    let is_marked = cx.app.is_marked(photo.id);
    let palette = Palette::of(ui);
    if is_selected || is_marked {
        let fill = palette.accent_soft;
        ui.painter()
            .rect_filled(rect.expand(3.0), theme::ROUNDING + 2, fill);
    }

    let square = Rect::from_min_size(rect.min, vec2(rect.width(), rect.height() - CAPTION));
    let side = picture::side_for(square.size(), Fit::Cover, ui.pixels_per_point());
    let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
    let name = photo.file_name();
    picture::paint(ui, square, &thumbnail, Fit::Cover, &name);

    let labels: Vec<&Class> = photo
        .known_classes()
        .filter_map(|id| cx.class(id))
        .collect();
    let prediction = cx.app.prediction(photo.id);
    let prediction = prediction.as_ref();
    let predicted = prediction.and_then(|prediction| cx.class(prediction.class));
    let caption = Rect::from_min_max(pos2(rect.left(), square.bottom() + 4.0), rect.max);
    paint_prediction(ui, caption, prediction.zip(predicted));
    paint_labels(ui, square, &labels, predicted);
    if photo.unsure && labels.is_empty() {
        paint_aside(ui, square);
    }
    paint_frame(ui, rect, square, is_selected, &response);
    if is_marked {
        outline(ui, rect.expand(2.0), palette.accent);
    }

    response.widget_info(|| {
        let text = spoken(&name, prediction.zip(predicted), &labels);
        WidgetInfo::selected(Role::Button, true, is_selected || is_marked, text)
    });
    if response.clicked() {
        let modifiers = ui.input(|input| input.modifiers);
        cx.push(match (modifiers.shift, modifiers.command) {
            (true, _) => Command::Mark(photo.id, Mark::To),
            (false, true) => Command::Mark(photo.id, Mark::Toggle),
            (false, false) => Command::Select(Some(photo.id)),
        });
    }
    response.dnd_set_drag_payload(photo.id);
    response.context_menu(|ui| photo_menu_ui(ui, cx, photo));
    tooltip(response, &name, &thumbnail, prediction)
}

fn tooltip(
    response: Response,
    name: &str,
    thumbnail: &Thumbnail,
    prediction: Option<&Prediction>,
) -> Response {
    response.on_hover_ui(|ui| {
        ui.label(name);
        if let Thumbnail::Broken(reason) = thumbnail {
            ui.colored_label(ui.visuals().warn_fg_color, &**reason);
        }
        if prediction.is_some_and(|prediction| prediction.stale) {
            ui.weak("Predicted before the last change; the new prediction is on its way");
        }
    })
}

/// What a screen reader says of a tile, as "hat 87 % — photo 0123.jpg".
fn spoken(name: &str, prediction: Option<(&Prediction, &Class)>, labels: &[&Class]) -> String {
    let predicted = match prediction {
        Some((prediction, class)) => {
            format!("{} {}", class.name, percent(prediction.confidence))
        }
        None => "no prediction yet".to_owned(),
    };
    let names: Vec<&str> = labels.iter().map(|label| label.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{predicted} — photo {name}"),
        [label] => format!("{predicted}, labelled {label} — photo {name}"),
        [rest @ .., last] => {
            let rest = rest.join(", ");
            format!("{predicted}, labelled {rest} and {last} — photo {name}")
        }
    }
}

/// Class, confidence, and the bar under them.
fn paint_prediction(ui: &Ui, rect: Rect, prediction: Option<(&Prediction, &Class)>) {
    let palette = Palette::of(ui);
    let bar = Rect::from_min_max(
        pos2(rect.left(), rect.bottom() - 8.0),
        pos2(rect.right(), rect.bottom() - 3.0),
    );
    let Some((prediction, class)) = prediction else {
        paint_bar(ui.painter(), bar, 0.0, palette.weak, palette);
        return;
    };
    let opacity = if prediction.stale { 0.55 } else { 1.0 };
    let line = rect.top() + 9.0;
    let chip = Rect::from_center_size(pos2(rect.left() + 7.0, line), vec2(14.0, 14.0));
    paint_chip(ui.painter(), chip, class);

    let font = FontId::proportional(12.0);
    let confidence = ui.painter().layout_no_wrap(
        percent(prediction.confidence),
        font.clone(),
        palette.weak.gamma_multiply(opacity),
    );
    let confidence_left = rect.right() - confidence.size().x;
    let has_room = rect.width() > 84.0;
    let name_right = if has_room {
        confidence_left - 4.0
    } else {
        rect.right()
    };
    let mut name = class.name.clone();
    if prediction.confidence < UNSURE {
        name.push('?');
    }
    let colour = palette.text.gamma_multiply(opacity);
    let mut job = egui::text::LayoutJob::simple_singleline(name, font, colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(name_right - chip.right() - 5.0);
    let galley = ui.painter().layout_job(job);
    let at = pos2(chip.right() + 5.0, line - galley.size().y / 2.0);
    ui.painter().galley(at, galley, colour);
    if has_room {
        let at = pos2(confidence_left, line - confidence.size().y / 2.0);
        ui.painter().galley(at, confidence, palette.weak);
    }
    let colour = class_colour(class.colour).gamma_multiply(opacity);
    paint_bar(ui.painter(), bar, prediction.confidence, colour, palette);
}

/// A photo that was set aside: greyed, with a sign that is no class's.
fn paint_aside(ui: &Ui, square: Rect) {
    let palette = Palette::of(ui);
    let painter = ui.painter();
    painter.rect_filled(
        square,
        theme::ROUNDING,
        palette.backdrop.gamma_multiply(0.6),
    );
    let place = square.right_top() + vec2(-14.0, 14.0);
    painter.circle_filled(place, 9.0, palette.warning);
    let font = theme::semibold_font(13.0);
    painter.text(
        place,
        Align2::CENTER_CENTER,
        "?",
        font,
        theme::text_on(palette.warning),
    );
}

fn paint_frame(ui: &Ui, rect: Rect, square: Rect, is_selected: bool, response: &Response) {
    let palette = Palette::of(ui);
    if is_selected {
        ui.painter().rect_stroke(
            rect.expand(3.0),
            theme::ROUNDING + 2,
            Stroke::new(2.0, palette.accent),
            StrokeKind::Inside,
        );
    } else if response.hovered() || response.has_focus() {
        outline(ui, square, palette.accent);
    }
}

/// A rounded outline.
pub(super) fn outline(ui: &Ui, rect: Rect, colour: Color32) {
    ui.painter().rect_stroke(
        rect,
        theme::ROUNDING,
        Stroke::new(2.0, colour),
        StrokeKind::Inside,
    );
}

/// What can be done with a photo, wherever it is shown.
pub(super) fn photo_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo) {
    // A menu on one of several selected photos is about all of them.
    let photos = if cx.app.is_marked(photo.id) {
        cx.app.targets()
    } else {
        vec![photo.id]
    };
    if photos.len() > 1 {
        ui.weak(super::format::counted(photos.len(), "photo", "photos"));
    }
    if !photo.is_shot() {
        if cx.app.prediction(photo.id).is_some() && ui.button("Accept prediction").clicked() {
            cx.push(Command::AcceptPredictions(photos.clone()));
        }
        ui.menu_button("Label as", |ui| {
            class_menu_ui(ui, cx, |class| {
                Command::Label(photos.clone(), Some(class.id))
            });
        });
        if photo.label.is_some() && ui.button("Clear label").clicked() {
            cx.push(Command::Label(photos.clone(), None));
        }
        let aside = if photo.unsure {
            "No longer set aside"
        } else {
            "Set aside as unsure"
        };
        if ui.button(aside).clicked() {
            cx.push(Command::SetUnsure(photos.clone(), !photo.unsure));
        }
        if ui.button("Photos like this").clicked() {
            cx.push(Command::FindSimilar(photo.id));
        }
        ui.separator();
    }
    ui.menu_button("Make a shot of", |ui| {
        class_menu_ui(ui, cx, |class| {
            Command::MovePhotos(photos.clone(), Some(class.id))
        });
    });
    if photo.is_shot() && ui.button("Move to the pool").clicked() {
        cx.push(Command::MovePhotos(photos.clone(), None));
    }
    let decides = photo.is_shot().then(|| ui.button("Photos that it decides"));
    if decides.is_some_and(|button| {
        button
            .on_hover_text("Photos that would be predicted otherwise without this shot")
            .clicked()
    }) {
        cx.push(Command::FindDecided(photo.id));
    }
    ui.separator();
    if ui.button("Copy path").clicked() {
        ui.copy_text(photo.path.display().to_string());
    }
    let remove = ui
        .button(if photos.len() > 1 {
            "Remove photos"
        } else {
            "Remove photo"
        })
        .on_hover_text("From the project only: the file stays where it is");
    if remove.clicked() {
        cx.push(Command::RemovePhotos(photos));
    }
}

/// A list of the classes; a click pushes what `command` makes of the class.
pub(super) fn class_menu_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    command: impl Fn(&Class) -> Command,
) {
    other_class_menu_ui(ui, cx, None, command);
}

/// The same without one of them.
pub(super) fn other_class_menu_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    except: Option<crate::ids::ClassId>,
    command: impl Fn(&Class) -> Command,
) {
    egui::ScrollArea::vertical()
        .max_height(360.0)
        .show(ui, |ui| {
            let classes = cx.app.project().classes().iter();
            for class in classes.filter(|class| Some(class.id) != except) {
                let key = super::chip::key_of(class.position).map(String::from);
                let button = egui::Button::new(&class.name).right_text(key.unwrap_or_default());
                if ui.add(button).clicked() {
                    cx.push(command(class));
                    ui.close();
                }
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClassId;

    #[test]
    fn a_tile_tells_prediction_label_and_file() {
        let class = |id, name: &str| Class {
            id: ClassId(id),
            name: name.to_owned(),
            prompts: Vec::new(),
            colour: 0,
            position: 0,
        };
        let prediction = Prediction {
            class: ClassId(1),
            confidence: 0.87,
            zero_shot_class: ClassId(1),
            stale: false,
        };
        let (hat, skirt) = (class(1, "hat"), class(2, "skirt"));
        let predicted = Some((&prediction, &hat));
        assert_eq!(
            spoken("0123.jpg", predicted, &[]),
            "hat 87 % — photo 0123.jpg"
        );
        assert_eq!(
            spoken("0123.jpg", predicted, &[&skirt]),
            "hat 87 %, labelled skirt — photo 0123.jpg"
        );
        assert_eq!(
            spoken("0123.jpg", predicted, &[&skirt, &hat]),
            "hat 87 %, labelled skirt and hat — photo 0123.jpg"
        );
        assert_eq!(
            spoken("0123.jpg", None, &[]),
            "no prediction yet — photo 0123.jpg"
        );
    }
}
