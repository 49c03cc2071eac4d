//! Below the gallery: the selected photo, what is predicted for it and why, and its label.

use egui::{
    Align, Layout, Margin, Panel, Rect, Role, ScrollArea, Sense, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use crate::app::{Command, Inspection};
use crate::project::{Class, Photo};

use super::chip::{key_of, paint_bar, paint_chip, paint_hollow_bar, question_ui};
use super::context::{PanelContext, Request};
use super::format::percent;
use super::help::Topic;
use super::picture::{self, Fit};
use super::theme::{self, Palette, class_colour, semibold};
use super::votes_ui;

/// Classes shown as bars; with more, the likeliest ones.
const MAX_BARS: usize = 8;
/// Narrower than this, the votes go under the bars.
const WIDE: f32 = 400.0;
/// Narrower than this, the buttons to label have no names.
const COMPACT: f32 = 400.0;

/// Draws the panel.
pub(super) fn inspector_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(photo) = cx.app.selected().and_then(|id| cx.photo(id)) else {
        nothing_selected_ui(ui, cx);
        return;
    };
    let height = ui.available_height();
    let full = ui.available_rect_before_wrap();
    let picture_width = height.min(full.width() * 0.32);
    let picture = Rect::from_min_size(full.min, vec2(picture_width, height));
    picture_ui(ui, cx, photo, picture);

    let rest = Rect::from_min_max(pos2(picture.right() + 12.0, full.top()), full.max);
    let builder = egui::UiBuilder::new().max_rect(rest);
    ui.scope_builder(builder, |ui| {
        header_ui(ui, cx, photo);
        Panel::bottom("labels of the selected photo")
            .frame(egui::Frame::new().inner_margin(Margin {
                top: 6,
                ..Margin::ZERO
            }))
            .resizable(false)
            .show_separator_line(false)
            .show(ui, |ui| label_ui(ui, cx, photo));
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show(ui, |ui| reasons_ui(ui, cx, photo));
    });
    ui.advance_cursor_after_rect(full);
}

fn nothing_selected_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    // The panel would shrink to these two lines, and stay so when a photo is selected.
    ui.set_min_height(ui.available_height());
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        help_mark_ui(ui, cx);
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.38).max(4.0));
            ui.label(semibold("No photo selected"));
            ui.weak("Click one, or move with the arrow keys; then label it with 1 to 9, or accept the prediction with Enter");
        });
    });
}

fn help_mark_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    if question_ui(ui, "Help on the selected photo").clicked() {
        cx.request(Request::Help(Some(Topic::SelectedPhoto)));
    }
}

fn picture_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo, rect: Rect) {
    let response = ui.interact(rect, ui.scope_id().with("large picture"), Sense::hover());
    let side = picture::side_for(rect.size(), Fit::Contain, ui.pixels_per_point());
    let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
    let name = photo.file_name();
    ui.painter()
        .rect_filled(rect, theme::ROUNDING, Palette::of(ui).well);
    picture::paint(ui, rect, &thumbnail, Fit::Contain, &name);
    response
        .widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("selected photo {name}")));
    response.on_hover_text(photo.path.display().to_string());
}

/// File name and what is predicted, in words.
fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            help_mark_ui(ui, cx);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let name = match cx.app.num_marked() {
                    0 | 1 => photo.file_name(),
                    many => format!("{many} photos selected"),
                };
                let name = semibold(name).heading();
                ui.add(egui::Label::new(name).truncate())
                    .on_hover_text(photo.path.display().to_string());
            });
        });
    });
}

