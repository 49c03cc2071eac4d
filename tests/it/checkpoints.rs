//! Every kind of unusable checkpoint has its own error, and what may vary is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use shotlens::clip::{
    BottleneckAdapter, CheckpointFiles, Clip, ClipError, ConfigSource, DeviceChoice, JsonText,
    OpenOptions, Precision, WeightsSource,
};

use crate::clip_data::{
    assert_close, bytes, checkpoint, crops, data, expected, files, is_here, json, open,
};

/// A checkpoint that can be changed before it is opened.
struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn golden(name: &str) -> Self {
        let bytes = bytes(&data(&format!("{name}/model.safetensors.gz")));
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let copy = |(name, view): (String, TensorView<'_>)| {
            (
                name,
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        };
        Self(tensors.tensors().into_iter().map(copy).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        let views = self.0.iter().map(|(name, (dtype, shape, data))| {
            (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        serialize(views, None).unwrap()
    }

    fn open(&self) -> Result<Clip, ClipError> {
        open_bytes(self.bytes(), ConfigSource::None)
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let (dtype, _, data) = &self.0[name];
        assert_eq!(*dtype, Dtype::F16);
        data.as_chunks()
            .0
            .iter()
            .map(|x| half::f16::from_le_bytes(*x).to_f32())
            .collect()
    }
}

fn open_bytes(bytes: Vec<u8>, config: ConfigSource) -> Result<Clip, ClipError> {
    let files = CheckpointFiles {
        weights: WeightsSource::Bytes(bytes.leak()),
        config,
    };
    Clip::open(
        &files,
        &OpenOptions {
            device: DeviceChoice::Cpu,
            precision: Precision::F32,
            activation: None,
        },
    )
}

fn error_of(bytes: Vec<u8>) -> ClipError {
    open_bytes(bytes, ConfigSource::None)
        .err()
        .expect("a bad checkpoint must not open")
}

#[test]
fn files_that_are_no_checkpoints_are_told_apart() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n".to_vec();
    assert!(matches!(error_of(lfs), ClipError::LfsPointer { .. }));
    assert!(matches!(
        error_of(b"PK\x03\x04 archive/data.pkl".to_vec()),
        ClipError::Pickle { .. }
    ));
    assert!(matches!(
        error_of(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec()),
        ClipError::Pickle { .. }
    ));
    assert!(matches!(
        error_of(b"{\"a\": 1} some text that is no checkpoint".to_vec()),
        ClipError::NotSafetensors { .. }
    ));
    assert!(matches!(
        error_of(Vec::new()),
        ClipError::NotSafetensors { .. }
    ));
    let whole = Tensors::golden("openai_vit").bytes();
    for len in [whole.len() - 1, whole.len() / 2, 100] {
        assert!(
            matches!(error_of(whole[..len].to_vec()), ClipError::Truncated { got, expected, .. } if got == len && expected > len)
        );
    }
}

#[test]
fn a_file_that_is_not_there_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        folder.path().join("none.safetensors"),
        folder.path().to_owned(),
    ] {
        let files = CheckpointFiles {
            weights: WeightsSource::File(path.clone()),
            config: ConfigSource::None,
        };
        let error = Clip::open(&files, &OpenOptions::default()).err().unwrap();
        assert!(matches!(&error, ClipError::Open { path: named, .. } if *named == path));
        assert!(error.to_string().contains("check that it exists"));
    }
}

#[test]
fn a_missing_tensor_is_named_wherever_it_is() {
    let golden = Tensors::golden("openai_vit");
    let buffers = ["input_resolution", "context_length", "vocab_size"];
    for name in golden
        .0
        .keys()
        .filter(|name| !buffers.contains(&name.as_str()))
    {
        // Sizes come from the number of blocks, so a bare file without its last block is a smaller model.
        if name == "visual.transformer.resblocks.3.mlp.c_fc.weight"
            || name == "transformer.resblocks.1.mlp.c_fc.weight"
        {
            continue;
        }
        let mut tensors = Tensors(golden.0.clone());
        tensors.0.remove(name);
        match tensors.open().err().expect(name) {
            ClipError::MissingTensor { tensor, .. } => assert_eq!(&tensor, name),
            ClipError::UnknownDialect { .. } => assert_eq!(name, "visual.conv1.weight"),
            ClipError::SurplusTensor { .. } => assert!(name.ends_with("c_fc.weight")),
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_surplus_tensor_is_named_and_known_buffers_are_not() {
    let mut tensors = Tensors::golden("openai_vit");
    for buffer in [
        "attn_mask",
        "logit_bias",
        "visual.x.position_ids",
        "visual.bn1.num_batches_tracked",
    ] {
        tensors
            .0
            .insert(buffer.to_owned(), (Dtype::I64, vec![1], vec![0; 8]));
    }
    assert!(tensors.open().is_ok());
    tensors.0.insert(
        "visual.transformer.resblocks.0.extra".to_owned(),
        (Dtype::F32, vec![1], vec![0; 4]),
    );
    let error = tensors.open().err().unwrap();
    assert!(
        matches!(&error, ClipError::SurplusTensor { tensor, count: 1, .. } if tensor == "visual.transformer.resblocks.0.extra")
    );
}

#[test]
fn a_wrong_shape_a_wrong_type_and_a_number_that_is_none_are_named() {
    let golden = Tensors::golden("openai_vit");
    let change = |name: &str, dtype, shape: Vec<usize>, data: Vec<u8>| {
        let mut tensors = Tensors(golden.0.clone());
        tensors.0.insert(name.to_owned(), (dtype, shape, data));
        tensors.open().err().unwrap()
    };
    let error = change("visual.ln_pre.weight", Dtype::F16, vec![32], vec![0; 64]);
    assert!(
        matches!(&error, ClipError::WrongShape { tensor, got, expected, .. } if tensor == "visual.ln_pre.weight" && got == &[32] && expected == &[64])
    );
    let error = change("visual.ln_pre.weight", Dtype::I32, vec![64], vec![0; 256]);
    assert!(
        matches!(&error, ClipError::UnsupportedType { tensor, got, .. } if tensor == "visual.ln_pre.weight" && got == "I32")
    );
    let error = change(
        "visual.ln_pre.weight",
        Dtype::F16,
        vec![64],
        half::f16::NAN.to_le_bytes().repeat(64),
    );
    assert!(
        matches!(&error, ClipError::NotFinite { tensor, .. } if tensor == "visual.ln_pre.weight")
    );
    let error = change("visual.ln_pre.weight", Dtype::I8, vec![64], vec![0; 64]);
    assert!(
        matches!(&error, ClipError::MissingTensor { tensor, .. } if tensor == "visual.ln_pre.weight.scale")
    );
}

#[test]
fn the_text_tower_is_checked_at_once_and_read_with_the_first_text() {
    let golden = Tensors::golden("openai_vit");
    let name = "transformer.resblocks.1.mlp.c_fc.weight";
    let (dtype, shape, data) = golden.0[name].clone();
    let with = |dtype, shape: Vec<usize>, data: Vec<u8>| {
        let mut tensors = Tensors(golden.0.clone());
        tensors.0.insert(name.to_owned(), (dtype, shape, data));
        tensors.open()
    };
    let error = with(dtype, shape.iter().rev().copied().collect(), data.clone());
    assert!(matches!(error.err().unwrap(), ClipError::WrongShape { tensor, .. } if tensor == name));
    let error = with(Dtype::I16, shape.clone(), data.clone());
    assert!(
        matches!(error.err().unwrap(), ClipError::UnsupportedType { tensor, .. } if tensor == name)
    );
    let nan = half::f16::NAN.to_le_bytes().repeat(data.len() / 2);
    let clip = with(dtype, shape, nan).unwrap();
    clip.encode_crops(&crops(clip.preprocess().size)[..1], None)
        .unwrap();
    let error = clip.encode_texts(&["a cat".to_owned()]).unwrap_err();
    assert!(matches!(error, ClipError::NotFinite { tensor, .. } if tensor == name));
}

#[test]
fn a_file_gives_what_its_bytes_give_and_is_told_of_when_it_is_cut_short() {
    let bytes = Tensors::golden("openai_vit").bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.safetensors");
    fs::write(&path, &bytes).unwrap();
    let files = CheckpointFiles {
        weights: WeightsSource::File(path.clone()),
        config: ConfigSource::None,
    };
    let open = || Clip::open(&files, &OpenOptions::default()).unwrap();
    let (clip, cut) = (open(), open());
    let inside = open_bytes(bytes, ConfigSource::None).unwrap();
    assert_eq!(clip.hash(), inside.hash());
    let texts = ["a cat".to_owned()];
    let features = clip.encode_texts(&texts).unwrap().features;
    assert_close(
        &features,
        &inside.encode_texts(&texts).unwrap().features,
        2e-5,
    );
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(2000)
        .unwrap();
    let error = cut.encode_texts(&texts).unwrap_err();
    assert!(
        matches!(&error, ClipError::Truncated { got: 2000, path: named, .. } if *named == path),
        "{error}"
    );
    cut.encode_crops(&crops(cut.preprocess().size)[..1], None)
        .unwrap();
}

#[test]
fn shapes_that_tell_no_sizes_are_refused_without_a_configuration() {
    if !is_here("vit") {
        return;
    }
    let config = ConfigSource::None;
    let error = open_bytes(checkpoint("vit"), config).err().unwrap();
    assert!(
        matches!(error, ClipError::Sizes { .. }),
        "heads of 64 do not fit a text tower of 32"
    );
    let mut tensors = Tensors::golden("openai_vit");
    tensors.0.insert(
        "visual.positional_embedding".to_owned(),
        (Dtype::F16, vec![48, 64], vec![0; 48 * 64 * 2]),
    );
    assert!(matches!(
        tensors.open().err().unwrap(),
        ClipError::Sizes { .. }
    ));
}

#[test]
fn a_configuration_that_does_not_fit_or_cannot_be_read_is_named() {
    let open = |text: &str| {
        let config = ConfigSource::OpenClip {
            config: JsonText {
                text: text.to_owned(),
                path: PathBuf::from("open_clip_config.json"),
            },
        };
        open_bytes(bytes(&data("open_clip/model.safetensors.gz")), config)
            .err()
            .unwrap()
    };
    let good = json("open_clip/open_clip_config.json").text;
    let is_config = |error: &ClipError| matches!(error, ClipError::Config { path, .. } if path == Path::new("open_clip_config.json"));
    assert!(is_config(&open("{")));
    assert!(is_config(&open(&good.replace("\"embed_dim\"", "\"dim\""))));
    assert!(is_config(&open(
        &good.replace("\"heads\": 2", "\"heads\": 3")
    )));
    assert!(is_config(&open(
        &good.replace("\"head_width\": 32", "\"no_ln_pre\": true")
    )));
    assert!(is_config(&open(&good.replace("bicubic", "bilinear"))));
    assert!(matches!(
        open(&good.replace("\"layers\": 3", "\"layers\": 4")),
        ClipError::MissingTensor { .. }
    ));
    assert!(matches!(
        open(&good.replace("\"layers\": 3", "\"layers\": 2")),
        ClipError::SurplusTensor { count: 12, .. }
    ));
    assert!(matches!(
        open(&good.replace("\"embed_dim\": 48", "\"embed_dim\": 50")),
        ClipError::WrongShape { .. }
    ));
}

#[test]
fn a_bare_file_says_what_was_assumed() {
    let clip = open("openai_vit");
    assert_eq!(clip.preprocess().size, 224);
    assert_eq!(clip.notes().len(), 1);
    assert!(clip.notes()[0].contains("QuickGELU assumed (--activation gelu for the other)"));
    assert!(open("open_clip").notes().is_empty());
    if is_here("vit") {
        let notes = ["no preprocessor_config.json: OpenAI's mean and std"];
        assert_eq!(open("vit").notes(), notes);
    }
}

#[test]
fn all_storage_types_and_int8_rows_give_nearly_the_same_features() {
    let crops = crops(224);
    let expected = expected("openai_vit", "image_features");
    let golden = Tensors::golden("openai_vit");
    let floats: Vec<String> = golden
        .0
        .iter()
        .filter(|(_, (dtype, ..))| *dtype == Dtype::F16)
        .map(|(name, _)| name.clone())
        .collect();
    let convert = |dtype: Dtype, write: &dyn Fn(f32) -> Vec<u8>| {
        let mut tensors = Tensors(golden.0.clone());
        for name in &floats {
            let data = golden.f32(name).into_iter().flat_map(write).collect();
            tensors
                .0
                .insert(name.clone(), (dtype, golden.0[name].1.clone(), data));
        }
        tensors
            .open()
            .unwrap()
            .encode_crops(&crops, None)
            .unwrap()
            .features
    };
    assert_close(
        &convert(Dtype::F32, &|x| x.to_le_bytes().to_vec()),
        &expected,
        1e-3,
    );
    assert_close(
        &convert(Dtype::BF16, &|x| {
            half::bf16::from_f32(x).to_le_bytes().to_vec()
        }),
        &expected,
        0.1,
    );

    let mut tensors = Tensors(golden.0.clone());
    for name in floats
        .iter()
        .filter(|name| golden.0[*name].1.len() > 1 && !name.contains("positional"))
    {
        let shape = golden.0[name].1.clone();
        let rows: Vec<Vec<f32>> = golden
            .f32(name)
            .chunks(shape[1..].iter().product())
            .map(<[f32]>::to_vec)
            .collect();
        let scales: Vec<f32> = rows
            .iter()
            .map(|row| row.iter().fold(1e-9f32, |m, x| m.max(x.abs())) / 127.0)
            .collect();
        let bytes = rows.iter().zip(&scales).flat_map(|(row, scale)| {
            row.iter()
                .map(move |x| ((x / scale).round() as i8).cast_unsigned())
        });
        tensors
            .0
            .insert(name.clone(), (Dtype::I8, shape, bytes.collect()));
        let scale_bytes = scales
            .iter()
            .flat_map(|scale| scale.to_le_bytes())
            .collect();
        tensors.0.insert(
            format!("{name}.scale"),
            (Dtype::F32, vec![scales.len()], scale_bytes),
        );
    }
    let features = tensors
        .open()
        .unwrap()
        .encode_crops(&crops, None)
        .unwrap()
        .features;
    assert_close(&features, &expected, 0.1);
}

#[test]
fn the_hash_is_the_files_sha256() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, bytes(&data("openai_vit/model.safetensors.gz"))).unwrap();
    let from_file = Clip::open(
        &CheckpointFiles {
            weights: WeightsSource::File(path),
            config: ConfigSource::None,
        },
        &OpenOptions::default(),
    )
    .unwrap();
    // sha256sum of the decompressed file.
    assert_eq!(
        from_file.hash(),
        "e53929d4565b530e170cd102f4c85ac81b9814fe58124ef43758325fa7648955"
    );
    assert_eq!(open("openai_vit").hash(), from_file.hash());
}

/// The golden adapter with other metadata, and without the tensors whose names contain `without`.
fn adapter_file(folder: &Path, metadata: &[(&str, &str)], without: Option<&str>) -> PathBuf {
    let bytes = fs::read(data("imo_adapter/adapter.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let kept = tensors
        .tensors()
        .into_iter()
        .filter(|(name, _)| without.is_none_or(|without| !name.contains(without)));
    let metadata = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let path = folder.join("adapter.safetensors");
    fs::write(&path, serialize(kept, Some(metadata)).unwrap()).unwrap();
    path
}

#[test]
fn an_adapter_without_scale_of_another_model_or_incomplete_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clip = open("openai_vit");
    let error = |metadata: &[(&str, &str)], without| {
        let path = adapter_file(folder.path(), metadata, without);
        BottleneckAdapter::open(&path, None, &clip).err()
    };
    assert!(matches!(
        error(&[], None),
        Some(ClipError::AdapterScale { .. })
    ));
    assert!(matches!(
        error(&[("scale", "0.1"), ("base_model_hash", "00ff")], None),
        Some(ClipError::AdapterOfOtherModel { .. })
    ));
    assert!(error(&[("scale", "0.1"), ("base_model_hash", clip.hash())], None).is_none());
    assert!(matches!(
        error(&[("scale", "0.1")], Some("3.adaptmlp.up_proj.bias")),
        Some(ClipError::MissingTensor { .. })
    ));
    let path = adapter_file(folder.path(), &[("scale", "0.1")], None);
    let error = |clip: &Clip| BottleneckAdapter::open(&path, None, clip).err();
    assert!(matches!(
        error(&open("open_clip")),
        Some(ClipError::SurplusTensor { count: 4, .. })
    ));
    assert!(matches!(
        error(&open("openai_rn_small")),
        Some(ClipError::AdapterNeedsTransformer)
    ));
}

#[test]
fn an_adapter_may_begin_at_a_later_block() {
    let folder = tempfile::tempdir().unwrap();
    let clip = open("openai_vit");
    let features = |without| {
        let path = adapter_file(folder.path(), &[("scale", "0.1")], without);
        let adapter = BottleneckAdapter::open(&path, None, &clip).unwrap();
        let size = clip.preprocess().size;
        clip.encode_crops(&crops(size), Some(&adapter))
            .unwrap()
            .features
    };
    let size = clip.preprocess().size;
    let (whole, later) = (features(None), features(Some("resblocks.0.")));
    assert_ne!(later, whole);
    assert_ne!(
        later,
        clip.encode_crops(&crops(size), None).unwrap().features
    );
}

#[test]
fn the_activation_asked_for_is_used() {
    use shotlens::clip::Activation;
    let open = |activation| {
        let clip = Clip::open(
            &files("openai_vit"),
            &OpenOptions {
                device: DeviceChoice::Cpu,
                precision: Precision::F32,
                activation,
            },
        )
        .unwrap();
        clip.encode_crops(&crops(224), None).unwrap().features
    };
    assert_eq!(open(Some(Activation::QuickGelu)), open(None));
    assert_ne!(open(Some(Activation::Gelu)), open(None));
}
