//! Photos as points: what a map shows, and when it is drawn anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::adapters::{name_of, named_file};
use super::{App, Filter};
use crate::engine::map::Ground;
pub use crate::engine::map::Point;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::progress::CancelToken;
use crate::worker::map_worker::{MapEvent, MapJob};
use crate::worker::scoring_worker::{Grounds, ScoreJob};

/// While photos are being embedded, the map follows this often.
const REDRAW_EVERY: Duration = Duration::from_secs(3);
/// Colours follow labels and predictions this often.
const RECOLOUR_EVERY: Duration = Duration::from_millis(150);

/// Where photos are put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapLayout {
    /// So that neighbours stay neighbours.
    #[default]
    Neighbours,
    /// Along the two axes on which they differ most.
    Axes,
    /// Across, from photos to texts.
    Gap,
}

/// What the colour of a point says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapColour {
    /// The class that is predicted.
    #[default]
    Prediction,
    /// The class that it is labelled as, or a shot of.
    Label,
    /// How sure the prediction is.
    Confidence,
    /// Whether label and prediction agree.
    Agreement,
}

/// The colour of a point, before a theme makes it one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hue {
    /// Nothing is known.
    Unknown,
    /// Of a class.
    Class(u8),
    /// Between little (0) and much (1).
    Share(f32),
    /// As it should be.
    Right,
    /// Not as it should be.
    Wrong,
    /// No longer in the project.
    Gone,
}

/// How a point is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ink {
    /// Its colour.
    pub hue: Hue,
    /// Whether it is a shot.
    pub is_shot: bool,
    /// Whether the gallery's filter leaves it out.
    pub is_dim: bool,
}

/// One map of several beside each other.
#[derive(Clone, Debug, Default)]
pub struct MapPane {
    /// As "Original features".
    pub title: String,
    /// A point for each photo, then (not among neighbours) for each text.
    pub points: Arc<Vec<Point>>,
    /// How far the layout is, 0 to 1, while it is under way.
    pub share: Option<f32>,
}

/// What the window shows.
#[derive(Clone, Debug, Default)]
pub struct MapView {
    /// Whether the map stands in the place of the grid.
    pub is_open: bool,
    /// Where photos are put.
    pub layout: MapLayout,
    /// What their colour says.
    pub colour: MapColour,
    /// The photos, in the order of the points.
    pub photos: Arc<Vec<PhotoId>>,
    /// The classes whose texts are the last points of the first pane.
    pub texts: Vec<ClassId>,
    /// Original features and, where there are such, adapted ones.
    pub panes: Vec<MapPane>,
    /// How each photo's point is drawn.
    pub inks: Arc<Vec<Ink>>,
    /// Whether something is on its way.
    pub is_waiting: bool,
}

/// What a map depends on; the same again needs no new one.
#[derive(Clone, Debug, PartialEq)]
struct Key {
    epoch: Generation,
    num_photos: usize,
    num_adapted: usize,
    adapter: Option<String>,
    texts_version: u64,
    num_texts: usize,
}

/// The map and what it was drawn from.
#[derive(Default)]
pub(crate) struct Map {
    pub(crate) view: MapView,
    generation: Generation,
    asked: Option<(Key, Instant)>,
    grounds: Option<Arc<Grounds>>,
    /// Neighbourhoods laid out, by pane.
    laid: [Option<Arc<Vec<Point>>>; 2],
    cancel: CancelToken,
    has_stale_inks: bool,
    inked: Option<Instant>,
}

impl Map {
    /// Labels, predictions or the filter changed.
    pub(super) fn mark_stale(&mut self) {
        self.has_stale_inks = true;
    }

    /// Another project: its photos have the same ids, and stand elsewhere.
    pub(super) fn forget(&mut self) {
        self.cancel.cancel();
        *self = Self {
            view: MapView {
                is_open: self.view.is_open,
                layout: self.view.layout,
                colour: self.view.colour,
                ..MapView::default()
            },
            generation: self.generation.next(),
            ..Self::default()
        };
    }
}

impl App {
    /// Photos as points.
    pub fn map(&self) -> &MapView {
        &self.map.view
    }

    pub(super) fn show_map(&mut self, is_open: bool) {
        self.map.view.is_open = is_open;
        self.map.has_stale_inks = true;
        if is_open {
            self.lay_out_neighbours();
        }
        if !is_open {
            self.map.cancel.cancel();
            // What was left unfinished is begun again when the map is opened again.
            if self.map.view.panes.iter().any(|pane| pane.share.is_some()) {
                self.map.asked = None;
            }
        }
    }

    pub(super) fn set_map_layout(&mut self, layout: MapLayout) {
        self.map.view.layout = layout;
        self.place_points();
        self.lay_out_neighbours();
    }

    pub(super) fn set_map_colour(&mut self, colour: MapColour) {
        self.map.view.colour = colour;
        self.map.inked = None;
        self.map.has_stale_inks = true;
    }

