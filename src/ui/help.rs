//! The help: what each panel is for, in two sentences and a picture, and all keys.

use egui::{Color32, Grid, Id, Modal, Painter, Rect, ScrollArea, Sense, Stroke, Ui, pos2, vec2};

use super::actions::{ACTIONS, Action};
use super::chip::{paint_bar, paint_tick};
use super::keymap::Keymap;
use super::picture::hatch;
use super::theme::{self, Palette, class_colour, semibold};

/// A panel that has help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    SupportSet,
    Photos,
    SelectedPhoto,
    Method,
    Overlap,
}

const TOPICS: [Topic; 5] = [
    Topic::SupportSet,
    Topic::Photos,
    Topic::SelectedPhoto,
    Topic::Method,
    Topic::Overlap,
];

/// Keys that are no actions of their own.
const GESTURES: [(&str, &str); 5] = [
    (
        "Letters",
        "Find a class by its name, and label as it with Enter",
    ),
    ("Shift+click", "Select all photos up to this one"),
    ("Ctrl+click", "Select this photo together with others"),
    ("Drag beside photos", "Select the photos in a frame"),
    ("Ctrl+V", "Paste a picture, or the path of files"),
];

impl Topic {
    fn title(self) -> &'static str {
        match self {
            Self::SupportSet => "Support set",
            Self::Photos => "Photos",
            Self::SelectedPhoto => "Selected photo",
            Self::Method => "Method",
            Self::Overlap => "Overlap",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::SupportSet => {
                "A few photos per class, the shots, show CLIP what you mean. Drop one folder per class; the name and the prompt under it are what CLIP's text side reads."
            }
            Self::Photos => {
                "Every photo of the pool shows the class that is predicted for it and how sure that is. Sort by least sure to label first what helps most; a \"?\" marks what is below 50 %."
            }
            Self::SelectedPhoto => {
                "The bars show each class's likelihood by its name alone (zero-shot) and with your shots. Below are the shots that voted, with the cosine of their features: 1 is most alike."
            }
            Self::Method => {
                "α says how much your shots count beside the class names, β how sharply a shot's vote falls with distance. \"Tune\" finds both by recognising each shot with the others (leave-one-out)."
            }
            Self::Overlap => {
                "The closer the two histograms lie on each other, the harder photos of different classes are to tell apart (intra-modal overlap). AUROC is the chance that a same-class pair is the more alike: 0.5 is full overlap, 1 is none."
            }
        }
    }
}

/// What of the help is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Help {
    /// Nothing.
    Closed,
    /// All panels and the keys.
    All,
    /// One panel.
    Of(Topic),
}

/// Draws the help over everything; `true` when it is closed by the person.
pub(super) fn help_ui(context: &egui::Context, help: Help, keymap: &Keymap) -> bool {
    if help == Help::Closed {
        return false;
    }
    let mut is_closed = false;
    let modal = Modal::new(Id::unique("help")).frame(theme::dialog(&context.global_style()));
    let modal = modal.show(context, |ui| {
        ui.set_width(520.0_f32.min(context.content_rect().width() - 80.0));
        ui.label(semibold("How Shotlens works").heading());
        let height = context.content_rect().height() - 180.0;
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            for shown in TOPICS {
                if help == Help::All || help == Help::Of(shown) {
                    topic_ui(ui, shown);
                }
            }
            if help == Help::All {
                keys_ui(ui, keymap);
            }
        });
        ui.add_space(4.0);
        is_closed = ui.button("Close").clicked();
    });
    is_closed || modal.should_close()
}

fn topic_ui(ui: &mut Ui, topic: Topic) {
    ui.horizontal_top(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(120.0, 62.0), Sense::hover());
        let palette = Palette::of(ui);
        ui.painter().rect_filled(rect, 6.0, palette.panel);
        paint_topic(ui.painter(), rect.shrink(8.0), topic, palette);
        ui.vertical(|ui| {
            ui.label(semibold(topic.title()));
            ui.label(topic.text());
        });
    });
    ui.add_space(6.0);
}

fn keys_ui(ui: &mut Ui, keymap: &Keymap) {
    ui.separator();
    ui.label(semibold("Keys"));
    ui.weak("Every one can be changed in the list of all commands");
    let labels = |action| matches!(action, Action::Label(place) if place > 0);
    Grid::new("keys")
        .num_columns(2)
        .min_row_height(18.0)
        .spacing(vec2(18.0, 4.0))
        .show(ui, |ui| {
            for known in ACTIONS.iter().filter(|known| !labels(known.action)) {
                let Some(key) = keymap.key_of(known) else {
                    continue;
                };
                let (keys, title) = match known.action {
                    Action::Label(_) => (
                        "1 to 9, 0".to_owned(),
                        "Label as the class with that number",
                    ),
                    _ => (ui.ctx().format_shortcut(&key), known.title),
                };
                ui.monospace(keys);
                ui.label(title);
                ui.end_row();
            }
            for (keys, what) in GESTURES {
                ui.monospace(keys);
                ui.label(what);
                ui.end_row();
            }
        });
}

