//! One class of the support set: colour and key, name, shots, prompt, menu.

use egui::{Rect, Role, Sense, TextEdit, Ui, Vec2, WidgetInfo, vec2};

use crate::app::{Command, Destination};
use crate::ids::{ClassId, PhotoId};
use crate::project::Class;

use super::chip::chip_ui;
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::format::counted;
use super::picture::{self, Fit};
use super::theme::{self, Palette};

const SHOT_SIDE: f32 = 38.0;
const SHOT_GAP: f32 = 4.0;
/// More prompts are edited one a line, in a window of their own.
const FEW_PROMPTS: usize = 2;
/// Several prompts in one line are set apart so.
const PROMPT_SEPARATOR: &str = " | ";

/// A name or prompt being edited.
#[derive(Default)]
pub(super) struct CardEdits {
    editing: Option<(ClassId, Field, String)>,
    rename: Option<ClassId>,
    expanded: Vec<ClassId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    Prompts,
}

impl CardEdits {
    /// Draws the card of a class.
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
        let palette = Palette::of(ui);
        let card = theme::card(palette).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 5.0;
            self.title_ui(ui, cx, class);
            self.shots_ui(ui, cx, class);
            self.prompt_ui(ui, cx, class);
        });
        let rect = card.response.rect;
        cx.zones.add(ui, rect, Destination::Class(class.id));
        let drop_target = ui.interact(rect, ui.scope_id().with(("card", class.id)), Sense::hover());
        take_dragged_photo(ui, cx, class, &drop_target);
    }

    fn title_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
        let num_shots = cx.app.project().shots(class.id).len();
        ui.horizontal(|ui| {
            chip_ui(ui, class, 20.0);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let menu = ui.menu_button("•••", |ui| self.menu_ui(ui, cx, class));
                menu.response
                    .accessible_name(format!("Menu of {}", class.name));
                ui.weak(counted(num_shots, "shot", "shots"));
                let width = ui.available_width();
                self.name_ui(ui, cx, class, width);
            });
        });
    }

    fn name_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class, width: f32) {
        let mut text = self.text(class.id, Field::Name, || class.name.clone());
        let field = TextEdit::singleline(&mut text)
            .font(theme::semibold_font(13.5))
            .frame(egui::Frame::new())
            .margin(vec2(2.0, 2.0))
            .align(egui::Align2::LEFT_CENTER)
            .desired_width(width);
        let response = ui
            .add(field)
            .accessible_name(format!("Name of class {}", class.position + 1));
        if self.rename == Some(class.id) {
            self.rename = None;
            response.request_focus();
        }
        let name = self.edited(&response, class.id, Field::Name, text);
        if let Some(name) = name.map(|name| name.trim().to_owned())
            && !name.is_empty()
            && name != class.name
        {
            cx.push(Command::RenameClass(class.id, name));
        }
    }

    fn prompt_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
        if class.prompts.len() > FEW_PROMPTS {
            many_prompts_ui(ui, cx, class);
            return;
        }
        let is_editing = self.is_editing(class.id, Field::Prompts);
        let mut text = self.text(class.id, Field::Prompts, || {
            class.texts().join(PROMPT_SEPARATOR)
        });
        let field = TextEdit::singleline(&mut text)
            .font(egui::TextStyle::Small)
            .text_color(Palette::of(ui).weak)
            .frame(egui::Frame::new())
            .margin(vec2(2.0, 1.0))
            .hint_text("no prompt: the bare name is used")
            .desired_width(f32::INFINITY);
        ui.spacing_mut().interact_size.y = 16.0;
        let response = ui
            .add(field)
            .accessible_name(format!("Prompt of {}", class.name))
            .on_hover_text("What CLIP's text side reads for this class: {name} stands for the name, | separates several prompts, which are averaged");
        if !is_editing && response.gained_focus() {
            text = class.prompts.join(PROMPT_SEPARATOR);
        }
        let edited = self.edited(&response, class.id, Field::Prompts, text);
        if let Some(prompts) = edited.map(|text| split_prompts(&text))
            && prompts != class.prompts
        {
            cx.push(Command::SetPrompts(class.id, prompts));
        }
    }

    fn is_editing(&self, class: ClassId, field: Field) -> bool {
        matches!(&self.editing, Some((id, of, _)) if *id == class && *of == field)
    }

    fn text(&self, class: ClassId, field: Field, otherwise: impl Fn() -> String) -> String {
        match &self.editing {
            Some((id, of, text)) if *id == class && *of == field => text.clone(),
            _ => otherwise(),
        }
    }

    /// Keeps the text while it is edited; returns it when the field is left.
    fn edited(
        &mut self,
        response: &egui::Response,
        class: ClassId,
        field: Field,
        text: String,
    ) -> Option<String> {
        if response.has_focus() {
            self.editing = Some((class, field, text));
            return None;
        }
        let was_editing = self.is_editing(class, field);
        if was_editing {
            self.editing = None;
        }
        (was_editing && response.lost_focus()).then_some(text)
    }

    fn menu_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
        let last = cx.app.project().classes().len().saturating_sub(1);
        let position = class.position as usize;
        if ui.button("Add photos…").clicked() {
            cx.request(Request::Ask(Ask::Shots(class.id)));
        }
        if ui.button("Type a path…").clicked() {
            cx.request(Request::TypePath(Ask::Shots(class.id)));
        }
        ui.separator();
        if ui.button("Edit prompts…").clicked() {
            cx.request(Request::EditPrompts(class.id));
        }
        if ui.button("Rename").clicked() {
            self.rename = Some(class.id);
        }
        let up = ui.add_enabled(position > 0, egui::Button::new("Move up"));
        if up.clicked() {
            cx.push(Command::MoveClass(class.id, position - 1));
        }
        let down = ui.add_enabled(position < last, egui::Button::new("Move down"));
        if down.clicked() {
            cx.push(Command::MoveClass(class.id, position + 1));
        }
        ui.menu_button("Merge into", |ui| {
            super::tile::other_class_menu_ui(ui, cx, Some(class.id), |other| {
                Command::MergeClass(class.id, other.id)
            });
        })
        .response
        .on_hover_text("Its shots and labels become the other class's");
        let split = ui.button("Split in two").on_hover_text(
            "Its photos fall into the two groups that are most alike within; the smaller one becomes a class of its own",
        );
        if split.clicked() {
            cx.push(Command::SplitClass(class.id));
        }
        ui.menu_button("Colour", |ui| colours_ui(ui, cx, class));
        ui.separator();
        let dissolve = ui.button("Remove class, keep its photos").on_hover_text(
            "Its shots go to the pool, and what was labelled as it is unlabelled again",
        );
        if dissolve.clicked() {
            cx.push(Command::DissolveClass(class.id));
        }
        let remove = ui
            .button("Remove class and its shots")
            .on_hover_text("From the project only: the files stay where they are");
        if remove.clicked() {
            cx.push(Command::RemoveClass(class.id));
        }
    }

    fn shots_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
        let shots = cx.app.project().shots(class.id);
        if shots.is_empty() {
            ui.weak("No shots yet: drop photos here");
            return;
        }
        let width = ui.available_width();
        let per_row = (((width + SHOT_GAP) / (SHOT_SIDE + SHOT_GAP)) as usize).max(1);
        let is_expanded = self.expanded.contains(&class.id);
        let num_shown = if is_expanded || shots.len() <= per_row {
            shots.len()
        } else {
            per_row - 1
        };
        let is_cut = shots.len() > per_row;
        let num_cells = num_shown + usize::from(is_cut);
        let height = num_cells.div_ceil(per_row) as f32 * (SHOT_SIDE + SHOT_GAP) - SHOT_GAP;
        let (area, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let cell = |index: usize| {
            let step = SHOT_SIDE + SHOT_GAP;
            let offset = vec2((index % per_row) as f32, (index / per_row) as f32) * step;
            Rect::from_min_size(area.min + offset, Vec2::splat(SHOT_SIDE))
        };
        for (index, shot) in shots[..num_shown].iter().enumerate() {
            if ui.is_rect_visible(cell(index)) {
                shot_ui(ui, cx, *shot, class, cell(index));
            }
        }
        if is_cut && more_ui(ui, class, cell(num_shown), shots.len() - num_shown) {
            self.toggle_expanded(class.id);
        }
    }

    fn toggle_expanded(&mut self, class: ClassId) {
        if self.expanded.contains(&class) {
            self.expanded.retain(|id| *id != class);
        } else {
            self.expanded.push(class);
        }
    }
}

