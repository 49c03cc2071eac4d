//! `shotlens embed`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::photo_list::{self, ListedPhoto};
use super::stderr::{ProgressLine, warn};
use super::tensor_file::{TensorFile, TensorWriter};
use super::{Common, session};
use crate::clip::preprocess::Crop;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::{Engine, prompts};
use crate::features::{Features, Matrix};
use crate::progress::{CancelToken, Progress};
use crate::support::Dataset;

/// Photos, crops or texts in, features out.
#[derive(Args, Debug)]
pub struct EmbedArgs {
    /// Folders and photos
    #[arg(required_unless_present_any = ["list", "crops", "texts"])]
    paths: Vec<PathBuf>,
    /// A text file that names photos, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "crops", "texts"])]
    list: Option<PathBuf>,
    /// Encode the crops of this file (written by `preprocess`) instead of photos
    #[arg(long, value_name = "C.safetensors", conflicts_with_all = ["paths", "texts"])]
    crops: Option<PathBuf>,
    /// Encode the lines of this file instead of photos
    #[arg(long, value_name = "FILE", conflicts_with_all = ["paths", "adapter"])]
    texts: Option<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
    /// Adapted features instead of the original ones: FILE, `isoclip[:TOP,BOTTOM]` or `pca[:DIM]`
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<AdapterSpec>,
    /// The scale of an adapter file that does not say its own
    #[arg(long, value_name = "S", requires = "adapter")]
    adapter_scale: Option<f64>,
    /// Features as the projection gives them, not scaled to unit length
    #[arg(long)]
    raw: bool,
}

/// Rows of features with what names them.
struct Embedded {
    rows: Matrix,
    paths: Vec<String>,
    skipped: Vec<String>,
}

pub(super) fn run(args: &EmbedArgs, common: &Common) -> Result<()> {
    let engine = session::open_engine(common)?;
    if let Some(texts) = &args.texts {
        return embed_texts(&engine, texts, args, common);
    }
    let adapter = match &args.adapter {
        Some(spec) => Some(AdaptedEncoder::without_support(
            spec,
            args.adapter_scale,
            &engine,
        )?),
        None => None,
    };
    let embedded = match &args.crops {
        Some(file) => embed_crops(&engine, file, adapter.as_ref())?,
        None => embed_photos(&engine, &photos(args)?, adapter.as_ref())?,
    };
    write(&engine, embedded, adapter.as_ref(), args, common)
}

fn photos(args: &EmbedArgs) -> Result<Vec<ListedPhoto>> {
    match &args.list {
        Some(list) => photo_list::named_in(list),
        None => photo_list::list(&args.paths),
    }
}

fn embed_crops(engine: &Engine, file: &Path, adapter: Option<&AdaptedEncoder>) -> Result<Embedded> {
    let file_content = TensorFile::read(file)?;
    let tensors = file_content.tensors()?;
    let mut names: Vec<String> = tensors.names().iter().map(ToString::to_string).collect();
    names.sort();
    let size = engine.clip().preprocess().size;
    let crops = names.iter().map(|name| {
        let view = tensors.tensor(name)?;
        if view.dtype() != safetensors::Dtype::U8 || view.shape() != [size, size, 3] {
            bail!(
                "{name} is {:?} {:?}; this model takes U8 [{size}, {size}, 3]: {}",
                view.dtype(),
                view.shape(),
                file.display()
            );
        }
        Ok(Crop {
            size,
            pixels: view.data().to_vec(),
        })
    });
    let crops: Vec<Crop> = crops.collect::<Result<_>>()?;
    if crops.is_empty() {
        bail!("{} holds no crops", file.display());
    }
    let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let (features, hidden) = engine.embed_crops(
        &crops,
        adapter.and_then(AdaptedEncoder::bottleneck),
        &Progress::new(&report, &cancel),
    )?;
    let rows = match adapter {
        Some(adapter) => adapter.adapt(&features, hidden.as_ref())?,
        None => features,
    };
    Ok(Embedded {
        rows,
        paths: names,
        skipped: Vec::new(),
    })
}

