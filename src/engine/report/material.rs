//! What a report is made of: the project's photos as features, original and adapted.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::figures::ClassFacts;
use super::spaces::{Space, Spaces, Wanted};
use crate::engine::evaluate::{Looks, Split};
use crate::engine::prompts::class_means;
use crate::engine::{Engine, EngineError};
use crate::features::Features;
use crate::ids::{ClassId, PhotoId};
use crate::methods::{Knowledge, Prompts};
use crate::progress::Progress;
use crate::project::{Class, FileStamp, Photo, ProjectState, Role};
use crate::support::SupportSet;

/// All that is measured.
pub(super) struct Material {
    pub(super) classes: Vec<ClassFacts>,
    /// One text feature a class.
    pub(super) text: Features,
    pub(super) prompts: Prompts,
    pub(super) use_class_names: bool,
    /// Shots, original features.
    pub(super) support: SupportSet,
    /// Rows of it without the further ones of photos that are learnt as several classes.
    pub(super) once: Vec<usize>,
    pub(super) num_labels_learnt: usize,
    /// Photos to predict, original features.
    pub(super) pool: Features,
    /// Rows of the pool that judge, with the classes that they show, the main one first.
    pub(super) test: Vec<(usize, Vec<usize>)>,
    pub(super) num_labelled_left_out: usize,
    /// First the one that the report is about.
    pub(super) spaces: Vec<Space>,
    pub(super) stand_in: Option<String>,
    pub(super) unavailable: Vec<(String, String)>,
    pub(super) missing: Vec<(PathBuf, String)>,
}

/// A photo of the project and what it is for.
struct Listed {
    path: PathBuf,
    file: FileStamp,
    /// Its class, for a shot.
    shot_of: Option<usize>,
    /// What it is labelled, for a photo of the pool; the main label first.
    labels: Vec<usize>,
    /// Whether it stands there again, for a further label.
    is_again: bool,
    /// Whether it is a shot because it is labelled.
    is_learnt: bool,
}

impl Material {
    pub(super) fn of(
        engine: &Engine,
        state: &ProjectState,
        progress: &Progress<'_>,
    ) -> Result<Self, EngineError> {
        let listed = listed(state);
        let wanted = Wanted::of(engine, state.settings());
        let photos: Vec<(PathBuf, usize)> = listed
            .iter()
            .map(|photo| (photo.path.clone(), photo.shot_of.unwrap_or(0)))
            .collect();
        let known: Vec<FileStamp> = listed.iter().map(|photo| photo.file).collect();
        let looks = Looks {
            adapter: wanted.file(),
            ..Looks::default()
        };
        let (all, skipped) = engine.embed_split(&photos, &known, looks, progress)?;
        let of = |is_shot: bool| -> Vec<usize> {
            (0..all.places.len())
                .filter(|row| listed[all.places[*row]].shot_of.is_some() == is_shot)
                .collect()
        };
        let (shots, pool) = (all.select(&of(true)), all.select(&of(false)));
        if shots.labels.is_empty() {
            return Err(EngineError::Report(no_shots(skipped.first())));
        }
        let texts: Vec<Vec<String>> = state.classes().iter().map(Class::texts).collect();
        let prompts = engine.prompt_features(texts.iter().map(Vec::as_slice))?;
        let support = shots.support_set(texts.len())?;
        let spaces = Spaces::of(engine, wanted, &support, (&shots, &pool))?;
        let mut material = Self {
            text: class_means(&prompts, texts.len())?,
            prompts,
            use_class_names: state.settings().use_class_names,
            num_labels_learnt: learnt_from(&listed, &shots),
            pool: Features::normalized(pool.rows.features.clone())?,
            test: Vec::new(),
            num_labelled_left_out: 0,
            spaces: spaces.there,
            stand_in: spaces.stand_in,
            unavailable: spaces.unavailable,
            once: (0..shots.places.len())
                .filter(|row| !listed[shots.places[*row]].is_again)
                .collect(),
            missing: skipped
                .into_iter()
                .map(|(index, reason)| (listed[index].path.clone(), reason))
                .collect(),
            classes: Vec::new(),
            support,
        };
        material.find_test(&listed, (&shots, &pool));
        material.classes = material.class_facts(state, texts);
        Ok(material)
    }

