//! `shotlens bench embed`

use std::io::Cursor;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use image::RgbImage;
use libjpeg_turbo_rs::{PixelFormat, Subsampling, compress};
use rayon::prelude::*;

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
    /// Leave out files to features
    #[arg(long)]
    encoder_only: bool,
}

/// Files to features, photos a second.
struct Pipelines {
    half_megapixel: f64,
    twelve_megapixels: f64,
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
    let pipelines = (!args.encoder_only)
        .then(|| pipelines(&engine, batch))
        .transpose()?;
    let description = engine.clip().device_description();
    let device = description.split(" (").next().unwrap_or_default();
    let dtype = engine.clip().format().name();
    let threads = rayon::current_num_threads();
    if common.json {
        let row = serde_json::json!({
            "backbone": engine.name(), "device": device, "dtype": dtype, "threads": threads, "batch": batch,
            "encode_images_per_second": encode,
            "pipeline_images_per_second": pipelines.as_ref().map(|rates| rates.half_megapixel),
            "large_pipeline_images_per_second": pipelines.as_ref().map(|rates| rates.twelve_megapixels),
            "large_pipeline_share_of_encode": pipelines.as_ref().map(|rates| rates.twelve_megapixels / encode),
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
        if let Some(Pipelines {
            half_megapixel,
            twelve_megapixels,
        }) = pipelines
        {
            println!("files to features  {half_megapixel:8.1} photos/s  (500 x 375 JPEG)");
            println!(
                "files to features  {twelve_megapixels:8.1} photos/s  (4000 x 3000 JPEG, {:.2} of the encoder alone)",
                twelve_megapixels / encode
            );
        }
    }
    Ok(())
}

fn pipelines(engine: &Engine, batch: usize) -> Result<Pipelines> {
    Ok(Pipelines {
        half_megapixel: pipeline_rate(engine, &half_megapixel(4 * batch.max(8))?)?,
        twelve_megapixels: pipeline_rate(engine, &twelve_megapixels()?)?,
    })
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

/// JPEG files, each written several times.
struct Files {
    jpegs: Vec<Vec<u8>>,
    copies: usize,
}

fn half_megapixel(count: usize) -> Result<Files> {
    let jpeg = |shift: usize| {
        let picture = RgbImage::from_fn(500, 375, |x, y| {
            let wave = |a: u32| {
                (((x * a + y * 3 + shift as u32 * 17) % 256) as f32 / 40.0)
                    .sin()
                    .mul_add(100.0, 128.0) as u8
            };
            image::Rgb([wave(1), wave(2), wave(5)])
        });
        let mut jpeg = Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, image::ImageFormat::Jpeg)?;
        Ok(jpeg.into_inner())
    };
    Ok(Files {
        jpegs: (0..count)
            .into_par_iter()
            .map(jpeg)
            .collect::<Result<_>>()?,
        copies: 1,
    })
}

/// Two pictures with something to see at every scale, about two bits a pixel and chroma at half resolution, as photographs
/// have: what reading them takes is mostly a matter of their bytes.
fn twelve_megapixels() -> Result<Files> {
    const WIDTH: u32 = 4000;
    const HEIGHT: u32 = 3000;
    let jpeg = |seed: u32| {
        let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
            let noise = |octave: u32| {
                let (across, down) = (x >> octave, y >> octave);
                let mixed = (across.wrapping_mul(0x9E37_79B1) ^ down.wrapping_mul(0x85EB_CA77))
                    .wrapping_add(seed + octave)
                    .wrapping_mul(0xC2B2_AE3D);
                ((mixed >> 24) as f32 / 255.0 - 0.5) * 7.0 * (octave + 1) as f32
            };
            let grey = 128.0 + (0..8).map(noise).sum::<f32>();
            let tint = (x as f32 / 600.0).sin() * 30.0;
            image::Rgb([grey + tint, grey, grey - tint].map(|value| value.clamp(0.0, 255.0) as u8))
        });
        let (width, height) = (WIDTH as usize, HEIGHT as usize);
        let pixels = picture.as_raw();
        compress(
            pixels,
            width,
            height,
            PixelFormat::Rgb,
            90,
            Subsampling::S420,
        )
    };
    Ok(Files {
        jpegs: vec![jpeg(1)?, jpeg(2)?],
        copies: 12,
    })
}

/// Photos a second from files that were just written, without any cache.
fn pipeline_rate(engine: &Engine, files: &Files) -> Result<f64> {
    let folder = std::env::temp_dir().join(format!("shotlens-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    let measured = pipeline_rate_in(engine, files, &folder);
    std::fs::remove_dir_all(&folder)
        .with_context(|| format!("could not remove {}", folder.display()))?;
    measured
}

fn pipeline_rate_in(engine: &Engine, files: &Files, folder: &Path) -> Result<f64> {
    let mut paths = Vec::new();
    for (index, jpeg) in files.jpegs.iter().enumerate() {
        for copy in 0..files.copies {
            let path = folder.join(format!("{index}-{copy}.jpg"));
            std::fs::write(&path, jpeg)
                .with_context(|| format!("could not write {}", path.display()))?;
            paths.push(path);
        }
    }
    let mut best = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        let rows = engine.embed_all(&paths, None, &Progress::silent())?;
        if rows.kept.len() != paths.len() {
            bail!("the benchmark's own photos could not be embedded");
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(paths.len() as f64 / best)
}
