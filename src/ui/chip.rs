//! Small marks: a class's number on its colour, a badge, a "?".

use egui::{
    Align2, Color32, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
};

use crate::project::Class;

use super::theme::{self, Palette, class_colour, text_on};

/// The key that labels as the class at this place of the list: 1 to 9, then 0.
pub(super) fn key_of(position: u32) -> Option<char> {
    match position {
        0..=8 => char::from_digit(position + 1, 10),
        9 => Some('0'),
        _ => None,
    }
}

/// What stands on a class's chip: its key, or its first letter.
pub(super) fn mark_of(class: &Class) -> String {
    match key_of(class.position) {
        Some(key) => key.to_string(),
        None => class
            .name
            .chars()
            .next()
            .map(|letter| letter.to_uppercase().to_string())
            .unwrap_or_default(),
    }
}

/// Draws a class's chip in `rect`.
pub(super) fn paint_chip(painter: &egui::Painter, rect: Rect, class: &Class) {
    let colour = class_colour(class.colour);
    painter.rect_filled(rect, 4.0, colour);
    painter.text(
        rect.center(),
        Align2::CENTER_CENTER,
        mark_of(class),
        theme::semibold_font(rect.height() * 0.72),
        text_on(colour),
    );
}

/// A class's chip of `side` points as a widget without a name of its own; the name beside it says it.
pub(super) fn chip_ui(ui: &mut Ui, class: &Class, side: f32) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::Vec2::splat(side), Sense::hover());
    paint_chip(ui.painter(), rect, class);
    response
}

/// A short word in a rounded frame, as "tuned".
pub(super) fn badge_ui(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    let frame = egui::Frame::new()
        .fill(colour.gamma_multiply(0.16))
        .corner_radius(theme::ROUNDING)
        .inner_margin(egui::Margin::symmetric(6, 1));
    frame
        .show(ui, |ui| {
            ui.label(egui::RichText::new(text).small().color(colour))
        })
        .response
}

/// A round "?" named `name` for screen readers.
pub(super) fn question_ui(ui: &mut Ui, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::Vec2::splat(18.0), Sense::click());
    let palette = Palette::of(ui);
    let colour = if response.hovered() || response.has_focus() {
        palette.accent
    } else {
        palette.weak
    };
    ui.painter()
        .circle_stroke(rect.center(), 8.0, Stroke::new(1.2, colour));
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        "?",
        theme::semibold_font(11.0),
        colour,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response
}

/// A tick on a class's colour, for labelled photos.
pub(super) fn paint_tick(painter: &egui::Painter, centre: Pos2, radius: f32, colour: Color32) {
    let stroke = Stroke::new(radius * 0.26, text_on(colour));
    painter.circle(centre, radius, colour, Stroke::new(1.5, Color32::WHITE));
    let at = |x: f32, y: f32| centre + radius * egui::vec2(x, y);
    painter.line_segment([at(-0.45, 0.05), at(-0.1, 0.4)], stroke);
    painter.line_segment([at(-0.1, 0.4), at(0.5, -0.35)], stroke);
}

/// A horizontal bar filled to `share` (0 to 1).
pub(super) fn paint_bar(
    painter: &egui::Painter,
    rect: Rect,
    share: f32,
    colour: Color32,
    palette: &Palette,
) {
    let rounding = rect.height() / 2.0;
    painter.rect_filled(rect, rounding, palette.well);
    let mut filled = rect;
    filled.set_width(rect.width() * share.clamp(0.0, 1.0));
    if filled.width() >= 1.0 {
        painter.rect_filled(filled, rounding.min(filled.width() / 2.0), colour);
    }
}

/// An outlined bar, for what is shown beside something else.
pub(super) fn paint_hollow_bar(painter: &egui::Painter, rect: Rect, share: f32, palette: &Palette) {
    let mut filled = rect;
    filled.set_width((rect.width() * share.clamp(0.0, 1.0)).max(1.0));
    painter.rect(
        filled,
        2.0,
        palette.zero_shot.gamma_multiply(0.25),
        Stroke::new(1.0, palette.zero_shot),
        StrokeKind::Inside,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ten_classes_have_keys() {
        let keys: Vec<Option<char>> = (0..11).map(key_of).collect();
        assert_eq!(keys[0], Some('1'));
        assert_eq!(keys[8], Some('9'));
        assert_eq!(keys[9], Some('0'));
        assert_eq!(keys[10], None);
    }
}
