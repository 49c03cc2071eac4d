//! The figures for machines.

use std::path::Path;

use serde_json::{Value, json};

use super::page::Page;
use crate::cli::digits;
use crate::engine::report::{
    Accuracy, Basis, ClassRow, MethodRow, PoolSummary, Quartiles, Report, SpaceFigures,
};
use crate::methods::overlap::{ClassOverlap, ClassVariance, Overlap, ScatterPoint, Trend};
use crate::methods::{Method, Parameters};

/// All figures of the page.
pub(super) fn of(page: &Page<'_>, out: &Path) -> Value {
    let report = page.report;
    let Report { model, method, .. } = report;
    let ((class_points, class_trend), (method_points, method_trend)) =
        (page.class_trend(), page.method_trend());
    let classes: Vec<Value> = report
        .classes
        .iter()
        .map(|class| json!({"name": class.name, "shots": class.num_shots, "labelled": class.num_labelled, "prompts": class.prompts}))
        .collect();
    let missing: Vec<Value> = report
        .missing
        .iter()
        .map(|(path, reason)| json!({"path": path.display().to_string(), "reason": reason}))
        .collect();
    json!({
        "title": page.title, "date": page.date, "version": env!("CARGO_PKG_VERSION"), "out": out.display().to_string(),
        "model": {"name": model.name, "hash": model.hash, "device": model.device, "preprocess": model.preprocess, "dim": model.dim},
        "classes": classes, "shots": report.num_shots, "labels_learnt": report.num_labels_learnt,
        "labelled": report.num_labelled, "labelled_left_out": report.num_labelled_left_out,
        "basis": match report.basis { Basis::Labelled => "labelled", Basis::Shots => "shots" },
        "method": {
            "method": method.method.name(), "chosen": method.chosen.name(), "reason": method.obstacle,
            "parameters": parameters(method.method, &method.parameters), "choice": method.choice,
            "class_names": method.use_class_names, "adapter": method.space,
        },
        "stand_in": report.stand_in,
        "overlap": report.spaces.iter().map(space).collect::<Vec<_>>(),
        "unavailable": report.unavailable.iter().map(|(name, reason)| json!({"adapter": name, "reason": reason})).collect::<Vec<_>>(),
        "methods": report.methods.iter().map(method_row).collect::<Vec<_>>(),
        "per_class": report.per_class.iter().map(class_row).collect::<Vec<_>>(),
        "class_scatter": scatter(&class_points, class_trend.as_ref()),
        "method_scatter": scatter(&method_points, method_trend.as_ref()),
        "pool": report.pool.as_ref().map(|pool| pool_summary(report, pool)),
        "missing": missing,
    })
}

/// The parameters that the method has.
fn parameters(method: Method, parameters: &Parameters) -> Value {
    use crate::methods::Parameter::{Alpha, Beta, Gamma};
    let of = |parameter| {
        let has = method.parameters().contains(&parameter);
        has.then(|| digits(parameters.value(parameter)))
    };
    json!({"alpha": of(Alpha), "beta": of(Beta), "gamma": of(Gamma)})
}

fn space(space: &SpaceFigures) -> Value {
    let variance = |of: ClassVariance| json!({"within": of.within, "between": of.between});
    json!({
        "adapter": space.title, "shots": space.num_shots, "notes": space.notes,
        "before": overlap(&space.before), "after": space.after.as_ref().map(overlap),
        "variance_before": variance(space.variance_before), "variance_after": space.variance_after.map(variance),
    })
}

/// The keys of `overlap --json`, and the interval.
fn overlap(of: &Overlap) -> Value {
    let interval = of.auroc_interval.as_ref();
    json!({
        "overlap": of.overlap, "auroc": of.auroc,
        "auroc_interval": interval.map(|interval| [interval.low, interval.high]),
        "paired_mean": of.paired_mean, "unpaired_mean": of.unpaired_mean,
        "num_paired": of.num_paired, "num_unpaired": of.num_unpaired,
        "variance": of.variance, "bins": of.num_bins(), "paired": of.paired, "unpaired": of.unpaired,
        "too_few": of.has_too_few,
    })
}

fn accuracy(of: Accuracy) -> Value {
    json!({"accuracy": of.mean_recall, "right": of.num_right, "judged": of.num_judged, "interval": [of.interval.0, of.interval.1]})
}

fn method_row(row: &MethodRow) -> Value {
    json!({
        "method": row.method.name(), "adapter": row.space, "parameters": parameters(row.method, &row.parameters),
        "tuned": row.is_tuned, "class_names": row.use_class_names,
        "shots": row.shots.map(accuracy), "labelled": row.labelled.map(accuracy),
        "gain_shots": row.gain_shots, "gain_labelled": row.gain_labelled, "reason": row.obstacle,
    })
}

fn class_row(row: &ClassRow) -> Value {
    let overlap = |of: ClassOverlap| json!({"overlap": of.overlap, "auroc": of.auroc, "paired_mean": of.paired_mean, "num_paired": of.num_paired, "num_unpaired": of.num_unpaired});
    json!({
        "name": row.name, "before": overlap(row.before), "after": row.after.map(overlap),
        "judged": row.num_judged, "recall_before": row.recall_before, "recall_after": row.recall_after,
    })
}

fn scatter(points: &[&ScatterPoint], trend: Option<&Trend>) -> Value {
    let point = |point: &&ScatterPoint| {
        json!({
            "name": point.name, "overlap_before": point.overlap_before, "overlap_after": point.overlap_after,
            "accuracy_before": point.accuracy_before, "accuracy_after": point.accuracy_after,
        })
    };
    json!({
        "points": points.iter().map(point).collect::<Vec<_>>(),
        "trend": trend.map(|trend| json!({
            "slope": trend.slope, "intercept": trend.intercept, "correlation": trend.correlation,
            "interval": trend.interval.map(|(low, high)| [low, high]),
            "different_reductions": trend.num_different, "firm": trend.is_firm(),
        })),
    })
}

fn pool_summary(report: &Report, pool: &PoolSummary) -> Value {
    let quartiles =
        |of: Option<Quartiles>| of.map(|of| [of.first, of.median, of.third].map(digits));
    let named = report.classes.iter().zip(&pool.classes);
    let classes: Vec<Value> = named
        .map(|(class, (count, sure))| json!({"name": class.name, "photos": count, "confidence": quartiles(*sure)}))
        .collect();
    json!({
        "photos": pool.num_photos, "classes": classes, "confidence": quartiles(pool.confidence),
        "temperature": digits(pool.temperature), "calibrated": pool.is_calibrated,
    })
}
