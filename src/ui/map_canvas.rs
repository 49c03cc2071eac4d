//! Where points of a map stand on the screen: the part that is seen, the points as one mesh, the point under the pointer.

use std::sync::Arc;

use egui::{Color32, Mesh, Pos2, Rect, TextureId, Vec2, pos2, vec2};

use crate::app::{Hue, Ink, Point};

use super::theme::{Palette, class_colour, heat};

/// How near the pointer must be to a point, in screen points.
const REACH: f32 = 10.0;
const MARGIN: f32 = 24.0;
/// More points than this are thinned out evenly: beyond, neighbours cover each other anyway.
const MOST_DRAWN: usize = 150_000;

/// The part of a map that is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Camera {
    /// Times larger than when all is seen.
    pub(super) zoom: f32,
    /// The point of the map in the middle, as a share of its extent, 0 to 1.
    pub(super) centre: [f32; 2],
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            centre: [0.5, 0.5],
        }
    }
}

/// How a map is laid on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    area: Rect,
    low: Point,
    extent: f32,
    camera: Camera,
}

impl Frame {
    /// The frame that shows all `points` in `area`, seen by `camera`.
    pub(super) fn new(points: &[Point], area: Rect, camera: Camera) -> Self {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in points {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let extent = (high[0] - low[0]).max(high[1] - low[1]).max(1e-6);
        let middle = [
            f32::midpoint(low[0], high[0]),
            f32::midpoint(low[1], high[1]),
        ];
        Self {
            area,
            low: middle.map(|x| x - extent / 2.0),
            extent,
            camera,
        }
    }

    /// The same points, seen by another camera.
    pub(super) fn seen_by(self, camera: Camera) -> Self {
        Self { camera, ..self }
    }

    fn scale(&self) -> f32 {
        (self.area.size().min_elem() - 2.0 * MARGIN).max(20.0) * self.camera.zoom
    }

    /// Where a point of the map stands.
    pub(super) fn on_screen(&self, point: Point) -> Pos2 {
        let share = |axis: usize| (point[axis] - self.low[axis]) / self.extent;
        let offset = vec2(
            share(0) - self.camera.centre[0],
            self.camera.centre[1] - share(1),
        );
        self.area.center() + offset * self.scale()
    }

    /// The camera after a zoom by `factor` around a place of the screen.
    pub(super) fn zoomed(&self, factor: f32, around: Pos2) -> Camera {
        let zoom = (self.camera.zoom * factor).clamp(0.5, 400.0);
        let offset = (around - self.area.center()) / self.scale();
        let shift = 1.0 - self.camera.zoom / zoom;
        Camera {
            zoom,
            centre: [
                self.camera.centre[0] + offset.x * shift,
                self.camera.centre[1] - offset.y * shift,
            ],
        }
    }

    /// The camera after the map was pushed by `by`.
    pub(super) fn moved(&self, by: Vec2) -> Camera {
        let by = by / self.scale();
        Camera {
            centre: [self.camera.centre[0] - by.x, self.camera.centre[1] + by.y],
            ..self.camera
        }
    }

    /// The index of the point that is nearest to a place of the screen, within reach.
    pub(super) fn nearest(&self, points: &[Point], inks: &[Ink], to: Pos2) -> Option<usize> {
        let distances = points.iter().zip(inks).enumerate();
        let seen = distances.filter(|(_, (_, ink))| ink.hue != Hue::Gone);
        let keyed = seen.map(|(index, (point, _))| (self.on_screen(*point).distance_sq(to), index));
        let nearest = keyed.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (nearest.0 < REACH * REACH).then_some(nearest.1)
    }

    /// Indices of the points inside a closed line drawn on the screen.
    pub(super) fn inside(&self, points: &[Point], inks: &[Ink], line: &[Pos2]) -> Vec<usize> {
        let bounds = Rect::from_points(line);
        let is_inside = |index: &usize| {
            let at = self.on_screen(points[*index]);
            inks[*index].hue != Hue::Gone && bounds.contains(at) && is_within(line, at)
        };
        (0..points.len().min(inks.len()))
            .filter(is_inside)
            .collect()
    }

    /// Radius of a point in screen points, for so many of them.
    pub(super) fn radius(&self, num_points: usize) -> f32 {
        let at_rest = 11.0 / (num_points.max(1) as f32).powf(0.2);
        (at_rest * self.camera.zoom.max(1.0).powf(0.25)).clamp(1.4, 9.0)
    }
}

/// Whether a place is inside a closed line: a ray from it crosses the line an odd number of times.
fn is_within(line: &[Pos2], at: Pos2) -> bool {
    let mut inside = false;
    let mut before = line.len() - 1;
    for (index, end) in line.iter().enumerate() {
        let start = line[before];
        let crosses = (end.y > at.y) != (start.y > at.y);
        if crosses && at.x < (start.x - end.x) * (at.y - end.y) / (start.y - end.y) + end.x {
            inside = !inside;
        }
        before = index;
    }
    inside
}

/// What a mesh of points was made from; equal keys need no new mesh.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MeshKey {
    pub(super) points: usize,
    pub(super) inks: usize,
    pub(super) marks: u64,
    pub(super) frame: Frame,
    pub(super) is_dark: bool,
}

