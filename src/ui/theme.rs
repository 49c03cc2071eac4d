//! Colours, type and spacing: the only place that knows a colour.

use std::sync::Arc;

use egui::epaint::text::VariationCoords;
use egui::style::{ScrollStyle, Selection, TextCursorStyle, WidgetVisuals, Widgets};
use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, FontTweak, Margin,
    RichText, Shadow, Stroke, TextStyle, Theme, Visuals,
};

/// Rounding of cards, buttons and thumbnails.
pub(super) const ROUNDING: u8 = 6;
/// Space around the contents of a card.
pub(super) const CARD_MARGIN: i8 = 10;

const SEMIBOLD: &str = "semibold";
// Inter, variable in weight: one file serves text and headings.
const INTER: &[u8] = include_bytes!("../../assets/fonts/Inter.ttf");
// Class names may hold emoji, on systems without a font for them too.
const NOTO_EMOJI: &[u8] = epaint_default_fonts::NOTO_EMOJI_REGULAR;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where colours are made"
)]
const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The colours of one theme.
#[derive(Debug)]
pub(super) struct Palette {
    /// Behind everything.
    pub(super) backdrop: Color32,
    /// Side panels and bars.
    pub(super) panel: Color32,
    /// Cards on a panel.
    pub(super) card: Color32,
    /// Edges of cards and panels.
    pub(super) edge: Color32,
    /// Behind text fields, pictures that are not there yet, empty bars.
    pub(super) well: Color32,
    /// Body text.
    pub(super) text: Color32,
    /// Captions.
    pub(super) weak: Color32,
    /// Headings.
    pub(super) strong: Color32,
    /// Selection, links, the handle of a slider.
    pub(super) accent: Color32,
    /// Behind what is selected or lit up.
    pub(super) accent_soft: Color32,
    /// Behind selected text, and the filled part of a slider's rail.
    pub(super) selection: Color32,
    /// Buttons at rest, under the pointer, and pressed.
    pub(super) button: [Color32; 3],
    /// Something went well.
    pub(super) good: Color32,
    /// Something is not as asked.
    pub(super) warning: Color32,
    /// Something did not work.
    pub(super) error: Color32,
    /// Pairs of one class in the histograms.
    pub(super) paired: Color32,
    /// Pairs of different classes in the histograms.
    pub(super) unpaired: Color32,
    /// Zero-shot CLIP beside the method.
    pub(super) zero_shot: Color32,
}

static DARK: Palette = Palette {
    backdrop: rgb(0x0012_1417),
    panel: rgb(0x0018_1b1f),
    card: rgb(0x0020_2429),
    edge: rgb(0x002f_343b),
    well: rgb(0x0011_1316),
    text: rgb(0x00d3_d7dd),
    weak: rgb(0x0094_9ba6),
    strong: rgb(0x00f3_f5f8),
    accent: rgb(0x0056_9cf0),
    accent_soft: rgb(0x0021_3a57),
    selection: rgb(0x002f_5f96),
    button: [rgb(0x002b_3037), rgb(0x0036_3c45), rgb(0x0042_4a55)],
    good: rgb(0x004c_c38a),
    warning: rgb(0x00f0_b429),
    error: rgb(0x00f2_6d6d),
    paired: rgb(0x0056_b4e9),
    unpaired: rgb(0x00e6_9f00),
    zero_shot: rgb(0x008a_929e),
};

static LIGHT: Palette = Palette {
    backdrop: rgb(0x00ee_f0f4),
    panel: rgb(0x00f6_f7f9),
    card: rgb(0x00ff_ffff),
    edge: rgb(0x00d0_d5de),
    well: rgb(0x00e3_e7ee),
    text: rgb(0x002b_313b),
    weak: rgb(0x0062_6b79),
    strong: rgb(0x0012_161d),
    accent: rgb(0x001f_6ecf),
    accent_soft: rgb(0x00d8_e7fb),
    selection: rgb(0x009c_c5f5),
    button: [rgb(0x00f3_f5f8), rgb(0x00e4_e9f0), rgb(0x00cf_d7e2)],
    good: rgb(0x0011_7a4b),
    warning: rgb(0x009a_6700),
    error: rgb(0x00bf_2c2c),
    paired: rgb(0x0000_72b2),
    unpaired: rgb(0x00b8_5c00),
    zero_shot: rgb(0x007b_8492),
};

impl Palette {
    /// The colours of the theme that `ui` is drawn in.
    pub(super) fn of(ui: &egui::Ui) -> &'static Self {
        Self::of_theme(if ui.visuals().dark_mode {
            Theme::Dark
        } else {
            Theme::Light
        })
    }

    /// The colours of a theme.
    pub(super) fn of_theme(theme: Theme) -> &'static Self {
        match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }
}

