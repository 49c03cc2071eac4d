//! Overlap and variance of the shots, before and after.

use super::figures::SpaceFigures;
use super::material::Material;
use super::spaces::Space;
use crate::engine::EngineError;
use crate::methods::overlap::{ClassVariance, OverlapOptions, measure};
use crate::progress::Progress;

/// Shots that show what an adapter is worth: those that it was not trained on, where they have pairs of both kinds.
pub(super) fn measurable(material: &Material, space: &Space) -> Option<Vec<usize>> {
    let support = &material.support;
    let Some(unseen) = &space.unseen else {
        return Some(material.once.clone());
    };
    let is_first = |row: &usize| material.once.binary_search(row).is_ok();
    let unseen: Vec<usize> = unseen.iter().copied().filter(is_first).collect();
    let mut classes: Vec<usize> = unseen.iter().map(|row| support.labels()[*row]).collect();
    classes.sort_unstable();
    classes.dedup();
    (classes.len() > 1 && classes.len() < unseen.len()).then_some(unseen)
}

pub(super) fn of_space(
    material: &Material,
    space: &Space,
    progress: &Progress<'_>,
) -> Result<SpaceFigures, EngineError> {
    let support = &material.support;
    let measured = measurable(material, space);
    let rows = measured.clone().unwrap_or_else(|| material.once.clone());
    let labels: Vec<usize> = rows.iter().map(|row| support.labels()[*row]).collect();
    let options = OverlapOptions::headline();
    let (original, adapted) = (support.features().select(&rows), space.keys.select(&rows));
    let before = measure(&original, &labels, &options, progress)?;
    let after = match &measured {
        Some(_) => Some(measure(&adapted, &labels, &options, progress)?),
        None => None,
    };
    let mut notes: Vec<String> = space.note.iter().cloned().collect();
    match (&measured, &space.unseen) {
        (None, _) => notes.push("The adapter was trained on these shots, so they cannot show what it is worth: add shots that it has not seen".to_owned()),
        (Some(rows), Some(_)) => notes.push(format!(
            "Before and after on the {} shots that did not train the adapter",
            rows.len()
        )),
        (Some(_), None) => {}
    }
    Ok(SpaceFigures {
        title: space.title.clone(),
        variance_before: ClassVariance::of(&original, &labels),
        variance_after: measured.map(|_| ClassVariance::of(&adapted, &labels)),
        before,
        after,
        num_shots: rows.len(),
        notes,
    })
}
