//! `shotlens bench embed`

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cli::{Common, session};
use crate::clip::preprocess::Crop;
use crate::clip::{Architecture, Clip};
use crate::engine::Engine;
use crate::progress::Progress;

/// Repetitions; the best counts, because other programs can only slow a run down.
const REPETITIONS: usize = 5;

/// How to measure.
#[derive(Args, Debug)]
pub struct BenchEmbedArgs {
    /// Photos encoded at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: u32,
    /// A full-size model with random weights instead of --model: vit-b-32, vit-b-16, vit-l-14 or rn50
    #[arg(long, value_parser = backbone)]
    backbone: Option<Architecture>,
}

/// A model of this size with random weights, or the one that the common flags name; features are not cached.
pub(super) fn open(backbone: Option<Architecture>, common: &Common) -> Result<Engine> {
    let options = session::open_options(common);
    Ok(match backbone {
        Some(architecture) => {
            let clip = Clip::random(architecture, 1, &options)?;
            Engine::new(clip, architecture.name().to_owned(), None)?
        }
        None => Engine::open(common.model.as_deref(), &options, None)?,
    })
}

pub(super) fn backbone(name: &str) -> Result<Architecture, String> {
    let names = || Architecture::ALL.map(Architecture::name).join(", ");
    Architecture::from_name(name).ok_or_else(|| format!("expected one of {}", names()))
}

pub(in crate::cli) fn run(args: &BenchEmbedArgs, common: &Common) -> Result<()> {
    let start = Instant::now();
    let engine = open(args.backbone, common)?;
    let load_milliseconds = 1e3 * start.elapsed().as_secs_f64();
    let batch = args.batch as usize;
    let encode = encode_rate(&engine, batch)?;
    let pipeline = pipeline_rate(&engine, batch)?;
    let description = engine.clip().device_description();
    let device = description.split(" (").next().unwrap_or_default();
    let dtype = engine.clip().format().name();
    let threads = rayon::current_num_threads();
    if common.json {
        let row = serde_json::json!({
            "backbone": engine.name(), "device": device, "dtype": dtype, "threads": threads, "batch": batch,
            "encode_images_per_second": encode, "pipeline_images_per_second": pipeline,
            "load_milliseconds": load_milliseconds,
        });
        println!("{}", serde_json::Value::from(vec![row]));
    } else {
        println!(
            "{} on {device}, {dtype}, {threads} threads, batch {batch}",
            engine.name()
        );
        println!("loaded in          {load_milliseconds:8.0} ms");
        println!("encoder alone      {encode:8.1} photos/s");
        println!("files to features  {pipeline:8.1} photos/s  (500 x 375 JPEG)");
    }
    Ok(())
}

/// Crops of noise: what is in them does not change the time.
fn noise(size: usize, count: usize) -> Vec<Crop> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count)
        .map(|_| Crop {
            size,
            pixels: (0..size * size * 3).map(|_| byte()).collect(),
        })
        .collect()
}

pub(super) fn encode_rate(engine: &Engine, batch: usize) -> Result<f64> {
    let crops = noise(engine.clip().preprocess().size, batch);
    engine.clip().encode_crops(&crops, None)?;
    let mut best = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let (start, mut rounds) = (Instant::now(), 0);
        while rounds < 3 || start.elapsed().as_secs_f64() < 1.0 {
            engine.clip().encode_crops(&crops, None)?;
            rounds += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(rounds));
    }
    Ok(batch as f64 / best)
}

/// JPEG files of half a megapixel, written once, embedded without any cache.
fn pipeline_rate(engine: &Engine, batch: usize) -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("shotlens-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    let measured = pipeline_rate_in(engine, batch, &folder);
    std::fs::remove_dir_all(&folder)
        .with_context(|| format!("could not remove {}", folder.display()))?;
    measured
}

fn pipeline_rate_in(engine: &Engine, batch: usize, folder: &std::path::Path) -> Result<f64> {
    let files: Vec<PathBuf> = (0..4 * batch.max(8))
        .map(|index| folder.join(format!("{index}.jpg")))
        .collect();
    for (index, file) in files.iter().enumerate() {
        let shift = index as u32;
        let picture = image::RgbImage::from_fn(500, 375, |x, y| {
            let wave = |a: u32| {
                (((x * a + y * 3 + shift * 17) % 256) as f32 / 40.0)
                    .sin()
                    .mul_add(100.0, 128.0) as u8
            };
            image::Rgb([wave(1), wave(2), wave(5)])
        });
        picture
            .save(file)
            .with_context(|| format!("could not write {}", file.display()))?;
    }
    let mut best = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        let rows = engine.embed_all(&files, None, &Progress::silent())?;
        if rows.kept.len() != files.len() {
            bail!("the benchmark's own photos could not be embedded");
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(files.len() as f64 / best)
}
