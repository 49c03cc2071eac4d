//! What a photo is labelled, on its picture.

use egui::{Align2, Color32, Pos2, Rect, Ui, vec2};

use crate::project::Class;

use super::chip::paint_tick;
use super::theme::{self, Palette, class_colour};
use super::tile::outline;

/// Height of a label's plate with the gap above it.
const PLATE: f32 = 21.0;
/// Plates of labels over each other; of more labels there is a number.
const MAX_PLATES: usize = 3;
/// The labels in the picture's corners: a tick on the main class's colour, and the classes where they are not the prediction alone.
pub(super) fn paint_labels(ui: &Ui, square: Rect, labels: &[&Class], predicted: Option<&Class>) {
    let Some(main) = labels.first() else { return };
    let colour = class_colour(main.colour);
    outline(ui, square, colour);
    let centre = square.right_top() + vec2(-14.0, 14.0);
    paint_tick(ui.painter(), centre, 9.0, colour);
    if labels.len() == 1 && predicted.is_some_and(|predicted| predicted.id == main.id) {
        return;
    }
    // As many as fit over each other, the main label at the top.
    let fitting = ((square.height() - 30.0) / PLATE).max(1.0) as usize;
    let num_plates = labels.len().min(MAX_PLATES).min(fitting);
    let mut bottom = square.left_bottom() + vec2(5.0, -5.0);
    let num_hidden = labels.len() - num_plates;
    for (place, label) in labels[..num_plates].iter().enumerate().rev() {
        let is_last = place + 1 == num_plates;
        let more = (is_last && num_hidden > 0).then(|| format!("+{num_hidden}"));
        let room = (square.width() - 24.0).max(20.0);
        let room = if more.is_some() { room - 28.0 } else { room };
        let colour = class_colour(label.colour);
        let plate = paint_plate(ui, bottom, room, &label.name, colour);
        if let Some(more) = more {
            let at = plate.right_bottom() + vec2(4.0, 0.0);
            paint_plate(ui, at, 28.0, &more, Palette::of(ui).backdrop);
        }
        bottom.y -= PLATE;
    }
}

/// A name on a colour, its lower left corner at a point.
fn paint_plate(ui: &Ui, at: Pos2, room: f32, name: &str, colour: Color32) -> Rect {
    let painter = ui.painter();
    let mut job = egui::text::LayoutJob::simple_singleline(
        name.to_owned(),
        theme::semibold_font(11.5),
        theme::text_on(colour),
    );
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    let galley = painter.layout_job(job);
    let plate = Align2::LEFT_BOTTOM.anchor_size(at, galley.size() + vec2(10.0, 4.0));
    painter.rect_filled(plate, 4.0, colour);
    painter.galley(plate.min + vec2(5.0, 2.0), galley, Color32::PLACEHOLDER);
    plate
}