    /// What `space`'s methods learn from; without a space, those on original features.
    pub(super) fn knowledge<'a>(&'a self, space: Option<&'a Space>) -> Knowledge<'a> {
        Knowledge {
            prompts: Some(&self.prompts),
            use_class_names: self.use_class_names,
            ..Knowledge::new(&self.support, &self.text)
                .with_adapted_keys(space.map(|space| &space.keys))
        }
    }

    /// The labelled photos of the pool that judge: no copies of shots, and none that trained an adapter.
    fn find_test(&mut self, listed: &[Listed], (shots, pool): (&Split, &Split)) {
        let known: HashSet<_> = shots.hashes.iter().collect();
        for (row, place) in pool.places.iter().enumerate() {
            let labels = &listed[*place].labels;
            if labels.is_empty() {
                continue;
            }
            let has_trained = |space: &Space| space.pool_seen.contains(&row);
            if self.spaces.iter().any(has_trained) || known.contains(&pool.hashes[row]) {
                self.num_labelled_left_out += 1;
            } else {
                self.test.push((row, labels.clone()));
            }
        }
    }

    fn class_facts(&self, state: &ProjectState, texts: Vec<Vec<String>>) -> Vec<ClassFacts> {
        let shots = self.support.rows_per_class();
        let classes = state.classes().iter().zip(texts).enumerate();
        classes
            .map(|(index, (class, prompts))| ClassFacts {
                name: class.name.clone(),
                prompts,
                num_shots: shots[index],
                num_labelled: self
                    .test
                    .iter()
                    .filter(|(_, labels)| labels.contains(&index))
                    .count(),
            })
            .collect()
    }
}

/// Every photo once, those of the support set by class, as the window takes them; one with several labels to learn from once for
/// each.
fn listed(state: &ProjectState) -> Vec<Listed> {
    let mut support: HashMap<PhotoId, Vec<usize>> = HashMap::new();
    for (photo, class) in state.support() {
        support.entry(photo).or_default().push(class);
    }
    let index_of = |id: ClassId| state.classes().iter().position(|class| class.id == id);
    let listed_of = |photo: &Photo, shot_of: Option<usize>, is_again: bool| Listed {
        path: photo.path.to_path_buf(),
        file: photo.file,
        shot_of,
        is_again,
        labels: photo.labels().filter_map(index_of).collect(),
        is_learnt: shot_of.is_some() && photo.role == Role::Pool,
    };
    let mut listed: Vec<Listed> = Vec::with_capacity(state.photos().len());
    for photo in state.photos() {
        match support.get(&photo.id) {
            Some(classes) => {
                let each = classes.iter().enumerate();
                listed.extend(each.map(|(n, class)| listed_of(photo, Some(*class), n > 0)));
            }
            None => listed.push(listed_of(photo, None, false)),
        }
    }
    // Stable: within a class, shots before labelled photos and both as they were added.
    listed.sort_by_key(|photo| (photo.shot_of.unwrap_or(usize::MAX), photo.is_learnt));
    listed
}

fn learnt_from(listed: &[Listed], shots: &Split) -> usize {
    let places = shots.places.iter();
    places.filter(|place| listed[**place].is_learnt).count()
}

fn no_shots(skipped: Option<&(usize, String)>) -> String {
    match skipped {
        None => {
            "the project has no shots to report on: open it in the window and drop photos on its classes".to_owned()
        }
        Some((_, reason)) => format!(
            "none of the project's shots can be read: put the photos back where they were, or drop others on its classes ({reason})"
        ),
    }
}