/// Okabe and Ito's set without black, then Paul Tol's "muted" where it adds a hue; both are made to be told apart by people who see few colours.
const CLASS_COLOURS: [Color32; 14] = [
    rgb(0x0056_b4e9),
    rgb(0x00e6_9f00),
    rgb(0x0000_9e73),
    rgb(0x00cc_79a7),
    rgb(0x00f0_e442),
    rgb(0x0000_72b2),
    rgb(0x00d5_5e00),
    rgb(0x00aa_4499),
    rgb(0x0044_aa99),
    rgb(0x0099_9933),
    rgb(0x00dd_cc77),
    rgb(0x0088_2255),
    rgb(0x0088_ccee),
    rgb(0x00cc_6677),
];

/// Colours to choose from for a class.
pub(super) const NUM_CLASS_COLOURS: u8 = CLASS_COLOURS.len() as u8;

/// The colour of a class from its stable index; after one round the colours come back darker or lighter.
pub(super) fn class_colour(index: u8) -> Color32 {
    let base = CLASS_COLOURS[usize::from(index) % CLASS_COLOURS.len()];
    match usize::from(index) / CLASS_COLOURS.len() % 3 {
        0 => base,
        1 => base.lerp_to_gamma(Color32::BLACK, 0.3),
        _ => base.lerp_to_gamma(Color32::WHITE, 0.4),
    }
}

/// Nine colours of cividis (Nuñez, Anderton and Renslow, 2018): even steps of lightness, made to look alike to people who see few colours.
const HEAT: [Color32; 9] = [
    rgb(0x0000_224e),
    rgb(0x0012_3570),
    rgb(0x003b_496c),
    rgb(0x0057_5d6d),
    rgb(0x0070_7173),
    rgb(0x008a_8678),
    rgb(0x00a5_9c74),
    rgb(0x00c3_b369),
    rgb(0x00fd_e737),
];

/// The colour of a value between the least (0) and the most (1) of a heat map.
pub(super) fn heat(share: f32) -> Color32 {
    let at = share.clamp(0.0, 1.0) * (HEAT.len() - 1) as f32;
    let low = (at as usize).min(HEAT.len() - 2);
    HEAT[low].lerp_to_gamma(HEAT[low + 1], at - low as f32)
}

/// Black or white, whichever is read more easily on `background`.
pub(super) fn text_on(background: Color32) -> Color32 {
    let linear = egui::Rgba::from(background);
    let luminance = 0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b();
    // Where black and white have the same contrast (WCAG 2.1).
    if luminance > 0.179 {
        Color32::BLACK
    } else {
        Color32::WHITE
    }
}

/// Text in the weight of headings.
pub(super) fn semibold(text: impl Into<String>) -> RichText {
    RichText::new(text).family(FontFamily::Name(SEMIBOLD.into()))
}

/// The font of [`semibold`] text, `size` points high.
pub(super) fn semibold_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(SEMIBOLD.into()))
}

/// A card: a rounded frame on a panel.
pub(super) fn card(palette: &Palette) -> egui::Frame {
    egui::Frame::new()
        .fill(palette.card)
        .stroke(Stroke::new(1.0, palette.edge))
        .corner_radius(ROUNDING + 2)
        .inner_margin(CARD_MARGIN)
}

/// The frame of a dialog in the window.
pub(super) fn dialog(style: &egui::Style) -> egui::Frame {
    egui::Frame::window(style).inner_margin(16)
}

/// The frame of a side panel or bar.
pub(super) fn panel(palette: &Palette) -> egui::Frame {
    egui::Frame::new()
        .fill(palette.panel)
        .inner_margin(Margin::symmetric(10, 8))
}

/// Gives `context` Shotlens' fonts, spacing and colours, for light and dark.
pub(super) fn install(context: &egui::Context) {
    context.set_fonts(fonts());
    for theme in [Theme::Dark, Theme::Light] {
        context.style_mut_of(theme, |style| {
            style.visuals = visuals(theme);
            set_type_sizes(style);
            set_spacing(style);
        });
    }
}

fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let weighted = |weight| {
        Arc::new(FontData::from_static(INTER).tweak(FontTweak {
            coords: VariationCoords::new([(b"wght", weight)]),
            ..FontTweak::default()
        }))
    };
    fonts.font_data.insert("inter".to_owned(), weighted(430.0));
    fonts
        .font_data
        .insert("inter-semibold".to_owned(), weighted(620.0));
    let emoji = Arc::new(FontData::from_static(NOTO_EMOJI));
    fonts.font_data.insert("noto-emoji".to_owned(), emoji);
    let fallbacks = fonts
        .families
        .entry(FontFamily::Proportional)
        .or_default()
        .clone();
    let with_first = |first: &str| {
        let mut names = vec![first.to_owned()];
        names.push("noto-emoji".to_owned());
        names.extend(fallbacks.iter().cloned());
        names
    };
    fonts
        .families
        .insert(FontFamily::Proportional, with_first("inter"));
    fonts.families.insert(
        FontFamily::Name(SEMIBOLD.into()),
        with_first("inter-semibold"),
    );
    fonts
}