/// The keys as buttons: label, accept, clear.
fn label_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo) {
    let app = cx.app;
    let predicted = app
        .prediction(photo.id)
        .and_then(|prediction| cx.class(prediction.class));
    let is_compact = ui.available_width() < COMPACT;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(5.0, 5.0);
        let takes_more = photo.label.is_none() || app.project().settings().multi_label;
        if let Some(class) = predicted.filter(|class| takes_more && !photo.shows(class.id)) {
            let key = if is_compact { "" } else { "Enter" };
            let button = egui::Button::new(format!("Accept {}", class.name)).right_text(key);
            if ui.add(button).clicked() {
                cx.push(Command::AcceptPredictions(cx.app.targets()));
            }
        }
        let classes = app.project().classes();
        for class in classes
            .iter()
            .filter(|class| key_of(class.position).is_some())
        {
            class_button_ui(ui, cx, photo, class, is_compact);
        }
        if classes.len() > 10 {
            ui.menu_button("More classes", |ui| {
                let photos = cx.app.targets();
                super::tile::class_menu_ui(ui, cx, |class| {
                    Command::Label(photos.clone(), Some(class.id))
                });
            });
        }
        if photo.label.is_some() {
            let button = egui::Button::new("Clear").right_text("Backspace");
            if ui.add(button).clicked() {
                cx.push(Command::Label(cx.app.targets(), None));
            }
        }
    });
}

/// A class to label as; `is_compact`: its chip alone.
fn class_button_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    photo: &Photo,
    class: &Class,
    is_compact: bool,
) {
    let is_label = photo.shows(class.id);
    let text = ui.painter().layout_no_wrap(
        class.name.clone(),
        egui::FontId::proportional(12.5),
        egui::Color32::PLACEHOLDER,
    );
    let width = if is_compact {
        26.0
    } else {
        (text.size().x + 34.0).min(160.0)
    };
    let (rect, response) = ui.allocate_exact_size(vec2(width, 24.0), Sense::click());
    let palette = Palette::of(ui);
    let colour = class_colour(class.colour);
    let is_lit = response.hovered() || response.has_focus();
    let (fill, ink) = if is_label {
        (colour, theme::text_on(colour))
    } else {
        (palette.button[usize::from(is_lit)], palette.text)
    };
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, theme::ROUNDING, fill);
    let chip = Rect::from_center_size(rect.left_center() + vec2(13.0, 0.0), Vec2::splat(16.0));
    if is_label {
        super::chip::paint_tick(&painter, chip.center(), 7.5, colour);
    } else {
        paint_chip(&painter, chip, class);
    }
    if !is_compact {
        let at = pos2(rect.left() + 26.0, rect.center().y - text.size().y / 2.0);
        painter.galley_with_override_text_color(at, text, ink);
    }
    response.widget_info(|| {
        WidgetInfo::selected(
            Role::Button,
            true,
            is_label,
            format!("Label as {}", class.name),
        )
    });
    if response.clicked() {
        cx.push(Command::Label(cx.app.targets(), Some(class.id)));
    }
    if let Some(key) = key_of(class.position) {
        let name = &class.name;
        response.on_hover_text(format!("Label as {name} (key {key})"));
    }
}

fn reasons_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: &Photo) {
    let app = cx.app;
    let inspection = app
        .inspection()
        .filter(|inspection| inspection.photo == photo.id);
    let Some(inspection) = inspection else {
        let text = if app.project().classes().is_empty() {
            "Add a class on the left, and its likelihood shows here"
        } else {
            "The prediction appears as soon as this photo is embedded"
        };
        ui.weak(text);
        return;
    };
    if ui.available_width() >= WIDE {
        let area = ui.available_rect_before_wrap();
        let split = area.left() + (area.width() * 0.58).max(250.0);
        let beside = |ui: &mut Ui, left: f32, right: f32| {
            let column = Rect::from_x_y_ranges(left..=right, area.y_range());
            ui.new_child(egui::UiBuilder::new().max_rect(column))
        };
        let mut left = beside(ui, area.left(), split - 14.0);
        bars_ui(&mut left, cx, inspection);
        let mut right = beside(ui, split, area.right());
        votes_ui::reasons_ui(&mut right, cx, inspection);
        ui.advance_cursor_after_rect(left.min_rect() | right.min_rect());
    } else {
        bars_ui(ui, cx, inspection);
        ui.add_space(4.0);
        votes_ui::reasons_ui(ui, cx, inspection);
    }
}

