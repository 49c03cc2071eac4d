//! Overlap against accuracy, by class and by method.

use super::cross_fit::Scored;
use super::figures::{Basis, ClassRow, MethodPoint, SpaceFigures};
use super::material::Material;
use super::overlaps::measurable;
use super::table::before_and_after;
use crate::engine::EngineError;
use crate::methods::Method;
use crate::methods::overlap::{ClassOverlap, ScatterPoint, per_class};
use crate::progress::Progress;

/// Classes with the first kind of adapted features, on the bins that its figures of all classes have.
pub(super) fn classes(
    material: &Material,
    all: &[Scored],
    spaces: &[SpaceFigures],
    basis: Basis,
    progress: &Progress<'_>,
) -> Result<Vec<ClassRow>, EngineError> {
    let Some((space, figures)) = material.spaces.first().zip(spaces.first()) else {
        return Ok(Vec::new());
    };
    let (support, num_classes) = (&material.support, material.classes.len());
    let measured = measurable(material, space);
    let rows = measured.clone().unwrap_or_else(|| material.once.clone());
    let labels: Vec<usize> = rows.iter().map(|row| support.labels()[*row]).collect();
    let num_bins = figures.before.num_bins();
    let original = support.features().select(&rows);
    let before = per_class(&original, &labels, num_classes, num_bins, progress)?;
    let mut after: Vec<Option<ClassOverlap>> = vec![None; num_classes];
    if measured.is_some() {
        let adapted = space.keys.select(&rows);
        let found = per_class(&adapted, &labels, num_classes, num_bins, progress)?;
        after = found.into_iter().map(Some).collect();
    }
    let of = |method, space| {
        let found = all
            .iter()
            .find(|scored| scored.method == method && scored.space == space);
        found.map(|scored| scored.judged(material, basis))
    };
    let plain = of(Method::TipAdapter, None);
    let adapted = of(Method::TipAdapterPp, Some(0));
    let rows = material.classes.iter().zip(before).zip(after).enumerate();
    Ok(rows
        .map(|(class, ((facts, before), after))| {
            let both = plain.as_ref().zip(adapted.as_ref());
            let judged = both.map(|(plain, adapted)| {
                let (plain, adapted) = (plain.of_class(class), adapted.of_class(class));
                (plain.shared(&adapted), adapted.shared(&plain))
            });
            let recall =
                |accuracy: Option<super::Accuracy>| accuracy.map(|found| found.mean_recall);
            ClassRow {
                name: facts.name.clone(),
                before,
                after,
                num_judged: judged.as_ref().map_or(0, |(plain, _)| plain.len()),
                recall_before: judged
                    .as_ref()
                    .and_then(|(plain, _)| recall(plain.accuracy(num_classes))),
                recall_after: judged
                    .as_ref()
                    .and_then(|(_, adapted)| recall(adapted.accuracy(num_classes))),
            }
        })
        .collect())
}

/// Every ++ method on every kind of adapted features against the method without ++.
pub(super) fn methods(
    material: &Material,
    all: &[Scored],
    spaces: &[SpaceFigures],
    basis: Basis,
) -> Vec<MethodPoint> {
    let point = |scored: &Scored| {
        let space = scored.space?;
        let figures = &spaces[space];
        let (before, after) = before_and_after(material, all, scored, basis)?;
        Some(MethodPoint {
            method: scored.method,
            space,
            point: ScatterPoint {
                name: format!("{}, {}", scored.method.title(), figures.title),
                overlap_before: figures.before.overlap?,
                overlap_after: figures.after.as_ref()?.overlap?,
                accuracy_before: before.mean_recall,
                accuracy_after: after.mean_recall,
            },
        })
    };
    all.iter().filter_map(point).collect()
}
