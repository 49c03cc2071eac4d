//! The reference's checkpoints, inputs and outputs.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use shotlens::clip::preprocess::Crop;
use shotlens::clip::{CheckpointFiles, Clip, ConfigSource, JsonText, OpenOptions, WeightsSource};
use shotlens::features::Matrix;

/// Names of the golden crops, in the order of the rows of features.
pub(crate) const NUM_CROPS: usize = 11;

/// A file beside this project's tests.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/clip")
        .join(name)
}

/// A golden of the reference that is too large to be kept here, when it is there.
pub(crate) fn shared_golden(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("SHOTLENS_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    Some(shared.join("goldens").join(name)).filter(|path| path.exists())
}

/// The bytes of a file that may be compressed.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    let raw = fs::read(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "gz") {
        return raw;
    }
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(raw.as_slice())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

/// A checkpoint of tests/data, in memory for the rest of the run; the larger ones are read beside the project.
pub(crate) fn weights(name: &str) -> WeightsSource {
    WeightsSource::Bytes(checkpoint(name).leak())
}

/// The bytes of a golden checkpoint, asked for after [`is_here`].
pub(crate) fn checkpoint(name: &str) -> Vec<u8> {
    let here = data(&format!("{name}/model.safetensors.gz"));
    let beside = || shared_golden(&format!("{name}/model.safetensors"));
    bytes(
        &Some(here)
            .filter(|here| here.exists())
            .or_else(beside)
            .unwrap(),
    )
}

/// Whether a golden checkpoint is at hand; says what is skipped when it is not.
pub(crate) fn is_here(name: &str) -> bool {
    let is_here = data(&format!("{name}/model.safetensors.gz")).exists()
        || shared_golden(&format!("{name}/model.safetensors")).is_some();
    if !is_here {
        println!(
            "skipped: the golden {name}, which is too large to be kept here (set SHOTLENS_SHARED)"
        );
    }
    is_here
}

/// A JSON file of tests/data.
pub(crate) fn json(name: &str) -> JsonText {
    let path = data(name);
    JsonText {
        text: fs::read_to_string(&path).unwrap(),
        path,
    }
}

/// How each golden checkpoint is described.
pub(crate) fn files(name: &str) -> CheckpointFiles {
    let config = match name {
        "vit" => ConfigSource::HuggingFace {
            config: json("vit/config.json"),
            preprocessor: None,
        },
        "open_clip" => ConfigSource::OpenClip {
            config: json("open_clip/open_clip_config.json"),
        },
        _ => ConfigSource::None,
    };
    CheckpointFiles {
        weights: weights(name),
        config,
    }
}

/// A golden checkpoint, opened with nothing special.
pub(crate) fn open(name: &str) -> Clip {
    Clip::open(&files(name), &OpenOptions::default()).unwrap()
}

/// A matrix of a safetensors file.
pub(crate) fn matrix(path: &Path, name: &str) -> Matrix {
    let bytes = bytes(path);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    let values = tensor
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|x| f32::from_le_bytes(*x))
        .collect();
    Matrix::new(tensor.shape()[0], tensor.shape()[1], values).unwrap()
}

/// A matrix that the reference computed.
pub(crate) fn expected(name: &str, tensor: &str) -> Matrix {
    matrix(&data(&format!("{name}/expected.safetensors")), tensor)
}

/// The golden crops with this side, 224 or 96: rows of a strip, in the order of the features.
pub(crate) fn crops(size: usize) -> Vec<Crop> {
    let name = if size == 96 {
        "crops96.webp"
    } else {
        "crops.webp"
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/preprocess")
        .join(name);
    let strip = image::open(path).unwrap().into_rgb8().into_raw();
    let crops: Vec<Crop> = strip
        .chunks_exact(size * size * 3)
        .map(|pixels| Crop {
            size,
            pixels: pixels.to_vec(),
        })
        .collect();
    assert_eq!(crops.len(), NUM_CROPS);
    crops
}

/// The golden token ids, 77 for each text.
pub(crate) fn token_ids() -> Vec<Vec<u32>> {
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(data("tokens.json")).unwrap()).unwrap();
    let ids = |row: &serde_json::Value| {
        row["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect()
    };
    rows.iter().map(ids).collect()
}

/// Both the largest difference over the largest number, and the same of every row by itself, are below `tolerance`.
#[track_caller]
pub(crate) fn assert_close(got: &Matrix, expected: &Matrix, tolerance: f32) {
    assert_eq!((got.rows(), got.cols()), (expected.rows(), expected.cols()));
    for (index, (got, expected)) in got.iter_rows().zip(expected.iter_rows()).enumerate() {
        let largest = expected
            .iter()
            .fold(0f32, |largest, x| largest.max(x.abs()));
        let differences = got.iter().zip(expected).map(|(x, y)| (x - y).abs());
        let worst = differences.fold(0f32, |worst, x| {
            if x.is_nan() {
                f32::INFINITY
            } else {
                worst.max(x)
            }
        });
        assert!(
            worst <= tolerance * largest,
            "row {index}: off by {worst} of {largest}"
        );
    }
}
