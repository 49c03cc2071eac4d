//! Why a photo is predicted as it is: the shots that voted, or what class names and shots say for each class.

use egui::{Rect, RichText, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::app::{Inspection, Terms, Vote};
use crate::project::Class;

use super::chip::paint_chip;
use super::context::PanelContext;
use super::picture::{self, Fit};
use super::theme::{Palette, class_colour, semibold};

const VOTE_SIDE: f32 = 46.0;
/// Classes whose terms are shown.
const MAX_TERMS: usize = 3;

/// Draws the reasons.
pub(super) fn reasons_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, inspection: &Inspection) {
    match &inspection.terms {
        Some(terms) => {
            terms_ui(ui, cx, inspection, terms);
            votes_ui(ui, cx, &inspection.votes, "Most alike shots", ALIKE_HINT, 1);
        }
        None => votes_ui(ui, cx, &inspection.votes, "Shots that voted", VOTES_HINT, 3),
    }
}

const VOTES_HINT: &str = "The shots most like this photo. The figure is the cosine of their features with this photo's: 1 is the same direction";
const ALIKE_HINT: &str = "The shots most like this photo, for orientation: this method does not count votes. The figure is the cosine of their features with this photo's";

/// What speaks for the likeliest classes, names and shots apart.
fn terms_ui(ui: &mut Ui, cx: &PanelContext<'_>, inspection: &Inspection, terms: &[Terms]) {
    terms_title_ui(ui);
    let mut likeliest: Vec<usize> = (0..terms.len().min(inspection.classes.len())).collect();
    likeliest.sort_by(|a, b| inspection.method[*b].total_cmp(&inspection.method[*a]));
    likeliest.truncate(MAX_TERMS);
    let values = terms.iter().flat_map(|term| [term.names, term.shots]);
    let most = values.map(f32::abs).fold(1e-6, f32::max);
    for index in likeliest {
        if let Some(class) = cx.class(inspection.classes[index]) {
            term_row_ui(ui, class, terms[index], most);
        }
    }
    ui.add_space(4.0);
}

fn term_row_ui(ui: &mut Ui, class: &Class, term: Terms, most: f32) {
    let palette = Palette::of(ui);
    let size = vec2(ui.available_width(), 18.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let chip = Rect::from_center_size(rect.left_center() + vec2(8.0, 0.0), Vec2::splat(15.0));
    let painter = ui.painter_at(rect);
    paint_chip(&painter, chip, class);
    let area = Rect::from_min_max(pos2(chip.right() + 8.0, rect.top()), rect.max);
    let zero = area.center().x;
    let reach = area.width() / 2.0 - 2.0;
    let bar = |value: f32, top: f32| {
        let x = zero + reach * value / most;
        Rect::from_x_y_ranges(
            zero.min(x)..=zero.max(x),
            rect.top() + top..=rect.top() + top + 5.0,
        )
    };
    painter.rect(
        bar(term.names, 3.0),
        1.0,
        palette.zero_shot.gamma_multiply(0.25),
        Stroke::new(1.0, palette.zero_shot),
        egui::StrokeKind::Inside,
    );
    painter.rect_filled(bar(term.shots, 10.0), 1.0, class_colour(class.colour));
    painter.vline(zero, rect.y_range(), Stroke::new(1.0, palette.weak));
    let said = format!(
        "{}: class names {:+.1}, shots {:+.1}",
        class.name, term.names, term.shots
    )
    .replace('-', "−");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    response.on_hover_text(said.clone());
}

/// Title and legend in one line.
fn terms_title_ui(ui: &mut Ui) {
    const HINT: &str = "To the right: for the class; to the left: against it, beside the average class. Both together, in the method's logits, decide";
    let palette = Palette::of(ui);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(5.0, 0.0);
        ui.spacing_mut().interact_size.y = 14.0;
        ui.label(semibold("For and against").small())
            .on_hover_text(HINT);
        ui.add_space(4.0);
        let (outlined, _) = ui.allocate_exact_size(vec2(14.0, 6.0), Sense::hover());
        ui.painter().rect_stroke(
            outlined,
            1.0,
            Stroke::new(1.0, palette.zero_shot),
            egui::StrokeKind::Inside,
        );
        ui.label(RichText::new("names").small().weak());
        let (filled, _) = ui.allocate_exact_size(vec2(14.0, 6.0), Sense::hover());
        ui.painter().rect_filled(filled, 1.0, palette.accent);
        ui.label(RichText::new("shots").small().weak());
    });
}

fn votes_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    votes: &[Vote],
    title: &str,
    hint: &str,
    rows: usize,
) {
    ui.label(semibold(title).small()).on_hover_text(hint);
    if votes.is_empty() {
        ui.weak("No shots yet: the class names alone decide");
        return;
    }
    let per_row = ((ui.available_width() / (VOTE_SIDE + 6.0)) as usize).max(1);
    let num_shown = votes
        .len()
        .min((per_row * rows).max(if rows > 1 { 6 } else { 3 }));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        for vote in &votes[..num_shown] {
            vote_ui(ui, cx, vote, rows > 1);
        }
    });
}

fn vote_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, vote: &Vote, is_vote: bool) {
    let (Some(photo), Some(class)) = (cx.photo(vote.photo), cx.class(vote.class)) else {
        return;
    };
    let size = vec2(VOTE_SIDE, VOTE_SIDE + 15.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let square = Rect::from_min_size(rect.min, Vec2::splat(VOTE_SIDE));
    let side = picture::side_for(square.size(), Fit::Cover, ui.pixels_per_point());
    let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
    picture::paint(ui, square, &thumbnail, Fit::Cover, "");
    super::tile::outline(ui, square, class_colour(class.colour));
    let chip = Rect::from_min_size(square.min + vec2(2.0, 2.0), Vec2::splat(14.0));
    paint_chip(ui.painter(), chip, class);
    ui.painter().text(
        rect.center_bottom(),
        egui::Align2::CENTER_BOTTOM,
        format!("{:.2}", vote.affinity),
        egui::FontId::proportional(11.5),
        Palette::of(ui).text,
    );
    let spoken = format!(
        "{} {} {:.2} — {}",
        if is_vote { "vote" } else { "alike" },
        class.name,
        vote.affinity,
        photo.file_name()
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
    response.context_menu(|ui| super::tile::photo_menu_ui(ui, cx, photo));
    let mut text = format!(
        "{} ({})\ncosine {:.3}",
        photo.file_name(),
        class.name,
        vote.affinity
    );
    if is_vote {
        text = format!("{text}, adds {:.3} to the class's logit", vote.weight);
    }
    if let Some((without, sure)) = vote.without
        && let Some(without) = cx.class(without)
    {
        let sure = super::format::percent(sure);
        text = format!("{text}\nwithout this shot: {}, {sure}", without.name);
    }
    response.on_hover_text(text);
}