fn bars_ui(ui: &mut Ui, cx: &PanelContext<'_>, inspection: &Inspection) {
    legend_ui(ui);
    for index in shown_classes(inspection) {
        if let Some(class) = cx.class(inspection.classes[index]) {
            let (before, after) = (inspection.zero_shot[index], inspection.method[index]);
            bar_row_ui(ui, class, before, after);
        }
    }
    let num_hidden = inspection.classes.len().saturating_sub(MAX_BARS);
    if num_hidden > 0 {
        ui.weak(format!("and {num_hidden} less likely classes"));
    }
}

/// All classes in their order, or the likeliest ones with the likeliest first.
fn shown_classes(inspection: &Inspection) -> Vec<usize> {
    let num_classes = inspection
        .classes
        .len()
        .min(inspection.method.len())
        .min(inspection.zero_shot.len());
    let mut indices: Vec<usize> = (0..num_classes).collect();
    if num_classes > MAX_BARS {
        indices.sort_by(|a, b| inspection.method[*b].total_cmp(&inspection.method[*a]));
        indices.truncate(MAX_BARS);
    }
    indices
}

fn legend_ui(ui: &mut Ui) {
    let palette = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        ui.label(semibold("Likelihood").small());
        ui.add_space(4.0);
        let sample = |ui: &mut Ui| ui.allocate_exact_size(vec2(18.0, 8.0), Sense::hover()).0;
        let rect = sample(ui);
        paint_hollow_bar(ui.painter(), rect, 1.0, palette);
        ui.label(egui::RichText::new("zero-shot").small().weak());
        let rect = sample(ui);
        paint_bar(ui.painter(), rect, 1.0, palette.accent, palette);
        ui.label(egui::RichText::new("with your shots").small().weak());
    });
}

fn bar_row_ui(ui: &mut Ui, class: &Class, before: f32, after: f32) {
    let palette = Palette::of(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, 19.0), Sense::hover());
    let painter = ui.painter_at(rect);
    let chip = Rect::from_center_size(rect.left_center() + vec2(8.0, 0.0), Vec2::splat(15.0));
    paint_chip(&painter, chip, class);
    let name_width = (width * 0.28).clamp(56.0, 130.0);
    let figures_width = 94.0;
    let font = egui::FontId::proportional(12.0);
    let mut job =
        egui::text::LayoutJob::simple_singleline(class.name.clone(), font.clone(), palette.text);
    job.wrap = egui::text::TextWrapping::truncate_at_width(name_width - 4.0);
    let galley = painter.layout_job(job);
    let at = pos2(chip.right() + 6.0, rect.center().y - galley.size().y / 2.0);
    painter.galley(at, galley, palette.text);

    let left = chip.right() + 6.0 + name_width;
    let right = (rect.right() - figures_width).max(left + 10.0);
    let upper = Rect::from_min_max(pos2(left, rect.top() + 3.0), pos2(right, rect.top() + 8.0));
    let lower = Rect::from_min_max(pos2(left, rect.top() + 9.5), pos2(right, rect.top() + 16.5));
    paint_hollow_bar(&painter, upper, before, palette);
    paint_bar(&painter, lower, after, class_colour(class.colour), palette);
    painter.text(
        rect.right_center(),
        egui::Align2::RIGHT_CENTER,
        format!("{} → {}", percent(before), percent(after)),
        font,
        palette.text,
    );
    let text = format!(
        "{}: zero-shot {}, with your shots {}",
        class.name,
        percent(before),
        percent(after)
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    response.on_hover_text(text.clone());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ClassId, PhotoId};

    #[test]
    fn few_classes_keep_their_order_and_many_show_the_likeliest() {
        let inspection = |n: usize| Inspection {
            photo: PhotoId(1),
            classes: (0..n as i64).map(ClassId).collect(),
            zero_shot: vec![0.0; n],
            method: (0..n).map(|i| i as f32).collect(),
            votes: Vec::new(),
            terms: None,
        };
        assert_eq!(shown_classes(&inspection(3)), [0, 1, 2]);
        assert_eq!(shown_classes(&inspection(20))[..2], [19, 18]);
    }
}
