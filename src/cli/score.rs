//! `shotlens score`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::Common;
use super::feature_file::FeatureFile;
use super::tensor_file::TensorWriter;
use crate::features::Features;
use crate::methods::{
    Knowledge, Method, Parameters, Parts, Prompts, Queries, SignatureRange, Views, fit,
};
use crate::support::SupportSet;

/// A method's parameters on the command line.
#[derive(Args, Debug, Clone)]
pub(super) struct ParameterArgs {
    /// Weight of the photos, or what the method calls α [default: 1, or as published]
    #[arg(long, value_parser = finite)]
    alpha: Option<f32>,
    /// Sharpness of the affinity [default: 5.5, or as published]
    #[arg(long, value_parser = finite)]
    beta: Option<f32>,
    /// Weight of the third term; TIMO: sharpness of the prompts' weights [default: 0.1, or as published]
    #[arg(long, value_parser = finite)]
    gamma: Option<f32>,
    /// APE: channels kept [default: half of them]; APE-T: channels trained [default: 25 of 32]
    #[arg(long, value_name = "Q")]
    channels: Option<usize>,
    /// APE, APE-T: weight of the similarity between classes in the choice of channels [default: 0.7; APE-T: 0.2]
    #[arg(long, value_parser = finite)]
    w0: Option<f32>,
    /// APE, APE-T: weight of the variance over class texts in the choice of channels [default: 0.3; APE-T: 0.8]
    #[arg(long, value_parser = finite)]
    w1: Option<f32>,
    /// `ProKeR`: how far the kernel may leave the class texts [default: 0.1; ProKeR++: as published]
    #[arg(long, value_parser = positive)]
    lambda: Option<f32>,
    /// TIMO: prompts of each class that stand beside its photos [default: all]
    #[arg(long, value_name = "N")]
    prompts_per_class: Option<usize>,
    /// Trained methods: passes over the photos [default: chosen on a held-out quarter of them]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Trained methods: the first step size [default: as published]
    #[arg(long, value_parser = positive)]
    lr: Option<f32>,
    /// Trained methods: decides the order of the photos and the starting weights [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl ParameterArgs {
    /// What is not given: today's defaults for the methods that `score` always had, the published values for the others.
    ///
    /// With Tip-X's scale from the file's own queries, as the authors take it.
    pub(super) fn parameters(&self, method: Method, shots: usize) -> Parameters {
        let defaults = match method {
            Method::Ape | Method::ApePp | Method::Gda | Method::ProKeR => Parameters::default(),
            _ => Parameters::published(method, shots),
        };
        self.over(defaults)
    }

    /// These where no flag says otherwise.
    pub(super) fn over(&self, defaults: Parameters) -> Parameters {
        Parameters {
            alpha: self.alpha.unwrap_or(defaults.alpha),
            beta: self.beta.unwrap_or(defaults.beta),
            gamma: self.gamma.unwrap_or(defaults.gamma),
            channels: self.channels.or(defaults.channels),
            w0: self.w0.unwrap_or(defaults.w0),
            w1: self.w1.unwrap_or(defaults.w1),
            lambda: self.lambda.unwrap_or(defaults.lambda),
            num_prompts: self.prompts_per_class.or(defaults.num_prompts),
            epochs: self.epochs.or(defaults.epochs),
            learning_rate: self.lr.or(defaults.learning_rate),
            seed: self.seed.unwrap_or(defaults.seed),
            signature_range: SignatureRange::Queries,
        }
    }
}

fn positive(text: &str) -> Result<f32, String> {
    finite(text)
        .ok()
        .filter(|value| *value > 0.0)
        .ok_or_else(|| "expected a number above 0".to_owned())
}

fn finite(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value: &f32| value.is_finite())
        .ok_or_else(|| "expected a finite number".to_owned())
}

/// Features in, logits out.
#[derive(Args, Debug)]
pub struct ScoreArgs {
    /// A file with support, labels, queries, text, and for some methods adapted features, views, prompts, parts or learned texts;
    /// or a folder with `support.npy` and so on, where clip-retrieval's `img_emb` are queries and its `text_emb` texts
    #[arg(value_name = "F.safetensors")]
    file: PathBuf,
    /// An .npy file of labels, where they are not in the file
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// A method's name, as tip-adapter, gda-pp, timo or taskres
    #[arg(long, value_parser = Method::from_name)]
    method: Method,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// The file to write
    #[arg(long, value_name = "L.safetensors")]
    out: PathBuf,
}

/// What a file of features holds for scoring and tuning.
pub(super) struct ScoringInput {
    pub(super) support: SupportSet,
    pub(super) adapted_keys: Option<Features>,
    pub(super) text: Features,
    pub(super) queries: Features,
    pub(super) adapted_queries: Option<Features>,
    prompts: Option<Prompts>,
    views: Option<SupportSet>,
    adapted_views: Option<Features>,
    /// Photo after photo, `[num_queries · num_parts, dim]`.
    pub(super) query_parts: Option<Features>,
    /// Class texts with learned context.
    pub(super) learned_text: Option<Features>,
}

