//! Files dragged onto the window: which zone takes them, what it would do, and the drop itself.
//!
//! winit 0.30 tells that files hover and where they were dropped from, but not where the pointer is meanwhile. So all zones light up while files hover; after the drop the pointer usually enters the window, and for that the drop waits a moment. Where no position comes, [`Destination::Anywhere`] decides.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use egui::{Align2, Event, Id, LayerId, Order, Pos2, Rect, Stroke, StrokeKind};

use crate::app::{App, Command, Destination};

use super::format::counted;
use super::theme::{self, Palette};

/// How long a drop waits for the pointer to come in, in seconds.
const PATIENCE_SECS: f64 = 0.25;

/// The areas that take files, gathered anew in every frame.
#[derive(Default)]
pub(super) struct DropZones {
    zones: Vec<(Rect, Destination)>,
    is_hovering: bool,
    position: Option<Pos2>,
    dropped: Vec<PathBuf>,
    waits_until: f64,
}

/// What hovers, judged by name: looking at the disk would stop the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    num_folders: usize,
    num_photos: usize,
}

impl DropZones {
    /// Starts a frame: forgets the zones and takes in the events.
    pub(super) fn begin_frame(&mut self, context: &egui::Context) {
        self.zones.clear();
        let now = context.time();
        let (is_hovering, moved_to, is_inside, dropped) = context.input(|input| {
            let moved_to = input.events.iter().rev().find_map(|event| match event {
                Event::PointerMoved(position) => Some(*position),
                _ => None,
            });
            let dropped: Vec<PathBuf> = input
                .raw
                .dropped_files
                .iter()
                .map(|file| file.path().to_owned())
                .collect();
            let is_hovering = !input.raw.hovered_files.is_empty();
            (is_hovering, moved_to, input.pointer.hover_pos(), dropped)
        });
        if is_hovering && !self.is_hovering {
            // What the pointer last did before the files came over is no longer true.
            self.position = None;
        }
        if !dropped.is_empty() {
            if !self.is_hovering && self.dropped.is_empty() {
                self.position = is_inside;
            }
            self.dropped.extend(dropped);
            self.waits_until = now + PATIENCE_SECS;
        }
        self.is_hovering = is_hovering;
        if moved_to.is_some() {
            self.position = moved_to;
        }
    }

    /// This area takes files.
    pub(super) fn add(&mut self, ui: &egui::Ui, rect: Rect, destination: Destination) {
        let visible = rect.intersect(ui.clip_rect());
        if visible.is_positive() {
            self.zones.push((visible, destination));
        }
    }

    /// The drop, once it is clear where it went; after the panels are drawn.
    pub(super) fn take(&mut self, context: &egui::Context) -> Option<Command> {
        if self.dropped.is_empty() {
            return None;
        }
        let now = context.time();
        if self.position.is_none() && now < self.waits_until {
            context.request_repaint_after_secs((self.waits_until - now) as f32);
            return None;
        }
        let destination = self
            .position
            .and_then(|position| self.zone_at(position))
            .map_or(Destination::Anywhere, |(_, destination)| destination);
        let paths = std::mem::take(&mut self.dropped);
        Some(Command::AddPaths(destination, paths))
    }

    /// Lights up what takes the files that hover.
    pub(super) fn paint(&self, ui: &egui::Ui, app: &App) {
        if !self.is_hovering {
            return;
        }
        let load = ui.input(|input| {
            Load::of(
                input
                    .raw
                    .hovered_files
                    .iter()
                    .filter_map(|f| f.path.as_deref()),
            )
        });
        let layer = LayerId::new(Order::Foreground, Id::unique("drop zones"));
        let painter = ui.ctx().layer_painter(layer);
        let target = self.position.and_then(|position| self.zone_at(position));
        // The smaller zones last: they lie on the larger ones.
        for (rect, destination) in &self.zones {
            let is_target = target.is_some_and(|(_, target)| target == *destination);
            // Folders on a class are possible but seldom meant.
            let is_unlikely = matches!(destination, Destination::Class(_)) && load.num_folders > 0;
            if !is_target && (self.position.is_some() || is_unlikely) {
                continue;
            }
            paint_zone(&painter, Palette::of(ui), *rect, is_target);
            let text = describe(*destination, load, app);
            label_zone(&painter, Palette::of(ui), *rect, &text, *destination);
        }
    }

