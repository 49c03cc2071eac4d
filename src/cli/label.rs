//! `shotlens label`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;

use super::eval::{
    Embedder, PromptSpec, Texts, check_classes, labelled_photos, prompt_spec, tell_empty_classes,
};
use super::photo_list::{self, ListedPhoto};
use super::stderr::{ProgressLine, warn};
use super::{Common, digits, session};
use crate::engine::Engine;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::classifier::{ClassifierFile, LabelledPhoto, PhotoClassifier, Stretch, Wish};
use crate::engine::evaluate::{Looks, Split};
use crate::engine::export::table::BY_FOLDER;
use crate::engine::export::{ExportError, Row, StagedFile, TableWriter};
use crate::methods::{Method, UnknownMethod};
use crate::progress::{CancelToken, Progress};
use crate::support::Dataset;

/// Photos in, a table of predictions out.
#[derive(Args, Debug)]
pub struct LabelArgs {
    /// The photos to label
    #[arg(required_unless_present = "list")]
    folder: Option<PathBuf>,
    /// Instead of a folder, a text file that names photos, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "folder")]
    list: Option<PathBuf>,
    /// Photos to learn from, a folder per class
    #[arg(long, value_name = "DIR", required_unless_present = "classifier")]
    support: Option<PathBuf>,
    /// Instead of photos to learn from, a classifier that `export --format classifier` has written
    #[arg(long, value_name = "C.safetensors", conflicts_with_all = ["support", "method", "adapter", "prompts"])]
    classifier: Option<PathBuf>,
    /// The method [default: tip-adapter]
    #[arg(long, value_name = "M", value_parser = method)]
    method: Option<Method>,
    /// The table to write: `path,label,prediction,confidence,decided_by`
    #[arg(long, value_name = "labels.csv")]
    out: PathBuf,
    /// Texts of the classes, as for `eval`
    #[arg(long, value_name = "NAME|FILE|NAME+FILE", value_parser = prompt_spec)]
    prompts: Option<PromptSpec>,
    /// Adapted features of the ++ methods: FILE, `isoclip[:TOP,BOTTOM]` or `pca[:DIM]` [default: isoclip]
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<AdapterSpec>,
    /// The scale of an adapter file that does not say its own
    #[arg(long, value_name = "S", requires = "adapter")]
    adapter_scale: Option<f64>,
}

fn method(name: &str) -> Result<Method, UnknownMethod> {
    Method::from_name(name)
}

