//! Photos in rectangles.

use egui::{Align2, Color32, CornerRadius, Mesh, Rect, Shape, TextureHandle, Vec2, pos2};

use super::theme::{self, Palette};
use super::thumbnails::Thumbnail;

/// How much of a photo is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The middle, filling the rectangle: what CLIP sees of it.
    Cover,
    /// All of it.
    Contain,
}

/// Pixels along the longer side that make `size` points sharp on this screen; photos up to 3:2 keep sharp when covered.
pub(super) fn side_for(size: Vec2, fit: Fit, pixels_per_point: f32) -> f32 {
    let side = size.max_elem() * pixels_per_point;
    match fit {
        Fit::Cover => side * 1.3,
        Fit::Contain => side,
    }
}

/// Draws what there is of a photo into `rect` and returns the rectangle the photo itself takes.
pub(super) fn paint(
    ui: &egui::Ui,
    rect: Rect,
    thumbnail: &Thumbnail,
    fit: Fit,
    name: &str,
) -> Rect {
    let palette = Palette::of(ui);
    match thumbnail {
        Thumbnail::Ready(texture) => paint_texture(ui, rect, texture, fit),
        Thumbnail::Loading => {
            ui.painter()
                .rect_filled(rect, theme::ROUNDING, palette.well);
            rect
        }
        Thumbnail::Broken(_) => {
            paint_broken(ui, rect, name, palette);
            rect
        }
    }
}

fn paint_texture(ui: &egui::Ui, rect: Rect, texture: &TextureHandle, fit: Fit) -> Rect {
    let size = texture.size_vec2();
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let (target, uv) = match fit {
        Fit::Contain => {
            let scale = (rect.size() / size).min_elem();
            (Rect::from_center_size(rect.center(), size * scale), whole)
        }
        Fit::Cover => {
            let scale = (rect.size() / size).max_elem();
            let shown = rect.size() / (size * scale);
            (rect, Rect::from_center_size(whole.center(), shown))
        }
    };
    let rounding = CornerRadius::same(theme::ROUNDING);
    ui.painter().add(
        egui::epaint::RectShape::filled(target, rounding, Color32::WHITE)
            .with_texture(texture.id(), uv),
    );
    target
}

fn paint_broken(ui: &egui::Ui, rect: Rect, name: &str, palette: &Palette) {
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.rect_filled(rect, theme::ROUNDING, palette.well);
    let is_small = rect.width() < 60.0;
    let centre = rect.center() - egui::vec2(0.0, if is_small { 0.0 } else { 8.0 });
    painter.text(
        centre,
        Align2::CENTER_CENTER,
        "⚠",
        egui::FontId::proportional((rect.width() * 0.25).clamp(12.0, 28.0)),
        palette.warning,
    );
    if !is_small {
        painter.text(
            rect.center_bottom() - egui::vec2(0.0, 8.0),
            Align2::CENTER_BOTTOM,
            name,
            egui::FontId::proportional(11.0),
            palette.weak,
        );
    }
}

/// Diagonal lines over `rect`: the second colour of the histograms without a colour.
pub(super) fn hatch(rect: Rect, spacing: f32, colour: Color32) -> Shape {
    let mut mesh = Mesh::default();
    let mut x = rect.left() - rect.height();
    while x < rect.right() {
        add_stripe(&mut mesh, rect, x, colour);
        x += spacing;
    }
    Shape::mesh(mesh)
}

/// One stripe from the foot at `x` up to the right, cut off at the sides of `rect`.
fn add_stripe(mesh: &mut Mesh, rect: Rect, x: f32, colour: Color32) {
    const WIDTH: f32 = 1.4;
    let from = (rect.left() - x).max(0.0);
    let to = (rect.right() - x).min(rect.height());
    if from >= to {
        return;
    }
    let at = |along: f32, aside: f32| pos2(x + along + aside, rect.bottom() - along);
    let first = mesh.vertices.len() as u32;
    let clamp = |point: egui::Pos2| pos2(point.x.clamp(rect.left(), rect.right()), point.y);
    for point in [at(from, 0.0), at(from, WIDTH), at(to, 0.0), at(to, WIDTH)] {
        mesh.colored_vertex(clamp(point), colour);
    }
    mesh.add_triangle(first, first + 1, first + 2);
    mesh.add_triangle(first + 1, first + 2, first + 3);
}
