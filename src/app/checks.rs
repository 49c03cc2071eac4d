//! What deserves a second look: likely mistakes, photos twice, photos unlike all others, shots that decide; and classes split in two.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::App;
use crate::engine::map::Neighbours;
use crate::ids::{ClassId, Generation, PhotoId};
use crate::progress::CancelToken;
use crate::project::{Edit, LabelSource, Photo, Role};
use crate::worker::map_worker::MapJob;
use crate::worker::scoring_worker::{Decided, ScoreJob, Twins};

/// What the gallery is sorted by after a check for outliers.
const UNUSUAL: &str = "Most unusual first";
/// Photos whose features have at least this cosine show nearly the same.
const NEARLY_THE_SAME: f32 = 0.95;
/// Their distance on the ground of a map, which leaves some of it out, is at most this.
const NEAR: f32 = 0.317;

/// What is looked for by neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Photos that are there twice, or nearly.
    Twins,
    /// Photos that are unlike all others.
    Outliers,
}

/// What was asked for and is not answered.
#[derive(Default)]
pub(crate) struct Checks {
    /// Waits for the ground of the map.
    pub(super) waiting: Option<Check>,
    running: Option<Running>,
    splitting: Option<ClassId>,
    generation: Generation,
}

/// Neighbours that are being found.
struct Running {
    generation: Generation,
    check: Check,
    /// In the order of the ground's rows: the map may go on to another ground meanwhile.
    photos: Arc<Vec<PhotoId>>,
    cancel: CancelToken,
}

impl Checks {
    fn running_in(&self, generation: Generation) -> Option<&Running> {
        self.running
            .as_ref()
            .filter(|running| running.generation == generation)
    }

    /// Neighbours are not wanted any more.
    pub(super) fn stop(&mut self) {
        self.waiting = None;
        if let Some(running) = self.running.take() {
            running.cancel.cancel();
        }
    }

    /// Another project: what is still on its way is about the photos of the one before.
    pub(super) fn forget(&mut self) {
        self.stop();
        self.splitting = None;
        self.generation = self.generation.next();
    }
}

impl App {
    /// Shows what is labelled, or a shot of, a class that the method does not see in it, the surest contradiction first.
    pub(super) fn find_mistakes(&mut self) {
        let project = self.project();
        let contradiction = |photo: &Photo| {
            let (class, sure) = self.scoring.predicted_class(photo.id)?;
            let mut known = photo.known_classes().peekable();
            let contradicts = known.peek().is_some() && known.all(|known| known != class);
            contradicts.then_some((sure, photo.id))
        };
        let mut found: Vec<(f32, PhotoId)> =
            project.photos().iter().filter_map(contradiction).collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        if found.is_empty() {
            return self.info("No label or shot contradicts what is predicted");
        }
        let photos: Vec<PhotoId> = found.into_iter().map(|(_, photo)| photo).collect();
        let title = format!("{} likely mistakes", photos.len());
        self.show_only(photos, title);
        self.look_at(self.gallery.photos.first().copied());
    }

    /// Looks for photos by their neighbours, which takes a moment with many.
    pub(super) fn check(&mut self, check: Check) {
        self.begin_search(UNUSUAL.to_owned());
        self.checks.waiting = Some(check);
        self.run_check();
    }

    /// Has the neighbours found, once there is a ground to find them on.
    pub(super) fn run_check(&mut self) {
        let Some((check, ground)) = self.checks.waiting.zip(self.current_ground()) else {
            return;
        };
        self.checks.waiting = None;
        self.checks.generation = self.checks.generation.next();
        let running = Running {
            generation: self.checks.generation,
            check,
            photos: Arc::clone(&self.map.view.photos),
            cancel: CancelToken::default(),
        };
        let job = MapJob::Neighbours {
            generation: running.generation,
            ground,
            cancel: running.cancel.clone(),
        };
        self.checks.running = Some(running);
        if !self.submit_map(job) {
            self.end_search();
        }
    }