pub(super) fn run(args: &LabelArgs, common: &Common) -> Result<()> {
    let photos = match (&args.list, &args.folder) {
        (Some(list), _) => photo_list::named_in(list)?,
        (None, folder) => photo_list::list(folder.as_slice())?,
    };
    let (engine, classifier) = classifier(args, common)?;
    let mut table = Table::begin(&args.out, &classifier)?;
    let paths: Vec<PathBuf> = photos.iter().map(|photo| photo.path.clone()).collect();
    let (line, cancel) = (ProgressLine::new("labelling"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let progress = Progress::new(&report, &cancel);
    engine.label_photos(&classifier, (&paths, &[]), &progress, &mut |stretch| {
        table.add(&stretch, &photos)
    })?;
    if table.num_labelled == 0 {
        bail!("none of the {} photos could be read", photos.len());
    }
    table.finish(args, common)
}

/// The classifier that the flags name, with the engine that it works on.
fn classifier(args: &LabelArgs, common: &Common) -> Result<(Engine, PhotoClassifier)> {
    // A file that is none is told before a model is opened for it.
    let file = args.classifier.as_deref().map(ClassifierFile::read);
    let file = file.transpose()?;
    let engine = session::open_engine(common)?;
    let classifier = match (file, &args.support) {
        (Some(file), _) => file.open(&engine)?,
        (None, Some(support)) => learn(args, support, &engine)?,
        (None, None) => bail!("name photos to learn from with --support, or a --classifier"),
    };
    Ok((engine, classifier))
}

/// Tunes and fits on a folder per class.
fn learn(args: &LabelArgs, support: &Path, engine: &Engine) -> Result<PhotoClassifier> {
    let method = args.method.unwrap_or_default();
    let (classes, split) = support_photos(args, method, support, engine)?;
    let texts = Texts::new(&args.prompts.clone().unwrap_or_default(), &classes, None)?;
    let shots = split.support_set(classes.len())?.shots_per_class();
    let wish = Wish {
        adapter: args.adapter.clone(),
        adapter_scale: args.adapter_scale,
        ..Wish::tuned(method, shots.into_iter().max().unwrap_or(0))
    };
    let (line, cancel) = (ProgressLine::new("tuning"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let progress = Progress::new(&report, &cancel);
    let learned = engine.learn_classifier(&classes, &texts.prompts, &split, &wish, &progress)?;
    if !learned.classifier.recipe.calibration.is_fitted {
        warn(
            "confidences are not calibrated: that takes two shots of a class, and a method that can leave one out",
        );
    }
    Ok(learned.classifier)
}

fn support_photos(
    args: &LabelArgs,
    method: Method,
    support: &Path,
    engine: &Engine,
) -> Result<(Vec<String>, Split)> {
    let whose = support.display().to_string();
    let photos = labelled_photos(support)?;
    let names = photos.iter().map(|photo| photo.name.clone());
    let Dataset {
        classes,
        photos: labels,
        ..
    } = Dataset::from_paths("", names);
    check_classes(&classes, &whose)?;
    let labelled = photos.iter().zip(&labels);
    let labelled: Vec<(PathBuf, usize)> = labelled
        .filter_map(|(photo, (_, class))| Some((photo.path.clone(), usize::try_from(*class).ok()?)))
        .collect();
    let encoder = bottleneck(args, method, engine)?;
    let embedder = Embedder {
        engine,
        looks: Looks {
            adapter: encoder.as_ref(),
            ..Looks::default()
        },
    };
    let split = embedder.support(&labelled, &whose)?;
    tell_empty_classes(&classes, &split, "can be learnt from");
    Ok((classes, split))
}

/// The adapter file to encode shots with, where the method needs one.
fn bottleneck(args: &LabelArgs, method: Method, engine: &Engine) -> Result<Option<AdaptedEncoder>> {
    if !method.needs_adapter() {
        return Ok(None);
    }
    match &args.adapter {
        Some(spec @ AdapterSpec::File(_)) => {
            let encoder = AdaptedEncoder::without_support(spec, args.adapter_scale, engine)?;
            Ok(Some(encoder))
        }
        Some(_) => Ok(None),
        None => {
            warn("adapted features of the ++ methods: isoclip (choose with --adapter)");
            Ok(None)
        }
    }
}

/// The table as it is written.
struct Table<'a> {
    classifier: &'a PhotoClassifier,
    writer: TableWriter<StagedFile>,
    out: &'a Path,
    num_labelled: usize,
    skipped: Vec<String>,
    counts: BTreeMap<String, usize>,
}

impl<'a> Table<'a> {
    fn begin(out: &'a Path, classifier: &'a PhotoClassifier) -> Result<Self> {
        let file = StagedFile::create(out)?;
        Ok(Self {
            classifier,
            writer: TableWriter::new(file).map_err(|error| ExportError::io(error, out))?,
            out,
            num_labelled: 0,
            skipped: Vec::new(),
            counts: BTreeMap::new(),
        })
    }

    fn add(&mut self, stretch: &Stretch, photos: &[ListedPhoto]) -> Result<(), ExportError> {
        for (index, reason) in &stretch.skipped {
            warn(&format!("skipped: {reason}"));
            self.skipped.push(photos[*index].name.clone());
        }
        for labelled in &stretch.labelled {
            let row = self.row(&photos[labelled.index], labelled);
            self.writer
                .write(&row)
                .map_err(|error| ExportError::io(error, self.out))?;
        }
        self.num_labelled += stretch.labelled.len();
        Ok(())
    }

    fn row(&mut self, photo: &ListedPhoto, labelled: &LabelledPhoto) -> Row {
        let recipe = &self.classifier.recipe;
        let class = recipe.classes[labelled.prediction.class].clone();
        *self.counts.entry(class.clone()).or_default() += 1;
        let label = photo.class.clone();
        let label = label.filter(|name| recipe.classes.contains(name));
        let decided_by = match &label {
            Some(_) => BY_FOLDER,
            None => recipe.method.name(),
        };
        Row {
            path: photo.name.clone(),
            label,
            prediction: Some((class, labelled.prediction.confidence)),
            decided_by: decided_by.to_owned(),
        }
    }

    fn finish(self, args: &LabelArgs, common: &Common) -> Result<()> {
        self.writer.into_inner().finish()?;
        let recipe = &self.classifier.recipe;
        if common.json {
            let parameters = &recipe.parameters;
            println!(
                "{}",
                serde_json::json!({
                    "photos": self.num_labelled, "skipped": self.skipped, "classes": recipe.classes,
                    "predicted": self.counts, "method": recipe.method.name(),
                    "alpha": digits(parameters.alpha), "beta": digits(parameters.beta), "gamma": digits(parameters.gamma),
                    "temperature": digits(recipe.calibration.temperature), "calibrated": recipe.calibration.is_fitted,
                    "adapter": self.classifier.adapter.as_ref().map(|adapter| adapter.encoder.id()),
                    "out": args.out,
                })
            );
            return Ok(());
        }
        let (num, skipped) = (self.num_labelled, self.skipped.len());
        println!(
            "{num} photos labelled by {} in {}",
            recipe.method.title(),
            args.out.display()
        );
        for (class, count) in &self.counts {
            println!("  {class:<24} {count}");
        }
        if skipped > 0 {
            println!("{skipped} files skipped");
        }
        Ok(())
    }
}