    /// Follows features, texts and adapter while it is shown.
    pub(super) fn map_when_due(&mut self, now: Instant) {
        if !self.map.view.is_open && self.checks.waiting.is_none() {
            return;
        }
        self.ask_for_grounds(now);
        if self.awaits_layout() {
            self.lay_out_neighbours();
        }
        let is_due = |inked: Instant| now.duration_since(inked) > RECOLOUR_EVERY;
        if self.map.has_stale_inks && self.map.inked.is_none_or(is_due) {
            self.map.view.inks = Arc::new(self.inks());
            (self.map.has_stale_inks, self.map.inked) = (false, Some(now));
        }
    }

    fn ask_for_grounds(&mut self, now: Instant) {
        let is_embedding = self.activity.label.is_some();
        let key = self.map_key();
        let is_new = self
            .map
            .asked
            .as_ref()
            .is_none_or(|(asked, _)| *asked != key);
        let too_soon = |asked: &(Key, Instant)| now.duration_since(asked.1) < REDRAW_EVERY;
        let waits = is_embedding && self.map.asked.as_ref().is_some_and(too_soon);
        if !is_new || waits || self.scoring.is_fitting() {
            return;
        }
        self.map.cancel.cancel();
        self.map.generation = self.map.generation.next();
        self.map.asked = Some((key, now));
        self.map.view.is_waiting = true;
        let classes = self.project.state().classes().iter();
        let texts = classes.filter_map(|class| {
            let text = self.embedding.texts.get(&class.id)?;
            Some((class.id, text.mean.clone()))
        });
        let job = ScoreJob::Grounds(self.map.generation, texts.collect());
        self.submit_scoring(job);
    }

    fn map_key(&self) -> Key {
        let (num_photos, num_adapted) = self.embedding.counts();
        let classes = self.project().classes().iter();
        let known = classes.filter(|class| self.embedding.texts.contains_key(&class.id));
        Key {
            epoch: self.embedding.epoch(),
            num_photos,
            num_adapted,
            adapter: self.project().settings().adapter.clone(),
            texts_version: self.embedding.texts_version(),
            num_texts: known.count(),
        }
    }

    pub(super) fn take_in_grounds(&mut self, generation: Generation, grounds: Arc<Grounds>) {
        if generation != self.map.generation {
            return;
        }
        let view = &mut self.map.view;
        view.is_waiting = false;
        view.photos = Arc::new(grounds.photos.clone());
        view.texts.clone_from(&grounds.texts);
        self.map.grounds = Some(grounds);
        self.map.laid = [None, None];
        self.map.has_stale_inks = true;
        self.map.inked = None;
        self.place_points();
        self.lay_out_neighbours();
        self.run_check();
    }

    /// Puts the points where the layout has them, as far as it is known.
    fn place_points(&mut self) {
        let Some(grounds) = &self.map.grounds else {
            return;
        };
        let (layout, laid) = (self.map.view.layout, &self.map.laid);
        let photos_of = |mut points: Vec<Point>| {
            points.truncate(grounds.photos.len());
            points
        };
        let adapter = self.adapter_title();
        let both = [
            ("Original features", &grounds.original),
            (adapter.as_str(), &grounds.adapted),
        ];
        let panes = both
            .into_iter()
            .zip(laid)
            .filter_map(|((title, ground), laid)| {
                let ground = ground.as_ref()?;
                let points = match layout {
                    MapLayout::Axes => Arc::new(ground.principal()),
                    MapLayout::Gap => Arc::new(ground.gap()?),
                    // Until the first layout comes, photos stand where it begins.
                    MapLayout::Neighbours => match laid {
                        Some(points) => Arc::clone(points),
                        None => Arc::new(photos_of(ground.principal())),
                    },
                };
                Some(MapPane {
                    title: title.to_owned(),
                    points,
                    share: None,
                })
            });
        self.map.view.panes = panes.collect();
    }

    /// As "IsoCLIP (0, 0)", or the file's name.
    fn adapter_title(&self) -> String {
        match named_file(self.project().settings()) {
            Some(file) => name_of(&file),
            None => self.overlap.adapter_title.clone(),
        }
    }

    /// Whether there are maps that nobody lays out: drawn while photos were still being embedded.
    fn awaits_layout(&self) -> bool {
        let panes = self.map.view.panes.iter().zip(&self.map.laid);
        let mut waiting = panes.filter(|(pane, laid)| laid.is_none() && pane.share.is_none());
        self.map.view.is_open
            && self.map.view.layout == MapLayout::Neighbours
            && self.activity.label.is_none()
            && self.threads.is_some()
            && waiting.next().is_some()
    }

