//! The demo without a window.

use anyhow::{Context as _, Result};

use super::photo_list;
use super::{Common, session};
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, SupportRows};
use crate::engine::demo;
use crate::engine::evaluate::{Outcome, Plan, Tuning, support_set};
use crate::features::Features;
use crate::methods::Method;
use crate::methods::overlap::{OverlapOptions, measure};
use crate::progress::Progress;
use crate::project::locations::Locations;

/// Predictions shown of the pool.
const NUM_SHOWN: usize = 12;

/// Prints predictions, accuracy and overlap before and after on the demo's photos.
///
/// # Errors
/// When the demo's photos cannot be written or the model cannot be opened.
pub fn run_headless_demo(common: &Common) -> Result<()> {
    let folder = Locations::find()?.data().join("demo");
    let (support_folder, pool_folder) = demo::unpack(&folder)?;
    let engine = session::open_engine(common)?;
    let support_photos = photo_list::list(&[support_folder])?;
    let pool_photos = photo_list::list(&[pool_folder])?;
    let classes_of: Vec<_> = support_photos
        .iter()
        .map(|photo| photo.class.clone())
        .collect();
    let (classes, _) = photo_list::classes_and_labels(&classes_of);
    let labelled = |photos: &[photo_list::ListedPhoto]| {
        let label =
            |photo: &photo_list::ListedPhoto| classes.binary_search(photo.class.as_ref()?).ok();
        photos
            .iter()
            .filter_map(|photo| Some((photo.path.clone(), label(photo)?)))
            .collect::<Vec<_>>()
    };
    let (support, _) = engine.embed_split(&labelled(&support_photos), None, &Progress::silent())?;
    let (pool, _) = engine.embed_split(&labelled(&pool_photos), None, &Progress::silent())?;
    let spec = AdapterSpec::IsoClip(None);
    let plan = Plan {
        classes: &classes,
        support: &support,
        test: &pool,
        shots: None,
        seeds: &[1],
        methods: &Method::LIVE,
        tuning: &Tuning::LeaveOneOut,
        adapter: &spec,
        adapter_scale: None,
    };
    let outcomes = engine.evaluate(&plan, &Progress::silent())?;
    let set = support_set(&support, classes.len())?;
    let rows = SupportRows {
        support: &set,
        hidden: support.hidden.as_ref(),
    };
    let encoder = AdaptedEncoder::new(&spec, None, &engine, Some(rows))?;
    let adapted = Features::normalized(encoder.adapt(&support.features, support.hidden.as_ref())?)?;
    let options = OverlapOptions::headline();
    let before = measure(set.features(), set.labels(), &options, &Progress::silent())?;
    let after = measure(&adapted, set.labels(), &options, &Progress::silent())?;
    let names: Vec<&str> = pool_photos
        .iter()
        .map(|photo| photo.name.as_str())
        .collect();
    if common.json {
        let methods: Vec<_> = outcomes
            .iter()
            .map(|outcome| method_json(outcome, &classes, &names))
            .collect();
        let figures = |overlap: &crate::methods::overlap::Overlap| serde_json::json!({"auroc": overlap.auroc, "overlap": overlap.overlap});
        let json = serde_json::json!({
            "model": engine.name(), "classes": classes, "methods": methods, "adapter": encoder.title(),
            "before": figures(&before), "after": figures(&after),
        });
        println!("{json}");
        return Ok(());
    }
    println!(
        "Shotlens demo: {} classes, {} shots, {} photos to predict, {}\n",
        classes.len(),
        set.len(),
        names.len(),
        engine.name()
    );
    print_predictions(&outcomes, &classes, &names)?;
    println!("\naccuracy (mean over classes)");
    for outcome in &outcomes {
        if let Ok(confusion) = &outcome.result {
            println!(
                "  {:<16} {:5.1} %",
                outcome.method.title(),
                confusion.mean_recall()
            );
        }
    }
    println!("\noverlap of the support set before");
    print!("{}", super::overlap::text(&before));
    println!("\noverlap after {}", encoder.title());
    print!("{}", super::overlap::text(&after));
    Ok(())
}

fn method_json(outcome: &Outcome, classes: &[String], names: &[&str]) -> serde_json::Value {
    let predictions: Vec<_> = names
        .iter()
        .zip(&outcome.predicted)
        .map(|(name, class)| serde_json::json!({"photo": name, "class": classes[*class]}))
        .collect();
    let accuracy = outcome
        .result
        .as_ref()
        .ok()
        .map(crate::methods::metrics::Confusion::mean_recall);
    serde_json::json!({"method": outcome.method.name(), "accuracy": accuracy, "predictions": predictions})
}

/// Some photos of the pool, those where class names alone are wrong first.
fn print_predictions(outcomes: &[Outcome], classes: &[String], names: &[&str]) -> Result<()> {
    let of = |method| {
        outcomes
            .iter()
            .find(|outcome| outcome.method == method)
            .map(|outcome| &outcome.predicted)
    };
    let zero_shot = of(Method::ZeroShot).context("the demo ran without zero-shot")?;
    let method = of(Method::TipAdapter).context("the demo ran without Tip-Adapter")?;
    let mut order: Vec<usize> = (0..names.len().min(method.len())).collect();
    order.sort_by_key(|row| zero_shot[*row] == method[*row]);
    println!("{:<44} {:<16} Tip-Adapter", "photo", "zero-shot");
    for row in order.into_iter().take(NUM_SHOWN) {
        println!(
            "{:<44} {:<16} {}",
            names[row], classes[zero_shot[row]], classes[method[row]]
        );
    }
    Ok(())
}
