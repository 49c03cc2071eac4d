//! Icons drawn with lines: no font has them all.

use egui::{Painter, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use super::theme::{self, Palette};

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// A window with its left part set off.
    LeftPanel,
    /// A window with its right part set off.
    RightPanel,
    /// Light colours.
    Sun,
    /// Dark colours.
    Moon,
    /// Either.
    HalfMoon,
}

/// A button with an icon; `name` is for screen readers and the tooltip.
pub(super) fn icon_button_ui(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(28.0, 26.0), Sense::click());
    let palette = Palette::of(ui);
    let is_lit = response.hovered() || response.has_focus();
    if is_lit {
        ui.painter()
            .rect_filled(rect, theme::ROUNDING, palette.button[1]);
    }
    let colour = if is_lit { palette.strong } else { palette.text };
    let square = Rect::from_center_size(rect.center(), Vec2::splat(15.0));
    paint_icon(ui.painter(), square, icon, Stroke::new(1.4, colour));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response.on_hover_text(name)
}

fn paint_icon(painter: &Painter, rect: Rect, icon: Icon, stroke: Stroke) {
    match icon {
        Icon::LeftPanel => paint_window(painter, rect, 0.0..=0.36, stroke),
        Icon::RightPanel => paint_window(painter, rect, 0.64..=1.0, stroke),
        Icon::Sun => paint_sun(painter, rect, stroke),
        Icon::Moon => paint_moon(painter, rect, stroke),
        Icon::HalfMoon => paint_half_moon(painter, rect, stroke),
    }
}

fn paint_window(
    painter: &Painter,
    rect: Rect,
    part: std::ops::RangeInclusive<f32>,
    stroke: Stroke,
) {
    let rect = rect.shrink2(Vec2::new(0.0, 1.5));
    painter.rect_stroke(rect, 2.5, stroke, StrokeKind::Inside);
    let inside = rect.shrink(3.0);
    let at = |share: &f32| egui::lerp(inside.x_range(), *share);
    let part = Rect::from_x_y_ranges(at(part.start())..=at(part.end()), inside.y_range());
    painter.rect_filled(part, 0.5, stroke.color);
}

fn paint_sun(painter: &Painter, rect: Rect, stroke: Stroke) {
    painter.circle_stroke(rect.center(), 3.4, stroke);
    for ray in 0..8_u8 {
        let direction = Vec2::angled(f32::from(ray) * std::f32::consts::TAU / 8.0);
        let from = rect.center() + direction * 5.4;
        painter.line_segment([from, rect.center() + direction * 7.4], stroke);
    }
}

fn paint_moon(painter: &Painter, rect: Rect, stroke: Stroke) {
    // Two arcs through the same tips: the disc's edge and the shadow's.
    let arc = |centre: egui::Pos2, radius: f32, from: f32, to: f32| {
        (0..=20_u8).map(move |step| {
            let angle = egui::lerp(from..=to, f32::from(step) / 20.0);
            centre + Vec2::angled(angle) * radius
        })
    };
    let centre = rect.center();
    let mut points: Vec<_> = arc(centre, 6.5, 0.35, 4.35).collect();
    let shadow = centre + Vec2::new(2.5, -2.5);
    points.extend(arc(shadow, 5.6, 3.95, 0.75));
    painter.add(Shape::closed_line(points, stroke));
}

fn paint_half_moon(painter: &Painter, rect: Rect, stroke: Stroke) {
    let centre = rect.center();
    painter.circle_stroke(centre, 6.4, stroke);
    let half: Vec<_> = (0..=16_u8)
        .map(|step| {
            let angle = std::f32::consts::PI * (0.5 + f32::from(step) / 16.0);
            centre + Vec2::angled(angle) * 6.4
        })
        .collect();
    painter.add(Shape::convex_polygon(half, stroke.color, Stroke::NONE));
}
