//! `shotlens bench precision`

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::embed::encode_rate;
use crate::cli::photo_list::{self, ListedPhoto};
use crate::cli::stderr::warn;
use crate::cli::{Common, session};
use crate::clip::{NumberFormat, OpenOptions};
use crate::engine::adapted::AdapterSpec;
use crate::engine::evaluate::{Drawing, Looks, Outcome, Plan, Split, Tuning};
use crate::engine::{Engine, prompts};
use crate::features::{Features, dot};
use crate::methods::Method;
use crate::methods::metrics::Confusion;
use crate::progress::Progress;
use crate::support::Dataset;
use crate::support::split::sample_shots;

/// At their published parameters: tuning would let a format choose others.
const METHODS: [Method; 5] = [
    Method::ZeroShot,
    Method::TipAdapter,
    Method::TipX,
    Method::Ape,
    Method::Gda,
];

/// What a number format changes, on labelled photos.
#[derive(Args, Debug)]
pub struct BenchPrecisionArgs {
    /// Folders with a folder per class
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Photos of each class that the methods learn from; the others are predicted
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    shots: u32,
    /// Of the drawing of shots
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Photos encoded at once, where the encoder is timed
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
}

/// Labelled photos, cut into shots and others.
struct Photos {
    classes: Vec<String>,
    shots: Vec<(PathBuf, usize)>,
    others: Vec<(PathBuf, usize)>,
}

/// What a model made of them in one format.
struct Run {
    format: NumberFormat,
    photos_per_second: f64,
    features: Features,
    outcomes: Vec<Outcome>,
}

pub(super) fn run(args: &BenchPrecisionArgs, common: &Common) -> Result<()> {
    let photos = Photos::listed(args)?;
    let reference = Run::new(NumberFormat::F32, &photos, args, common)?;
    let mut rows = vec![reference.compared(&reference)];
    for format in [NumberFormat::Bf16, NumberFormat::F16] {
        match Run::new(format, &photos, args, common) {
            Ok(run) => rows.push(run.compared(&reference)),
            Err(error) => warn(&format!("{error}")),
        }
    }
    if common.json {
        println!("{}", serde_json::Value::from(rows));
        return Ok(());
    }
    println!(
        "{} photos predicted, {} shots of {} classes\n",
        photos.others.len(),
        photos.shots.len(),
        photos.classes.len()
    );
    for row in &rows {
        println!(
            "{:<5} {:8.1} photos/s, cosine to f32 at least {:.6}, {:.6} in the mean",
            row["dtype"].as_str().unwrap_or_default(),
            row["encode_images_per_second"].as_f64().unwrap_or_default(),
            row["least_cosine"].as_f64().unwrap_or_default(),
            row["mean_cosine"].as_f64().unwrap_or_default(),
        );
        for method in row["methods"].as_array().into_iter().flatten() {
            println!(
                "      {:<12} {:6.2} % right, {} predictions changed",
                method["method"].as_str().unwrap_or_default(),
                method["accuracy_micro"].as_f64().unwrap_or_default(),
                method["changed"],
            );
        }
    }
    Ok(())
}

impl Photos {
    fn listed(args: &BenchPrecisionArgs) -> Result<Self> {
        let listed = photo_list::list(&args.folders)?;
        let names = listed.iter().map(|photo| photo.name.clone());
        let classes = Dataset::from_paths("", names).classes;
        let label = |photo: &ListedPhoto| classes.binary_search(photo.class.as_ref()?).ok();
        let labels: Vec<Option<usize>> = listed.iter().map(label).collect();
        let drawn = sample_shots(&labels, classes.len(), args.shots as usize, args.seed);
        let (mut shots, mut others) = (Vec::new(), Vec::new());
        for (index, (photo, label)) in listed.into_iter().zip(labels).enumerate() {
            let Some(label) = label else { continue };
            let part = if drawn.contains(&index) {
                &mut shots
            } else {
                &mut others
            };
            part.push((photo.path, label));
        }
        if others.is_empty() {
            bail!("every photo is a shot, and none is left to predict; give fewer --shots");
        }
        Ok(Self {
            classes,
            shots,
            others,
        })
    }
}

impl Run {
    fn new(
        format: NumberFormat,
        photos: &Photos,
        args: &BenchPrecisionArgs,
        common: &Common,
    ) -> Result<Self> {
        let options = OpenOptions {
            precision: format.into(),
            ..session::open_options(common)
        };
        let engine = Engine::open(common.model.as_deref(), &options, None)?;
        let embed = |photos: &[(PathBuf, usize)]| {
            engine
                .embed_split(photos, &[], Looks::default(), &Progress::silent())
                .map(|(split, _)| split)
        };
        let (support, test) = (embed(&photos.shots)?, embed(&photos.others)?);
        Ok(Self {
            format,
            photos_per_second: encode_rate(&engine, args.batch as usize)?,
            features: Features::normalized(test.rows.features.clone())?,
            outcomes: outcomes(&engine, photos, &support, &test, args)?,
        })
    }

    /// The row of figures, beside those of `reference`.
    fn compared(&self, reference: &Self) -> serde_json::Value {
        let pairs = (0..self.features.len()).map(|row| (row, reference.features.row(row)));
        let cosines: Vec<f64> = pairs
            .map(|(row, other)| f64::from(dot(self.features.row(row), other)))
            .collect();
        let changed = |(own, other): (&Outcome, &Outcome)| {
            let pairs = own.predicted.iter().zip(&other.predicted);
            pairs.filter(|(own, other)| own != other).count()
        };
        let methods: Vec<_> = (self.outcomes.iter().zip(&reference.outcomes))
            .map(|pair| {
                let accuracy = pair.0.result.as_ref().ok().map(Confusion::micro_accuracy);
                serde_json::json!({
                    "method": pair.0.method.name(), "accuracy_micro": accuracy,
                    "changed": changed(pair), "num_test": pair.0.predicted.len(),
                })
            })
            .collect();
        serde_json::json!({
            "dtype": self.format.name(), "encode_images_per_second": self.photos_per_second,
            "least_cosine": cosines.iter().copied().fold(1.0, f64::min),
            "mean_cosine": cosines.iter().sum::<f64>() / cosines.len() as f64,
            "methods": methods,
        })
    }
}

fn outcomes(
    engine: &Engine,
    photos: &Photos,
    support: &Split,
    test: &Split,
    args: &BenchPrecisionArgs,
) -> Result<Vec<Outcome>> {
    let prompt = |class: &String| vec![prompts::default_prompt(class)];
    let prompts: Vec<Vec<String>> = photos.classes.iter().map(prompt).collect();
    let all = Drawing {
        seed: args.seed,
        shots: args.shots as usize,
        rows: (0..support.labels.len()).collect(),
    };
    let plan = Plan {
        classes: &photos.classes,
        prompts: &prompts,
        support,
        test,
        drawings: &[all],
        methods: &METHODS,
        tuning: &Tuning::None,
        adapter: &AdapterSpec::Pca(None),
        adapter_scale: None,
        dataset: None,
    };
    Ok(engine.evaluate(&plan, &Progress::silent())?)
}