    /// The zone under `position`; the last added of those that overlap.
    fn zone_at(&self, position: Pos2) -> Option<(Rect, Destination)> {
        self.zones
            .iter()
            .rev()
            .find(|(rect, _)| rect.contains(position))
            .copied()
    }
}

impl Load {
    fn of<'a>(paths: impl Iterator<Item = &'a Path>) -> Self {
        let mut load = Self::default();
        for path in paths {
            // Folders seldom have an extension.
            match path.extension().and_then(OsStr::to_str) {
                None => load.num_folders += 1,
                Some(_) => load.num_photos += 1,
            }
        }
        load
    }

    fn words(self) -> String {
        let photos = counted(self.num_photos, "photo", "photos");
        let folders = counted(self.num_folders, "folder", "folders");
        match (self.num_folders, self.num_photos) {
            (0, 0) => "the files".to_owned(),
            (0, _) => photos,
            (_, 0) => folders,
            _ => format!("{folders} and {photos}"),
        }
    }
}

fn describe(destination: Destination, load: Load, app: &App) -> String {
    match destination {
        Destination::Support if load.num_folders > 0 => {
            format!("Add {}", counted(load.num_folders, "class", "classes"))
        }
        Destination::Support => format!("Add {} as a class", load.words()),
        Destination::Class(id) => {
            let name = app.project().class(id).map_or("", |class| &class.name);
            format!("Add {} to {name}", load.words())
        }
        Destination::Pool => format!("Add {} to the pool", load.words()),
        Destination::Anywhere => format!("Add {}", load.words()),
    }
}

fn paint_zone(painter: &egui::Painter, palette: &Palette, rect: Rect, is_target: bool) {
    let rect = rect.shrink(2.0);
    let opacity = if is_target { 0.85 } else { 0.6 };
    painter.rect(
        rect,
        f32::from(theme::ROUNDING + 2),
        palette.accent_soft.gamma_multiply(opacity),
        Stroke::new(2.0, palette.accent),
        StrokeKind::Inside,
    );
}

fn label_zone(
    painter: &egui::Painter,
    palette: &Palette,
    rect: Rect,
    text: &str,
    destination: Destination,
) {
    // A label at the foot of the large zones, where no card covers it.
    let (anchor, align) = match destination {
        Destination::Class(_) => (rect.center(), Align2::CENTER_CENTER),
        _ => (
            rect.center_bottom() - egui::vec2(0.0, 28.0),
            Align2::CENTER_BOTTOM,
        ),
    };
    let galley = painter.layout(
        text.to_owned(),
        theme::semibold_font(14.0),
        palette.strong,
        (rect.width() - 24.0).max(40.0),
    );
    let text_rect = align.anchor_size(anchor, galley.size());
    painter.rect_filled(text_rect.expand2(egui::vec2(8.0, 4.0)), 6.0, palette.card);
    painter.galley(text_rect.min, galley, palette.strong);
}

/// Why drops do not arrive on this desktop, if they do not.
pub(super) fn no_drops_reason() -> Option<&'static str> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // winit takes Wayland wherever it can, and its Wayland side has no file drops.
    (cfg!(target_os = "linux") && is_set("WAYLAND_DISPLAY"))
        .then_some("This desktop (Wayland) delivers no dropped files: use the buttons, or paste")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_says_what_it_would_do() {
        let app = App::default();
        let load = Load::of([Path::new("/a/hats"), Path::new("/a/shirts")].into_iter());
        assert_eq!(describe(Destination::Support, load, &app), "Add 2 classes");
        assert_eq!(
            describe(Destination::Pool, load, &app),
            "Add 2 folders to the pool"
        );
        let load = Load::of([Path::new("/a/hat.jpg"), Path::new("/a/more")].into_iter());
        assert_eq!(
            describe(Destination::Pool, load, &app),
            "Add 1 folder and 1 photo to the pool"
        );
    }

    #[test]
    fn the_topmost_zone_takes_the_drop() {
        let mut zones = DropZones::default();
        let rect = |left, right| Rect::from_x_y_ranges(left..=right, 0.0..=10.0);
        zones.zones = vec![
            (rect(0.0, 100.0), Destination::Support),
            (rect(20.0, 40.0), Destination::Class(crate::ids::ClassId(1))),
        ];
        let at = |x| zones.zone_at(Pos2::new(x, 5.0)).map(|zone| zone.1);
        assert_eq!(at(10.0), Some(Destination::Support));
        assert_eq!(at(30.0), Some(Destination::Class(crate::ids::ClassId(1))));
        assert_eq!(at(200.0), None);
    }
}