    /// Has the neighbourhoods laid out that are not yet, once nothing is being embedded.
    fn lay_out_neighbours(&mut self) {
        let wants = self.map.view.is_open
            && self.map.view.layout == MapLayout::Neighbours
            && self.activity.label.is_none();
        let Some(grounds) = self.map.grounds.clone().filter(|_| wants) else {
            return;
        };
        self.map.cancel.cancel();
        self.map.cancel = CancelToken::default();
        let grounds = [&grounds.original, &grounds.adapted];
        for (pane, ground) in grounds.into_iter().flatten().enumerate() {
            if self.map.laid[pane].is_some() {
                continue;
            }
            let job = MapJob::LayOut {
                generation: self.map.generation,
                pane,
                ground: Arc::clone(ground),
                cancel: self.map.cancel.clone(),
            };
            let is_taken = self.submit_map(job);
            if let Some(pane) = self.map.view.panes.get_mut(pane).filter(|_| is_taken) {
                pane.share = Some(0.0);
            }
        }
    }

    /// Whether the thread takes it.
    pub(super) fn submit_map(&self, job: MapJob) -> bool {
        let threads = self.threads.as_ref();
        threads.is_some_and(|threads| threads.map.submit(job))
    }

    pub(super) fn poll_map(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.map.try_next()) {
            match event {
                MapEvent::Layout {
                    generation,
                    pane,
                    share,
                    points,
                } => {
                    if generation == self.map.generation && !self.map.cancel.is_cancelled() {
                        self.take_in_layout(pane, share, points);
                    }
                }
                MapEvent::Neighbours(generation, found) => {
                    self.take_in_neighbours(generation, &found);
                }
            }
        }
    }

    fn take_in_layout(&mut self, pane: usize, share: f32, points: Option<Arc<Vec<Point>>>) {
        let is_shown = self.map.view.layout == MapLayout::Neighbours;
        let is_done = share >= 1.0;
        if is_done {
            self.map.laid[pane].clone_from(&points);
        }
        if let Some(pane) = self.map.view.panes.get_mut(pane).filter(|_| is_shown) {
            pane.share = (!is_done).then_some(share);
            if let Some(points) = points {
                pane.points = points;
            }
        }
    }

    /// The ground of the original features, where it is of all that is embedded.
    pub(super) fn current_ground(&self) -> Option<Arc<Ground>> {
        let is_current = self
            .map
            .asked
            .as_ref()
            .is_some_and(|(asked, _)| *asked == self.map_key());
        let grounds = self
            .map
            .grounds
            .as_ref()
            .filter(|_| is_current && !self.map.view.is_waiting)?;
        grounds.original.clone()
    }

    /// How each point is drawn.
    fn inks(&self) -> Vec<Ink> {
        let shown: Option<HashSet<PhotoId>> = (self.gallery.filter != Filter::All)
            .then(|| self.gallery.photos.iter().copied().collect());
        let ink = |id: &PhotoId| Ink {
            hue: self.hue(*id),
            is_shot: self.has_shot_role(*id),
            is_dim: shown.as_ref().is_some_and(|shown| !shown.contains(id)),
        };
        self.map.view.photos.iter().map(ink).collect()
    }

    fn hue(&self, id: PhotoId) -> Hue {
        let Some(photo) = self.project().photo(id) else {
            return Hue::Gone;
        };
        let of_class = |class: Option<ClassId>| {
            let class = class.and_then(|class| self.project().class(class));
            class.map_or(Hue::Unknown, |class| Hue::Class(class.colour))
        };
        let label = photo.known_class();
        let is_right = |class| photo.known_classes().any(|known| known == class);
        let scored = || self.scoring.predicted_class(id);
        match self.map.view.colour {
            MapColour::Label => of_class(label),
            MapColour::Prediction => of_class(scored().map(|(class, _)| class)),
            MapColour::Confidence => scored().map_or(Hue::Unknown, |(_, sure)| Hue::Share(sure)),
            MapColour::Agreement => match label.zip(scored()) {
                None => Hue::Unknown,
                Some((_, (class, _))) if is_right(class) => Hue::Right,
                Some(_) => Hue::Wrong,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Command;

    #[test]
    fn the_features_of_new_words_make_another_map_and_the_words_alone_do_not() {
        let mut app = App::default();
        app.apply(Command::AddClass("hat".to_owned()));
        let class = app.project().classes()[0].id;
        let text = |app: &mut App, feature: f32| {
            app.embedding
                .pretend_text(class, vec!["hat".to_owned()], vec![feature]);
            app.map_key()
        };
        let first = text(&mut app, 0.5);
        assert_eq!(first, app.map_key());
        app.apply(Command::RenameClass(class, "cap".to_owned()));
        assert_eq!(first, app.map_key());
        assert_ne!(first, text(&mut app, 0.6));
    }

    #[test]
    fn another_project_has_no_points_of_the_one_before() {
        let mut app = App::default();
        app.map.view.photos = Arc::new(vec![PhotoId(1)]);
        app.map.view.colour = MapColour::Label;
        let before = app.map.generation;
        app.project_opened(crate::project::Project::default(), false);
        assert!(app.map().photos.is_empty() && app.map.generation != before);
        assert_eq!(app.map().colour, MapColour::Label);
    }
}
