//! The demo without a window.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::photo_list::{self, ListedPhoto};
use super::{Common, session};
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec, SupportRows};
use crate::engine::evaluate::{Drawing, Looks, Outcome, Plan, Split, Tuning};
use crate::engine::{Engine, demo, prompts};
use crate::features::Features;
use crate::methods::Method;
use crate::methods::overlap::{Overlap, OverlapOptions, measure};
use crate::progress::Progress;
use crate::project::locations::Locations;
use crate::support::Dataset;

/// Predictions shown of the pool.
const NUM_SHOWN: usize = 12;

/// The demo's photos, embedded.
struct Demo {
    classes: Vec<String>,
    support: Split,
    pool: Split,
    names: Vec<String>,
}

/// Overlap of the shots, before and with which adapter after; a model without projection has no "after".
struct Measured {
    before: Overlap,
    after: Option<(String, Overlap)>,
}

/// Prints predictions, accuracy and overlap before and after on the demo's photos.
///
/// # Errors
/// When the demo's photos cannot be written or the model cannot be opened.
pub fn run_headless_demo(common: &Common) -> Result<()> {
    let engine = session::open_engine(common)?;
    let folder = Locations::find()?.data().join("demo");
    let folders = demo::unpack(&folder)?;
    let spec = demo::adapter_for(&engine, &folder);
    let encoder = AdaptedEncoder::without_support(&spec, None, &engine).ok();
    let demo = Demo::embedded(&engine, folders, encoder.as_ref())?;
    let prompts: Vec<Vec<String>> = demo
        .classes
        .iter()
        .map(|class| vec![prompts::default_prompt(class)])
        .collect();
    let num_shots = demo.support.labels.len();
    let all = Drawing {
        seed: 1,
        shots: num_shots / demo.classes.len().max(1),
        rows: (0..num_shots).collect(),
    };
    let plan = Plan {
        classes: &demo.classes,
        prompts: &prompts,
        support: &demo.support,
        test: &demo.pool,
        drawings: &[all],
        methods: &[Method::ZeroShot, Method::TipAdapter, Method::TipAdapterPp],
        tuning: &Tuning::LeaveOneOut,
        adapter: &spec,
        adapter_scale: None,
        dataset: None,
    };
    let outcomes = engine.evaluate(&plan, &Progress::silent())?;
    let measured = demo.overlap(&engine, &spec)?;
    if common.json {
        println!("{}", demo.json(&engine, &outcomes, &measured));
        return Ok(());
    }
    let (num_classes, num_photos) = (demo.classes.len(), demo.names.len());
    println!(
        "Shotlens demo: {num_classes} classes, {num_shots} shots, {num_photos} photos to predict, {} model\n",
        engine.name()
    );
    print_predictions(&outcomes, &demo.classes, &demo.names)?;
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
    print!("{}", super::overlap::text(&measured.before));
    if let Some((title, after)) = &measured.after {
        println!("\noverlap after {title}");
        print!("{}", super::overlap::text(after));
    }
    Ok(())
}

impl Demo {
    fn embedded(
        engine: &Engine,
        (support_folder, pool_folder): (PathBuf, PathBuf),
        adapter: Option<&AdaptedEncoder>,
    ) -> Result<Self> {
        let support_photos = photo_list::list(&[support_folder])?;
        let pool_photos = photo_list::list(&[pool_folder])?;
        let names = support_photos.iter().map(|photo| photo.name.clone());
        let classes = Dataset::from_paths("", names).classes;
        let looks = Looks {
            adapter,
            ..Looks::default()
        };
        let embed = |photos: &[ListedPhoto]| {
            let label = |photo: &ListedPhoto| classes.binary_search(photo.class.as_ref()?).ok();
            let labelled: Vec<_> = photos
                .iter()
                .filter_map(|photo| Some((photo.path.clone(), label(photo)?)))
                .collect();
            engine
                .embed_split(&labelled, &[], looks, &Progress::silent())
                .map(|(split, _)| split)
        };
        let (support, pool) = (embed(&support_photos)?, embed(&pool_photos)?);
        let names = pool_photos.into_iter().map(|photo| photo.name).collect();
        Ok(Self {
            classes,
            support,
            pool,
            names,
        })
    }

    fn overlap(&self, engine: &Engine, spec: &AdapterSpec) -> Result<Measured> {
        let set = self.support.support_set(self.classes.len())?;
        let measured = |features: &Features| {
            measure(
                features,
                set.labels(),
                &OverlapOptions::headline(),
                &Progress::silent(),
            )
        };
        let rows = SupportRows {
            support: &set,
            hidden: self.support.rows.hidden.as_ref(),
        };
        let encoder = AdaptedEncoder::new(spec, None, engine, Some(rows)).ok();
        let after = encoder.map(|encoder| {
            let adapted = self.support.rows.adapted(&encoder)?;
            anyhow::Ok((encoder.title(), measured(&adapted)?))
        });
        Ok(Measured {
            before: measured(set.features())?,
            after: after.transpose()?,
        })
    }

    fn json(
        &self,
        engine: &Engine,
        outcomes: &[Outcome],
        measured: &Measured,
    ) -> serde_json::Value {
        let methods: Vec<_> = outcomes
            .iter()
            .map(|outcome| method_json(outcome, &self.classes, &self.names))
            .collect();
        let figures = |overlap: &Overlap| serde_json::json!({"auroc": overlap.auroc, "overlap": overlap.overlap});
        serde_json::json!({
            "model": engine.name(), "classes": self.classes, "methods": methods,
            "adapter": measured.after.as_ref().map(|(title, _)| title),
            "before": figures(&measured.before),
            "after": measured.after.as_ref().map(|(_, after)| figures(after)),
        })
    }
}

fn method_json(outcome: &Outcome, classes: &[String], names: &[String]) -> serde_json::Value {
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
fn print_predictions(outcomes: &[Outcome], classes: &[String], names: &[String]) -> Result<()> {
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
