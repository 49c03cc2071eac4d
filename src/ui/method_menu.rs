//! The menu of methods: all of them, by how much work they are, each with a line that says what it does.

use egui::{Align2, ComboBox, FontId, Role, Sense, Ui, WidgetInfo, vec2};

use crate::app::{App, Command};
use crate::methods::{Family, Method};

use super::context::PanelContext;
use super::theme::{self, Palette, semibold};

/// As wide as the longest line wants to be.
const WIDTH: f32 = 470.0;
const TITLE_WIDTH: f32 = 112.0;
const ROW_HEIGHT: f32 = 23.0;

const FAMILIES: [(Family, &str, &str); 4] = [
    (
        Family::NoTraining,
        "No training",
        "at once, from CLIP's own features",
    ),
    (
        Family::Adapted,
        "Adapted features (++)",
        "at once, from the features chosen under Overlap",
    ),
    (
        Family::LightTraining,
        "Light training",
        "seconds, on features that are there already",
    ),
    (Family::TextTraining, "Through the text tower", "minutes"),
];

/// What a method does, in a line.
pub(super) fn hint(method: Method) -> &'static str {
    match method {
        Method::ZeroShot => "class names alone; shots are not used",
        Method::Calip => "class names and the parts of a photo",
        Method::TipAdapter => "shots vote by how alike they are; the default",
        Method::TipX => "votes, and what class names make of photos",
        Method::Ape => "votes on channels that tell classes apart",
        Method::Gda => "a bell curve around the shots of each class",
        Method::ProKeR => "shots correct the class names smoothly",
        Method::Timo => "shots and several prompts weigh each other",
        Method::TimoS => "the same, with more of it searched",
        Method::TipAdapterPp => "Tip-Adapter on adapted features",
        Method::TipXPp => "Tip-X on adapted features",
        Method::ApePp => "APE on adapted features",
        Method::GdaPp => "GDA on adapted features",
        Method::ProKeRPp => "ProKeR on adapted features",
        Method::TipAdapterF => "Tip-Adapter with trained shots",
        Method::ApeT => "APE with trained class texts and votes",
        Method::ClipAdapter => "a small trained layer on the features",
        Method::LpPlusPlus => "a linear probe that mixes in the class names",
        Method::TaskRes => "class texts with a trained correction",
        Method::CoOp => "learns the words around the class names",
    }
}

/// Draws the menu as wide as there is room.
pub(super) fn method_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let chosen = cx.app.method();
    let combo = ComboBox::from_id_salt("method")
        .width(ui.available_width())
        .height(520.0)
        .selected_text(chosen.title())
        .show_ui(ui, |ui| {
            ui.set_width(WIDTH);
            ui.spacing_mut().item_spacing.y = 1.0;
            for (family, title, said) in FAMILIES {
                family_ui(ui, title, said);
                for method in Method::ALL {
                    if method.family() == family {
                        row_ui(ui, cx, method, chosen);
                    }
                }
            }
        });
    combo.response.accessible_name("Method");
}

/// Why a method cannot be fitted on the shots that are there, and what to do about it.
pub(super) fn obstacle(app: &App, method: Method) -> Option<&str> {
    let mut all = app.fit().availability.iter();
    all.find(|found| found.method == method)
        .and_then(|found| found.obstacle.as_deref())
}

fn family_ui(ui: &mut Ui, title: &str, said: &str) {
    ui.add_space(5.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = 16.0;
        ui.label(semibold(title).small());
        ui.label(egui::RichText::new(said).small().weak());
    });
}

fn row_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, method: Method, chosen: Method) {
    let palette = Palette::of(ui);
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let obstacle = obstacle(cx.app, method);
    let is_chosen = method == chosen;
    let fill = if is_chosen {
        Some(palette.accent_soft)
    } else if response.hovered() || response.has_focus() {
        Some(palette.button[1])
    } else {
        None
    };
    if let Some(fill) = fill {
        ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    }
    let ink = if obstacle.is_some() {
        palette.weak
    } else {
        palette.strong
    };
    let left = rect.left_center() + vec2(10.0, 0.0);
    let font = FontId::proportional(13.0);
    ui.painter()
        .text(left, Align2::LEFT_CENTER, method.title(), font, ink);
    let said = obstacle.unwrap_or(hint(method));
    let room = rect.width() - TITLE_WIDTH - 18.0;
    let line = super::format::cut_line(said, FontId::proportional(11.5), palette.weak, room);
    let galley = ui.painter().layout_job(line);
    let at = left + vec2(TITLE_WIDTH, -galley.size().y / 2.0);
    ui.painter().galley(at, galley, palette.weak);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, method.title()));
    if response.clicked() && !is_chosen {
        cx.push(Command::SetMethod(method.name().to_owned()));
        ui.close();
    }
    if let Some(reason) = obstacle {
        response.on_hover_text(format!("{}: {}\n{reason}", method.title(), hint(method)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_stands_under_one_heading() {
        for method in Method::ALL {
            let headings = FAMILIES
                .iter()
                .filter(|(family, ..)| *family == method.family());
            assert_eq!(headings.count(), 1, "{method:?}");
        }
    }
}