/// As "7 prompts: itap of a hat…"; a click edits them.
fn many_prompts_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
    let texts = class.texts();
    let said = format!(
        "{}: {}…",
        counted(texts.len(), "prompt", "prompts"),
        texts.first().map_or("", |text| text.trim_end_matches('.'))
    );
    let text = egui::RichText::new(said)
        .small()
        .color(Palette::of(ui).weak);
    ui.spacing_mut().interact_size.y = 16.0;
    let response = ui
        .add(egui::Button::new(text).frame(false).truncate())
        .accessible_name(format!("Edit prompts of {}", class.name));
    if response.clicked() {
        cx.request(Request::EditPrompts(class.id));
    }
    response.on_hover_text(shortened(&texts));
}

/// The first prompts, one a line.
fn shortened(texts: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = texts[..texts.len().min(SHOWN)].join("\n");
    if texts.len() > SHOWN {
        text = format!("{text}\nand {} more", texts.len() - SHOWN);
    }
    text
}

fn split_prompts(text: &str) -> Vec<String> {
    text.split('|')
        .map(str::trim)
        .filter(|prompt| !prompt.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The last cell of a cut row: "+8", or "less" when all are shown.
fn more_ui(ui: &mut Ui, class: &Class, rect: Rect, num_hidden: usize) -> bool {
    let palette = Palette::of(ui);
    let id = ui.scope_id().with(("more shots", class.id));
    let response = ui.interact(rect, id, Sense::click());
    let fill = palette.button[usize::from(response.hovered())];
    ui.painter().rect_filled(rect, theme::ROUNDING, fill);
    let text = if num_hidden > 0 {
        format!("+{num_hidden}")
    } else {
        "less".to_owned()
    };
    ui.painter().text(
        rect.center(),
        egui::Align2::CENTER_CENTER,
        text,
        egui::FontId::proportional(11.5),
        palette.text,
    );
    response.widget_info(|| {
        let what = if num_hidden > 0 { "all" } else { "fewer" };
        WidgetInfo::labeled(
            Role::Button,
            true,
            format!("Show {what} shots of {}", class.name),
        )
    });
    response.clicked()
}

fn shot_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, photo: PhotoId, class: &Class, rect: Rect) {
    let Some(photo) = cx.photo(photo) else { return };
    let id = ui.scope_id().with(("shot", photo.id));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let pixels = picture::side_for(rect.size(), Fit::Cover, ui.pixels_per_point());
    let thumbnail = cx.thumbnails.request(photo.id, &photo.path, pixels);
    picture::paint(ui, rect, &thumbnail, Fit::Cover, "");
    if response.hovered() {
        super::tile::outline(ui, rect, Palette::of(ui).accent);
    }
    response.dnd_set_drag_payload(photo.id);
    let name = photo.file_name();
    response.widget_info(|| {
        WidgetInfo::labeled(Role::Button, true, format!("shot {name} of {}", class.name))
    });
    response.context_menu(|ui| super::tile::photo_menu_ui(ui, cx, photo));
    response.on_hover_ui(|ui| {
        let side = picture::side_for(Vec2::splat(220.0), Fit::Contain, ui.pixels_per_point());
        let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
        let (rect, _) = ui.allocate_exact_size(Vec2::splat(220.0), Sense::hover());
        picture::paint(ui, rect, &thumbnail, Fit::Contain, &name);
        ui.label(&name);
    });
}

/// A photo dragged from elsewhere in the window and let go here becomes a shot.
fn take_dragged_photo(ui: &Ui, cx: &mut PanelContext<'_>, class: &Class, target: &egui::Response) {
    if target.dnd_hover_payload::<PhotoId>().is_some() {
        super::tile::outline(ui, target.rect, Palette::of(ui).accent);
    }
    if let Some(photo) = target.dnd_release_payload::<PhotoId>() {
        cx.push(Command::MovePhotos(vec![*photo], Some(class.id)));
    }
}

/// The palette's colours; a click gives one to the class.
fn colours_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, class: &Class) {
    ui.horizontal(|ui| {
        for colour in 0..theme::NUM_CLASS_COLOURS {
            let (rect, response) =
                ui.allocate_exact_size(egui::vec2(20.0, 20.0), egui::Sense::click());
            ui.painter()
                .rect_filled(rect, 4.0, theme::class_colour(colour));
            if colour == class.colour {
                super::tile::outline(ui, rect.expand(2.0), ui.visuals().strong_text_color());
            }
            response.widget_info(|| {
                let said = format!("Colour {}", colour + 1);
                egui::WidgetInfo::labeled(egui::Role::Button, true, said)
            });
            if response.clicked() {
                cx.push(Command::SetColour(class.id, colour));
                ui.close();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_separated_by_bars() {
        assert_eq!(split_prompts("a {name} | a photo of a {name}|").len(), 2);
        assert!(split_prompts(" | ").is_empty());
    }
}