fn set_type_sizes(style: &mut egui::Style) {
    let proportional = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, proportional(11.5)),
        (TextStyle::Body, proportional(13.0)),
        (TextStyle::Button, proportional(13.0)),
        (TextStyle::Heading, semibold_font(14.5)),
        (
            TextStyle::Monospace,
            FontId::new(12.5, FontFamily::Monospace),
        ),
    ]
    .into();
    style.drag_value_text_style = TextStyle::Body;
}

fn set_spacing(style: &mut egui::Style) {
    let spacing = &mut style.spacing;
    spacing.item_spacing = egui::vec2(8.0, 6.0);
    spacing.button_padding = egui::vec2(8.0, 4.0);
    spacing.interact_size = egui::vec2(28.0, 24.0);
    spacing.menu_margin = Margin::same(8);
    spacing.window_margin = Margin::same(12);
    spacing.slider_rail_height = 4.0;
    spacing.combo_height = 320.0;
    spacing.tooltip_width = 360.0;
    spacing.scroll = ScrollStyle {
        foreground_color: false,
        ..ScrollStyle::thin()
    };
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.35;
}

fn visuals(theme: Theme) -> Visuals {
    let palette = Palette::of_theme(theme);
    let mut visuals = theme.default_visuals();
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(palette.weak);
    visuals.widgets = widgets(palette);
    visuals.selection = Selection {
        bg_fill: palette.selection,
        stroke: Stroke::new(1.0, palette.strong),
    };
    visuals.hyperlink_color = palette.accent;
    visuals.faint_bg_color = palette.card;
    visuals.extreme_bg_color = palette.well;
    visuals.warn_fg_color = palette.warning;
    visuals.error_fg_color = palette.error;
    visuals.window_fill = palette.card;
    visuals.window_stroke = Stroke::new(1.0, palette.edge);
    visuals.window_corner_radius = CornerRadius::same(ROUNDING + 4);
    visuals.menu_corner_radius = CornerRadius::same(ROUNDING + 2);
    visuals.panel_fill = palette.panel;
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.text_cursor = TextCursorStyle {
        stroke: Stroke::new(1.5, palette.accent),
        ..TextCursorStyle::default()
    };
    let shadow = Shadow {
        offset: [0, 6],
        blur: 18,
        spread: 0,
        color: Color32::from_black_alpha(if theme == Theme::Dark { 120 } else { 40 }),
    };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals
}

fn widgets(palette: &Palette) -> Widgets {
    let state = |fill: Color32, edge: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, edge),
        corner_radius: CornerRadius::same(ROUNDING),
        fg_stroke: Stroke::new(1.2, text),
        expansion: 0.0,
    };
    let [rest, hovered, pressed] = palette.button;
    Widgets {
        noninteractive: state(palette.card, palette.edge, palette.text),
        inactive: WidgetVisuals {
            // The rail of a slider; buttons take the weak one.
            bg_fill: palette.button[1],
            ..state(rest, palette.edge, palette.text)
        },
        hovered: state(hovered, palette.edge, palette.strong),
        active: state(pressed, palette.accent, palette.strong),
        open: state(hovered, palette.edge, palette.strong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |colour: Color32| {
            let linear = egui::Rgba::from(colour);
            0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_is_readable_on_what_it_is_written_on() {
        for theme in [Theme::Dark, Theme::Light] {
            let palette = Palette::of_theme(theme);
            for background in [palette.panel, palette.card] {
                for text in [palette.text, palette.weak, palette.strong, palette.error] {
                    assert!(
                        contrast(text, background) >= 4.5,
                        "{theme:?} {text:?} on {background:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn letters_on_every_class_colour_are_readable() {
        for index in 0..42 {
            let colour = class_colour(index);
            assert!(
                contrast(text_on(colour), colour) >= 4.0,
                "class colour {index}"
            );
        }
    }

    #[test]
    fn more_heat_is_always_lighter() {
        let luminance = |share: f32| {
            let linear = egui::Rgba::from(heat(share));
            0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
        };
        for step in 0..100_u8 {
            let share = f32::from(step) / 100.0;
            assert!(luminance(share) < luminance(share + 0.01), "{share}");
        }
    }

    #[test]
    fn neighbouring_classes_differ_in_colour() {
        for index in 0..42 {
            assert_ne!(class_colour(index), class_colour(index + 1));
        }
    }
}