    pub(super) fn take_in_neighbours(&mut self, generation: Generation, found: &Neighbours) {
        let Some(running) = self.checks.running_in(generation) else {
            return;
        };
        let photos = Arc::clone(&running.photos);
        let photos: &[PhotoId] = photos.as_slice();
        match running.check {
            Check::Outliers => {
                let mut alone: Vec<(f32, PhotoId)> = photos
                    .iter()
                    .enumerate()
                    .map(|(row, photo)| {
                        let sum: f32 = found.of(row).map(|(_, distance)| distance).sum();
                        (sum, *photo)
                    })
                    .collect();
                alone.sort_by(|a, b| b.0.total_cmp(&a.0));
                let photos = alone.into_iter().map(|(_, photo)| photo).collect();
                self.show_ranking(UNUSUAL.to_owned(), photos);
            }
            Check::Twins => {
                let near = |row: usize| {
                    let near = found.of(row).filter(move |(other, distance)| {
                        *distance <= NEAR
                            && (row < *other || !found.of(*other).any(|(back, _)| back == row))
                    });
                    near.map(move |(other, _)| (photos[row], photos[other]))
                };
                let pairs = (0..photos.len()).flat_map(near).collect();
                let job = ScoreJob::Twins(generation, pairs, NEARLY_THE_SAME);
                self.submit_scoring(job);
            }
        }
    }

    /// Shows photos that are there twice, group by group, and says where that spoils what is measured.
    pub(super) fn take_in_twins(&mut self, generation: Generation, twins: &[Twins]) {
        if self.checks.running_in(generation).is_none() {
            return;
        }
        self.end_search();
        if twins.is_empty() {
            return self.info("No two photos are nearly the same");
        }
        let groups = groups_of(twins);
        let title = format!(
            "{} photos nearly the same",
            groups.iter().map(Vec::len).sum::<usize>()
        );
        self.show_only(groups.concat(), title);
        self.look_at(self.gallery.photos.first().copied());
        if let Some(text) = self.leaks(twins) {
            self.warn(text);
        }
    }

    /// What twins spoil: accuracy on photos that are shots too, classes with the same photo.
    fn leaks(&self, twins: &[Twins]) -> Option<String> {
        let known = |photo: PhotoId| -> Option<Vec<ClassId>> {
            let photo = self.project().photo(photo)?;
            photo.known_class()?;
            Some(photo.known_classes().collect())
        };
        let is_shot = |photo: PhotoId| self.has_shot_role(photo);
        let leaks = twins
            .iter()
            .filter(|pair| is_shot(pair.first) != is_shot(pair.second));
        let leaks: Vec<&Twins> = leaks.collect();
        let num_exact = leaks.iter().filter(|pair| pair.is_same_file).count();
        let contradicts = |pair: &&Twins| {
            let classes = known(pair.first).zip(known(pair.second));
            classes.is_some_and(|(first, second)| !first.iter().any(|one| second.contains(one)))
        };
        let num_contradictions = twins.iter().filter(contradicts).count();
        let mut said = Vec::new();
        if !leaks.is_empty() {
            said.push(format!(
                "{} of shots and photos of the pool show nearly the same ({num_exact} are the same file): predictions of those photos say little",
                pairs(leaks.len())
            ));
        }
        if num_contradictions > 0 {
            said.push(format!(
                "{} have different classes",
                pairs(num_contradictions)
            ));
        }
        (!said.is_empty()).then(|| said.join(". "))
    }

    /// Finds out which predictions would change without this shot.
    pub(super) fn find_decided(&mut self, shot: PhotoId) {
        self.checks.generation = self.checks.generation.next();
        self.submit_scoring(ScoreJob::Decided(self.checks.generation, shot));
    }

    pub(super) fn take_in_decided(
        &mut self,
        generation: Generation,
        shot: PhotoId,
        decided: Decided,
    ) {
        if generation != self.checks.generation {
            return;
        }
        let name = self.project().photo(shot).map(Photo::file_name);
        let name = name.unwrap_or_default();
        match decided {
            Decided::Unknown => self.info("This method reads all shots together; Tip-Adapter, Tip-X and APE tell what a single shot decides"),
            Decided::Photos(photos) if photos.is_empty() => {
                self.info(format!("Without {name}, no photo would be predicted otherwise"));
            }
            Decided::Photos(photos) => self.show_only(photos, format!("Decided by {name}")),
        }
    }

    /// Has the photos of a class split into two groups that are alike within.
    pub(super) fn split_class(&mut self, class: ClassId) {
        let photos = self.members(class);
        self.checks.generation = self.checks.generation.next();
        self.checks.splitting = Some(class);
        self.submit_scoring(ScoreJob::Split(self.checks.generation, photos));
    }

    /// Shots and labelled photos of a class.
    fn members(&self, class: ClassId) -> Vec<PhotoId> {
        let project = self.project();
        let labelled = project.pool().iter().filter(|photo| {
            let photo = project.photo(**photo);
            photo.is_some_and(|photo| photo.shows(class))
        });
        project
            .shots(class)
            .iter()
            .chain(labelled)
            .copied()
            .collect()
    }

