//! Shots judged by shots: the photos of each class are dealt into quarters, and every quarter is classified by the other three
//! at parameters that were chosen on those three, so that no photo had a say in what it is judged by.

use super::material::Material;
use super::spaces::Space;
use crate::engine::EngineError;
use crate::engine::adapted::{NUM_FOLDS, folds};
use crate::engine::evaluate::{Chosen, Ground, Tuning};
use crate::features::Features;
use crate::methods::{self, Knowledge, Method, Monitor, Parameters, Queries};
use crate::progress::Progress;

/// Methods of the report, without ++.
pub(super) const BASES: [Method; 6] = [
    Method::ZeroShot,
    Method::TipAdapter,
    Method::TipX,
    Method::Ape,
    Method::Gda,
    Method::ProKeR,
];

/// Those on adapted features.
pub(super) const ADAPTED: [Method; 5] = [
    Method::TipAdapterPp,
    Method::TipXPp,
    Method::ApePp,
    Method::GdaPp,
    Method::ProKeRPp,
];

/// How a method classified what judges it.
pub(super) struct Scored {
    pub(super) method: Method,
    /// Index of its kind of adapted features.
    pub(super) space: Option<usize>,
    /// Why it could not.
    pub(super) obstacle: Option<String>,
    /// Chosen on all shots.
    pub(super) chosen: Chosen,
    /// Class given to each shot by the others; `None` where it does not judge.
    pub(super) shots: Vec<Option<usize>>,
    /// Class given to each photo of [`Material::test`].
    pub(super) labelled: Vec<usize>,
}

/// Judges methods on one project.
pub(super) struct CrossFit<'a> {
    material: &'a Material,
    folds: Vec<usize>,
    progress: &'a Progress<'a>,
}

/// Shots, some of which are learnt from.
struct Part<'a> {
    space: Option<&'a Space>,
    /// Rows that are learnt from.
    rows: Vec<usize>,
}

impl<'a> CrossFit<'a> {
    pub(super) fn new(material: &'a Material, progress: &'a Progress<'a>) -> Self {
        Self {
            material,
            folds: folds(&material.support),
            progress,
        }
    }

    /// Every method of the report, which `progress` counts; one that cannot apply has its reason.
    pub(super) fn all(&self, progress: &Progress<'_>) -> Result<Vec<Scored>, EngineError> {
        let spaces = 0..self.material.spaces.len();
        let adapted = spaces.flat_map(|space| ADAPTED.map(|method| (method, Some(space))));
        let bases = BASES.map(|method| (method, None));
        let wanted: Vec<(Method, Option<usize>)> = bases.into_iter().chain(adapted).collect();
        let mut all = Vec::with_capacity(wanted.len());
        for (method, space) in &wanted {
            progress.step(all.len(), wanted.len())?;
            all.push(self.scored(*method, *space)?);
        }
        progress.step(wanted.len(), wanted.len())?;
        Ok(all)
    }

    fn scored(&self, method: Method, index: Option<usize>) -> Result<Scored, EngineError> {
        let space = index.map(|index| &self.material.spaces[index]);
        let all = Part {
            space,
            rows: (0..self.material.support.len()).collect(),
        };
        let mut scored = Scored {
            method,
            space: index,
            obstacle: None,
            chosen: Chosen {
                parameters: self.defaults(method, &all),
                is_tuned: false,
                use_class_names: self.material.use_class_names,
            },
            shots: vec![None; all.rows.len()],
            labelled: Vec::new(),
        };
        match self.score_into(&mut scored, &all) {
            Err(EngineError::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) => scored.obstacle = Some(error.to_string()),
            Ok(()) => {}
        }
        Ok(scored)
    }

    fn score_into(&self, scored: &mut Scored, all: &Part<'_>) -> Result<(), EngineError> {
        let (method, space) = (scored.method, all.space);
        let test: Vec<usize> = self.material.test.iter().map(|(row, _)| *row).collect();
        let pool = &self.material.pool;
        let (original, adapted) = (
            pool.select(&test),
            space.map(|space| space.pool.select(&test)),
        );
        (scored.chosen, scored.labelled) = self.learn(method, all, &original, adapted.as_ref())?;
        for fold in 0..NUM_FOLDS {
            let (judged, rest) = self.divided(fold, space);
            if judged.is_empty() {
                continue;
            }
            let part = Part { space, rows: rest };
            let original = self.material.support.features().select(&judged);
            let adapted = space.map(|space| space.keys.select(&judged));
            let (_, classes) = self.learn(method, &part, &original, adapted.as_ref())?;
            for (row, class) in judged.into_iter().zip(classes) {
                scored.shots[row] = Some(class);
            }
        }
        Ok(())
    }

    /// Rows of a quarter that judge, and rows of the others, without copies of those.
    fn divided(&self, fold: usize, space: Option<&Space>) -> (Vec<usize>, Vec<usize>) {
        let support = &self.material.support;
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..support.len()).partition(|row| self.folds[*row] == fold);
        let groups: Vec<usize> = own.iter().map(|row| support.groups()[*row]).collect();
        let rest: Vec<usize> = others
            .into_iter()
            .filter(|row| !groups.contains(&support.groups()[*row]))
            .collect();
        let has_shots = |class: usize| rest.iter().any(|row| support.labels()[*row] == class);
        let unseen = space.and_then(|space| space.unseen.as_ref());
        let judges = |row: &usize| {
            has_shots(support.labels()[*row]) && unseen.is_none_or(|unseen| unseen.contains(row))
        };
        (own.into_iter().filter(judges).collect(), rest)
    }

    /// Parameters chosen on a part of the shots, and the classes that they then give the queries.
    fn learn(
        &self,
        method: Method,
        part: &Part<'_>,
        original: &Features,
        adapted: Option<&Features>,
    ) -> Result<(Chosen, Vec<usize>), EngineError> {
        let support = self.material.support.select(&part.rows);
        let keys = part.space.map(|space| space.keys.select(&part.rows));
        let knowledge = Knowledge {
            support: &support,
            adapted_keys: keys.as_ref(),
            ..self.material.knowledge(None)
        };
        methods::check(method, &knowledge)?;
        let unseen = part.unseen();
        let ground = Ground {
            knowledge: &knowledge,
            validation: None,
            unseen: unseen.as_deref(),
            dataset: None,
        };
        let defaults = self.defaults(method, part);
        let chosen = Tuning::LeaveOneOut.choose(method, defaults, &ground, self.progress)?;
        if original.is_empty() {
            return Ok((chosen, Vec::new()));
        }
        let knowledge = Knowledge {
            use_class_names: chosen.use_class_names,
            ..knowledge
        };
        let monitor = Monitor::silent();
        let classifier =
            methods::fit_tuned(method, &defaults, &chosen.parameters, &knowledge, &monitor)?;
        let queries = Queries {
            adapted,
            ..Queries::new(original)
        };
        let logits = classifier.predict(queries, self.progress)?;
        Ok((chosen, logits.top_classes()))
    }

    fn defaults(&self, method: Method, part: &Part<'_>) -> Parameters {
        let shots = self.material.support.select(&part.rows).shots_per_class();
        Parameters::published(method, shots.into_iter().max().unwrap_or(0))
    }
}

impl Part<'_> {
    /// Where among the rows those are that did not train the adapter, where some did.
    fn unseen(&self) -> Option<Vec<usize>> {
        let unseen = self.space?.unseen.as_ref()?;
        let places = 0..self.rows.len();
        Some(
            places
                .filter(|place| unseen.contains(&self.rows[*place]))
                .collect(),
        )
    }
}