impl ScoringInput {
    pub(super) fn read(file: &FeatureFile, path: &Path) -> Result<Self> {
        let text = file.features("text")?;
        let labels = labels_within(&file.integers("labels")?, text.len(), "labels", path)?;
        let support = SupportSet::from_rows(file.features("support")?, labels, text.len())
            .with_context(|| format!("the support set of {}", path.display()))?;
        let views = file
            .features_if_there("support_views")?
            .map(|rows| views_of(rows, &support, file, path))
            .transpose()?;
        Ok(Self {
            support,
            adapted_keys: file.features_if_there("support_imo")?,
            queries: file.features("queries")?,
            adapted_queries: file.features_if_there("queries_imo")?,
            prompts: prompts(file, text.len(), path)?,
            text,
            views,
            adapted_views: file.features_if_there("support_views_imo")?,
            query_parts: file.features_if_there("query_parts")?,
            learned_text: file.features_if_there("learned_text")?,
        })
    }

    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        let views = self.views.as_ref().map(|original| Views {
            original,
            adapted: self.adapted_views.as_ref(),
        });
        Knowledge {
            prompts: self.prompts.as_ref(),
            views,
            has_parts: self.query_parts.is_some(),
            learned_text: self.learned_text.as_ref(),
            ..Knowledge::new(&self.support, &self.text)
                .with_adapted_keys(self.adapted_keys.as_ref())
        }
    }

    /// Photos of the class that has most.
    pub(super) fn most_shots(&self) -> usize {
        let shots = self.support.shots_per_class();
        shots.into_iter().max().unwrap_or(0)
    }

    pub(super) fn queries(&self) -> Queries<'_> {
        Queries {
            adapted: self.adapted_queries.as_ref(),
            parts: self.query_parts.as_ref().map(|features| Parts {
                features,
                num_parts: features.len() / self.queries.len().max(1),
            }),
            ..Queries::new(&self.queries)
        }
    }
}

/// `prompts` with `prompt_labels`, where there are any.
fn prompts(file: &FeatureFile, num_classes: usize, path: &Path) -> Result<Option<Prompts>> {
    let Some(features) = file.features_if_there("prompts")? else {
        return Ok(None);
    };
    let labels = file.integers("prompt_labels")?;
    same_length(
        labels.len(),
        "prompt_labels",
        features.len(),
        "prompts",
        path,
    )?;
    let classes = labels_within(&labels, num_classes, "prompt_labels", path)?;
    // Prompts are grouped by class, in the order in which each class has them.
    let mut order: Vec<usize> = (0..classes.len()).collect();
    order.sort_by_key(|row| classes[*row]);
    Ok(Some(Prompts {
        features: features.select(&order),
        classes: order.iter().map(|row| classes[*row]).collect(),
    }))
}

/// `support_views` with `view_labels` and `view_photos`; views of one photo share its group.
fn views_of(
    rows: Features,
    support: &SupportSet,
    file: &FeatureFile,
    path: &Path,
) -> Result<SupportSet> {
    let (labels, photos) = (file.integers("view_labels")?, file.integers("view_photos")?);
    same_length(
        labels.len(),
        "view_labels",
        rows.len(),
        "support_views",
        path,
    )?;
    same_length(
        photos.len(),
        "view_photos",
        rows.len(),
        "support_views",
        path,
    )?;
    let num_classes = support.num_classes();
    let labels = labels_within(&labels, num_classes, "view_labels", path)?;
    let group = |(row, photo): (usize, &i64)| match usize::try_from(*photo) {
        Ok(photo) if photo >= support.len() => bail!(
            "view_photos[{row}] is {photo}, but there are {} support photos: {}",
            support.len(),
            path.display()
        ),
        Ok(photo) if support.labels()[photo] != labels[row] => bail!(
            "view_labels[{row}] is {}, but its photo has label {}: {}",
            labels[row],
            support.labels()[photo],
            path.display()
        ),
        Ok(photo) => Ok(support.groups()[photo]),
        Err(_negative) => bail!("view_photos[{row}] is {photo}: {}", path.display()),
    };
    let groups: Result<Vec<usize>> = photos.iter().enumerate().map(group).collect();
    SupportSet::new(rows, labels, num_classes, groups?)
        .with_context(|| format!("the views of {}", path.display()))
}

fn same_length(got: usize, what: &str, expected: usize, of: &str, path: &Path) -> Result<()> {
    if got != expected {
        bail!("{got} {what} for {expected} {of}: {}", path.display());
    }
    Ok(())
}

/// Labels as indices; one that names no class is an error.
pub(super) fn labels_within(
    labels: &[i64],
    num_classes: usize,
    name: &str,
    path: &Path,
) -> Result<Vec<usize>> {
    let index = |(row, label): (usize, &i64)| match usize::try_from(*label) {
        Ok(label) if label < num_classes => Ok(label),
        _ => bail!(
            "{name}[{row}] is {label}, but the text tensor has {num_classes} classes: {}",
            path.display()
        ),
    };
    labels.iter().enumerate().map(index).collect()
}

pub(super) fn run(args: &ScoreArgs, common: &Common) -> Result<()> {
    let file = FeatureFile::open(&args.file, args.labels.as_deref())?;
    let input = ScoringInput::read(&file, &args.file)?;
    let parameters = args.parameters.parameters(args.method, input.most_shots());
    let classifier = fit(args.method, &parameters, &input.knowledge())?;
    let logits = classifier.logits(input.queries())?;
    let mut writer = TensorWriter::default();
    writer.floats("logits", &logits.0);
    writer.metadata("method", args.method.name());
    writer.write(&args.out)?;
    let (num_queries, num_classes) = (logits.0.rows(), logits.0.cols());
    if common.json {
        println!(
            "{}",
            serde_json::json!({"method": args.method.name(), "queries": num_queries, "classes": num_classes, "out": args.out})
        );
    } else {
        println!(
            "{num_queries} queries, {num_classes} classes by {} in {}",
            args.method.title(),
            args.out.display()
        );
    }
    Ok(())
}