fn paint_topic(painter: &Painter, rect: Rect, topic: Topic, palette: &Palette) {
    match topic {
        Topic::SupportSet => paint_support(painter, rect, palette),
        Topic::Photos => paint_photos(painter, rect, palette),
        Topic::SelectedPhoto => paint_selected(painter, rect, palette),
        Topic::Method => paint_method(painter, rect, palette),
        Topic::Overlap => paint_overlap(painter, rect, palette),
    }
}

fn paint_support(painter: &Painter, rect: Rect, palette: &Palette) {
    for row in 0..2_u8 {
        let top = rect.top() + f32::from(row) * 24.0;
        let chip = Rect::from_min_size(pos2(rect.left(), top), vec2(12.0, 18.0));
        painter.rect_filled(chip, 3.0, class_colour(row));
        for shot in 0..4_u8 {
            let left = rect.left() + 18.0 + f32::from(shot) * 21.0;
            let square = Rect::from_min_size(pos2(left, top), vec2(18.0, 18.0));
            painter.rect_filled(square, 3.0, palette.button[2]);
        }
    }
}

fn paint_photos(painter: &Painter, rect: Rect, palette: &Palette) {
    for (index, (share, class)) in [(0.9, 0), (0.4, 1), (0.7, 0)].into_iter().enumerate() {
        let left = rect.left() + index as f32 * 35.0;
        let square = Rect::from_min_size(pos2(left, rect.top()), vec2(30.0, 30.0));
        painter.rect_filled(square, 4.0, palette.button[2]);
        let bar = Rect::from_min_size(pos2(left, rect.top() + 36.0), vec2(30.0, 5.0));
        paint_bar(painter, bar, share, class_colour(class), palette);
        if index == 0 {
            paint_tick(
                painter,
                square.right_top() + vec2(-6.0, 6.0),
                6.0,
                class_colour(class),
            );
        }
    }
}

fn paint_selected(painter: &Painter, rect: Rect, palette: &Palette) {
    let square = Rect::from_min_size(rect.min, vec2(44.0, 46.0));
    painter.rect_filled(square, 4.0, palette.button[2]);
    for (row, share) in [(0_u8, 0.85), (1, 0.3), (2, 0.15)] {
        let top = rect.top() + 4.0 + f32::from(row) * 16.0;
        let bar = Rect::from_min_max(
            pos2(square.right() + 8.0, top),
            pos2(rect.right(), top + 7.0),
        );
        paint_bar(painter, bar, share, class_colour(row), palette);
    }
}

fn paint_method(painter: &Painter, rect: Rect, palette: &Palette) {
    for (row, at) in [(0_u8, 0.65), (1, 0.35)] {
        let y = rect.top() + 12.0 + f32::from(row) * 22.0;
        let rail = Rect::from_min_max(pos2(rect.left(), y - 2.0), pos2(rect.right(), y + 2.0));
        paint_bar(painter, rail, at, palette.accent, palette);
        let x = egui::lerp(rail.x_range(), at);
        painter.circle_filled(pos2(x, y), 6.0, palette.accent);
    }
}

fn paint_overlap(painter: &Painter, rect: Rect, palette: &Palette) {
    let bell = |index: u8, centre: f32| {
        let distance = (f32::from(index) - centre) / 2.6;
        (-distance * distance).exp()
    };
    for index in 0..16 {
        let left = rect.left() + f32::from(index) * 6.4;
        let column = |height: f32| {
            Rect::from_min_max(
                pos2(left, rect.bottom() - height * 42.0),
                pos2(left + 5.4, rect.bottom()),
            )
        };
        let paired = column(bell(index, 10.5));
        painter.rect_filled(paired, 1.0, palette.paired.gamma_multiply(0.75));
        let unpaired = column(bell(index, 5.0));
        painter.add(hatch(unpaired, 4.0, palette.unpaired));
        painter.line_segment(
            [unpaired.left_top(), unpaired.right_top()],
            Stroke::new(1.5, palette.unpaired),
        );
    }
    let foot: Color32 = palette.weak;
    painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, foot));
}