/// The points that are seen as one mesh of textured squares: shots and selected photos larger and on top.
pub(super) fn mesh_of(
    frame: &Frame,
    points: &[Point],
    inks: &[Ink],
    is_marked: impl Fn(usize) -> bool,
    disc: TextureId,
    palette: &Palette,
) -> Arc<Mesh> {
    let radius = frame.radius(points.len());
    let seen = frame.area.expand(radius);
    let mut ordinary = Mesh::with_texture(disc);
    let mut on_top = Mesh::with_texture(disc);
    let step = points.len().div_ceil(MOST_DRAWN);
    // Zoomed in, all that are seen are drawn.
    let step = if frame.camera.zoom > 4.0 { 1 } else { step };
    for (index, (point, ink)) in points.iter().zip(inks).enumerate() {
        let at = frame.on_screen(*point);
        let marked = is_marked(index);
        let is_drawn = index.is_multiple_of(step) || marked || ink.is_shot;
        if ink.hue == Hue::Gone || !is_drawn || !seen.contains(at) {
            continue;
        }
        let colour = colour_of(*ink, palette);
        if marked {
            add_disc(&mut on_top, at, radius * 1.9 + 1.5, palette.strong);
            add_disc(&mut on_top, at, radius * 1.5, colour);
        } else if ink.is_shot && !ink.is_dim {
            add_disc(&mut on_top, at, radius * 1.25 + 1.0, palette.weak);
            add_disc(&mut on_top, at, radius * 1.25, palette.panel);
            add_disc(&mut on_top, at, radius * 0.85, colour);
        } else {
            add_disc(&mut ordinary, at, radius, colour);
        }
    }
    ordinary.append(on_top);
    Arc::new(ordinary)
}

fn add_disc(mesh: &mut Mesh, at: Pos2, radius: f32, colour: Color32) {
    let rect = Rect::from_center_size(at, Vec2::splat(2.0 * radius));
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    mesh.add_rect_with_uv(rect, whole, colour);
}

/// The colour of a point in a theme.
pub(super) fn colour_of(ink: Ink, palette: &Palette) -> Color32 {
    let colour = match ink.hue {
        Hue::Unknown | Hue::Gone => palette.weak.gamma_multiply(0.7),
        Hue::Class(index) => class_colour(index),
        Hue::Share(share) => heat(share),
        Hue::Right => palette.good,
        Hue::Wrong => palette.error,
    };
    if ink.is_dim {
        return colour.gamma_multiply(0.15);
    }
    colour
}

/// A white disc with a soft edge, for [`mesh_of`].
pub(super) fn disc_image() -> egui::ColorImage {
    const SIDE: usize = 32;
    let middle = (SIDE as f32 - 1.0) / 2.0;
    let mut image = egui::ColorImage::filled([SIDE, SIDE], Color32::TRANSPARENT);
    for (index, pixel) in image.pixels.iter_mut().enumerate() {
        let (x, y) = (
            (index % SIDE) as f32 - middle,
            (index / SIDE) as f32 - middle,
        );
        let inside = (middle - x.hypot(y)).clamp(0.0, 1.0);
        *pixel = Color32::from_white_alpha((inside * 255.0) as u8);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [Point; 4] = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
    const INK: Ink = Ink {
        hue: Hue::Unknown,
        is_shot: false,
        is_dim: false,
    };

    fn frame(camera: Camera) -> Frame {
        let area = Rect::from_min_size(pos2(100.0, 50.0), vec2(448.0, 348.0));
        Frame::new(&POINTS, area, camera)
    }

    #[test]
    fn all_points_are_seen_and_up_is_up() {
        let frame = frame(Camera::default());
        let at: Vec<Pos2> = POINTS.iter().map(|point| frame.on_screen(*point)).collect();
        assert!(at[0].y > at[3].y && at[0].x < at[1].x);
        assert!((at[1].x - at[0].x - 300.0).abs() < 1e-3);
        assert_eq!(
            frame.nearest(&POINTS, &[INK; 4], at[2] + vec2(3.0, 3.0)),
            Some(2)
        );
        assert_eq!(
            frame.nearest(&POINTS, &[INK; 4], at[2] + vec2(30.0, 3.0)),
            None
        );
    }

    #[test]
    fn what_is_under_the_pointer_stays_there_in_a_zoom() {
        let before = frame(Camera::default());
        let under = before.on_screen(POINTS[2]);
        let after = frame(before.zoomed(3.0, under));
        assert!((after.on_screen(POINTS[2]) - under).length() < 1e-2);
        let pushed = frame(after.moved(vec2(7.0, -4.0)));
        assert!((pushed.on_screen(POINTS[2]) - under - vec2(7.0, -4.0)).length() < 1e-2);
    }

    #[test]
    fn a_line_holds_what_is_inside_it() {
        let frame = frame(Camera::default());
        let at = |x: f32, y: f32| frame.on_screen([x, y]);
        let around_the_left = [at(-1.0, -1.0), at(4.0, -1.0), at(4.0, 11.0), at(-1.0, 11.0)];
        assert_eq!(frame.inside(&POINTS, &[INK; 4], &around_the_left), [0, 3]);
        let gone = Ink {
            hue: Hue::Gone,
            ..INK
        };
        assert_eq!(
            frame.inside(&POINTS, &[gone, INK, INK, INK], &around_the_left),
            [3]
        );
    }
}