fn embed_photos(
    engine: &Engine,
    photos: &[ListedPhoto],
    adapter: Option<&AdaptedEncoder>,
) -> Result<Embedded> {
    let paths: Vec<PathBuf> = photos.iter().map(|photo| photo.path.clone()).collect();
    let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
    let report = |done, total| line.report(done, total);
    let progress = Progress::new(&report, &cancel);
    let bottleneck = adapter.and_then(AdaptedEncoder::bottleneck);
    // What is before the projection is only for adapters that replace it.
    let embedded = if adapter.is_some() && bottleneck.is_none() {
        engine.embed_all(&paths, None, &progress)?
    } else {
        engine.embed_features(&paths, bottleneck, &progress)?
    };
    for (_, reason) in &embedded.skipped {
        warn(&format!("skipped: {reason}"));
    }
    if embedded.kept.is_empty() {
        bail!("none of the {} photos could be read", photos.len());
    }
    let rows = match adapter {
        Some(adapter) => adapter.adapt(&embedded.features, embedded.hidden.as_ref())?,
        None => embedded.features,
    };
    let kept = || embedded.kept.iter().map(|index| &photos[*index]);
    Ok(Embedded {
        rows,
        paths: kept().map(|photo| photo.name.clone()).collect(),
        skipped: embedded
            .skipped
            .iter()
            .map(|(index, _)| photos[*index].name.clone())
            .collect(),
    })
}

fn write(
    engine: &Engine,
    embedded: Embedded,
    adapter: Option<&AdaptedEncoder>,
    args: &EmbedArgs,
    common: &Common,
) -> Result<()> {
    let Dataset {
        classes, photos, ..
    } = Dataset::from_paths("", embedded.paths.iter().cloned());
    let labels: Vec<i64> = photos.into_iter().map(|(_, label)| label).collect();
    let mut writer = TensorWriter::default();
    let (num, dim) = (embedded.rows.rows(), embedded.rows.cols());
    writer.floats("features", &finished_rows(embedded.rows, args.raw)?);
    writer.integers("labels", &labels);
    writer.metadata("paths", serde_json::to_string(&embedded.paths)?);
    writer.metadata("classes", serde_json::to_string(&classes)?);
    writer.metadata("skipped", serde_json::to_string(&embedded.skipped)?);
    describe_model(&mut writer, engine);
    writer.metadata(
        "adapter",
        adapter.map(AdaptedEncoder::id).unwrap_or_default(),
    );
    writer.write(&args.out)?;
    if common.json {
        println!(
            "{}",
            serde_json::json!({"features": num, "dim": dim, "classes": classes, "skipped": embedded.skipped, "out": args.out})
        );
    } else {
        println!(
            "{num} photos, {dim} numbers each, {} classes in {}",
            classes.len(),
            args.out.display()
        );
    }
    Ok(())
}

fn embed_texts(engine: &Engine, file: &Path, args: &EmbedArgs, common: &Common) -> Result<()> {
    let content =
        std::fs::read(file).with_context(|| format!("could not read {}", file.display()))?;
    let content = String::from_utf8(content).map_err(|_not_utf8| {
        anyhow::anyhow!("{} is not UTF-8; save it as UTF-8 text", file.display())
    })?;
    let texts = prompts::lines(&content);
    if texts.is_empty() {
        bail!("{} has no lines", file.display());
    }
    let (rows, num_truncated) = engine.embed_texts(&texts)?;
    if num_truncated > 0 {
        warn(&format!(
            "{num_truncated} of {} texts were longer than 77 tokens and were cut",
            texts.len()
        ));
    }
    let mut writer = TensorWriter::default();
    writer.floats("features", &finished_rows(rows, args.raw)?);
    writer.metadata("texts", serde_json::to_string(&texts)?);
    describe_model(&mut writer, engine);
    writer.write(&args.out)?;
    if common.json {
        println!(
            "{}",
            serde_json::json!({"features": texts.len(), "truncated": num_truncated, "out": args.out})
        );
    } else {
        println!("{} texts in {}", texts.len(), args.out.display());
    }
    Ok(())
}

fn describe_model(writer: &mut TensorWriter, engine: &Engine) {
    writer.metadata("model", engine.signature());
    writer.metadata("preprocess", engine.clip().preprocess().id());
}

/// Unit rows, or with `raw` the rows as they are.
fn finished_rows(rows: Matrix, raw: bool) -> Result<Matrix> {
    Ok(if raw {
        rows
    } else {
        Features::normalized(rows)?.into_matrix()
    })
}