    /// Gives the smaller group a class of its own, in one step.
    pub(super) fn take_in_split(&mut self, generation: Generation, second: &[PhotoId]) {
        let class = self
            .checks
            .splitting
            .take()
            .filter(|_| generation == self.checks.generation);
        let Some(old) = class.and_then(|class| self.project().class(class)).cloned() else {
            return;
        };
        if second.is_empty() {
            return self.warn(format!(
                "{} cannot be split: it takes two photos with features that differ",
                old.name
            ));
        }
        let name = self.free_name(&old.name);
        let new = self.project.state_mut().new_class(&name);
        let id = new.id;
        let is_shot = |photo: &PhotoId| self.has_shot_role(*photo);
        let (shots, labelled): (Vec<PhotoId>, Vec<PhotoId>) =
            second.iter().copied().partition(is_shot);
        let labelled = labelled
            .iter()
            .filter_map(|photo| self.project().photo(*photo));
        let labels = labelled
            .map(|photo| (photo.id, photo.labels_with(id, old.id)))
            .collect();
        let num_moved = second.len();
        let edits = vec![
            Edit::AddClass(new),
            Edit::SetRoles(
                shots
                    .into_iter()
                    .map(|photo| (photo, Role::Shot(id)))
                    .collect(),
            ),
            Edit::labels(labels, LabelSource::User),
        ];
        let title = Some(format!("Split {}", old.name));
        if self.perform(Edit::Batch { title, edits }) {
            let photos = super::files::photos(num_moved);
            self.info(format!(
                "{photos} of {} went to {name}: rename it, or undo",
                old.name
            ));
        }
    }

    /// As "hat 2".
    fn free_name(&self, name: &str) -> String {
        let mut names = (2..).map(|number| format!("{name} {number}"));
        let is_free = |name: &String| self.project().class_named(name).is_none();
        names.find(is_free).unwrap_or_default()
    }
}

fn pairs(count: usize) -> String {
    if count == 1 {
        "1 pair".to_owned()
    } else {
        format!("{count} pairs")
    }
}

/// Photos that are connected by twins, the most alike first.
fn groups_of(twins: &[Twins]) -> Vec<Vec<PhotoId>> {
    let mut group_of: HashMap<PhotoId, usize> = HashMap::new();
    let mut groups: BTreeMap<usize, Vec<PhotoId>> = BTreeMap::new();
    for (number, pair) in twins.iter().enumerate() {
        let found = [pair.first, pair.second].map(|photo| group_of.get(&photo).copied());
        let kept = found[0].or(found[1]).unwrap_or(number);
        let mut moved = match found {
            [Some(first), Some(second)] if first != second => {
                groups.remove(&second).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        for (photo, known) in [pair.first, pair.second].into_iter().zip(found) {
            if known.is_none() {
                moved.push(photo);
            }
        }
        for photo in &moved {
            group_of.insert(*photo, kept);
        }
        groups.entry(kept).or_default().extend(moved);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: i64, second: i64) -> Twins {
        Twins {
            first: PhotoId(first),
            second: PhotoId(second),
            cosine: 0.99,
            is_same_file: false,
        }
    }

    #[test]
    fn a_check_is_of_the_photos_that_it_was_asked_for() {
        let mut app = App::default();
        let pool = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"].map(|name| app.add_photo(name, Role::Pool));
        app.checks.running = Some(Running {
            generation: Generation::default(),
            check: Check::Outliers,
            photos: Arc::new(pool[..3].to_vec()),
            cancel: CancelToken::default(),
        });
        // Meanwhile a fourth photo was embedded, and the map has it.
        app.map.view.photos = Arc::new(pool.to_vec());
        let found = Neighbours {
            count: 1,
            rows: vec![1, 0, 0],
            distances: vec![0.1, 0.2, 0.9],
        };
        app.take_in_neighbours(Generation::default(), &found);
        assert_eq!(app.gallery().photos[..3], [pool[2], pool[1], pool[0]]);
        // In another project it means nothing.
        app.gallery.sort = crate::app::Sort::Added;
        app.forget_searches();
        app.take_in_neighbours(Generation::default(), &found);
        assert_eq!(app.gallery().sort, crate::app::Sort::Added);
    }

    #[test]
    fn twins_of_twins_are_one_group_and_every_photo_is_there_once() {
        let twins = [pair(1, 2), pair(3, 4), pair(5, 6), pair(2, 4), pair(1, 3)];
        let groups = groups_of(&twins);
        let ids: Vec<Vec<i64>> = groups
            .iter()
            .map(|group| group.iter().map(|photo| photo.0).collect())
            .collect();
        assert_eq!(ids, [vec![1, 2, 3, 4], vec![5, 6]]);
    }
}
