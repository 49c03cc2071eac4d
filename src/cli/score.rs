//! `shotlens score`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::Common;
use super::tensor_file::{TensorFile, TensorWriter};
use crate::features::Features;
use crate::methods::{Knowledge, Method, Parameters, Parts, Queries, SignatureRange, fit};
use crate::support::SupportSet;

/// A method's parameters on the command line.
#[derive(Args, Debug, Clone)]
pub(super) struct ParameterArgs {
    /// Weight of the cache [default: 1]
    #[arg(long, value_parser = finite)]
    alpha: Option<f32>,
    /// Sharpness of the affinity [default: 5.5]
    #[arg(long, value_parser = finite)]
    beta: Option<f32>,
    /// Weight of the third term, for methods that have one [default: 0.1]
    #[arg(long, value_parser = finite)]
    gamma: Option<f32>,
    /// APE: channels kept [default: half of them]
    #[arg(long, value_name = "Q")]
    channels: Option<usize>,
    /// APE: weight of the similarity between classes in the choice of channels [default: 0.7]
    #[arg(long, value_parser = finite)]
    w0: Option<f32>,
    /// APE: weight of the variance over class texts in the choice of channels [default: 0.3]
    #[arg(long, value_parser = finite)]
    w1: Option<f32>,
    /// `ProKeR`: how far the kernel may leave the class texts [default: 0.1]
    #[arg(long, value_parser = finite)]
    lambda: Option<f32>,
}

impl ParameterArgs {
    /// With Tip-X's scale from the file's own queries, as the authors take it.
    pub(super) fn parameters(&self, method: Method) -> Parameters {
        let defaults = method.default_parameters();
        Parameters {
            alpha: self.alpha.unwrap_or(defaults.alpha),
            beta: self.beta.unwrap_or(defaults.beta),
            gamma: self.gamma.unwrap_or(defaults.gamma),
            channels: self.channels,
            w0: self.w0.unwrap_or(defaults.w0),
            w1: self.w1.unwrap_or(defaults.w1),
            lambda: self.lambda.unwrap_or(defaults.lambda),
            signature_range: SignatureRange::Queries,
            ..defaults
        }
    }
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
    /// A file with support, labels, queries, text, for ++ methods `support_imo`, `queries_imo`, for calip
    /// `query_parts`, for coop `learned_text`
    #[arg(value_name = "F.safetensors")]
    file: PathBuf,
    /// zero-shot, calip, coop, tip-adapter, tip-x, ape, their ++ variants (tip-adapter-pp, ...), gda or proker
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
    /// Photo after photo, `[num_queries · num_parts, dim]`.
    pub(super) query_parts: Option<Features>,
    /// Class texts with learned context.
    pub(super) learned_text: Option<Features>,
}

impl ScoringInput {
    pub(super) fn read(file: &TensorFile, path: &Path) -> Result<Self> {
        let text = file.features("text")?;
        let labels = labels_within(&file.integers("labels")?, text.len(), "labels", path)?;
        let support = SupportSet::from_rows(file.features("support")?, labels, text.len())
            .with_context(|| format!("the support set of {}", path.display()))?;
        Ok(Self {
            support,
            adapted_keys: file.features_if_there("support_imo")?,
            text,
            queries: file.features("queries")?,
            adapted_queries: file.features_if_there("queries_imo")?,
            query_parts: file.features_if_there("query_parts")?,
            learned_text: file.features_if_there("learned_text")?,
        })
    }

    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            has_parts: self.query_parts.is_some(),
            learned_text: self.learned_text.as_ref(),
            ..Knowledge::new(&self.support, &self.text)
                .with_adapted_keys(self.adapted_keys.as_ref())
        }
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
    let file = TensorFile::read(&args.file)?;
    let input = ScoringInput::read(&file, &args.file)?;
    let parameters = args.parameters.parameters(args.method);
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
