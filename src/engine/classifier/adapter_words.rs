//! The adapter of a classifier file: a matrix goes into the file, a file of bottleneck adapters is named with its hash.

use std::path::{Path, PathBuf};

use super::Adapter;
use super::file_error::ClassifierFileError;
use super::tensors::{Content, Tensors};
use crate::clip::BottleneckAdapter;
use crate::engine::adapted::{AdaptedEncoder, AdapterSpec};
use crate::engine::trained_on::TrainedOn;
use crate::engine::{Engine, EngineError};
use crate::features::Matrix;
use crate::methods::projection::{Projection, ProjectionInput};

/// An adapter as a file holds it.
pub(super) struct StoredAdapter {
    id: String,
    title: String,
    /// What `--adapter` takes to make the same features.
    option: String,
    matrix: Option<(Matrix, ProjectionInput)>,
}

/// Writes `adapter` (the id, as in files of features; empty for none), `adapter_title`, `adapter_option` and the matrix.
pub(super) fn write(file: &mut Tensors, adapter: Option<&Adapter>) {
    let Some(Adapter { spec, encoder }) = adapter else {
        file.word("adapter", "");
        return;
    };
    file.word("adapter", encoder.id());
    file.word("adapter_title", encoder.title());
    file.word("adapter_option", option(spec, encoder));
    if let AdaptedEncoder::Projection { projection, .. } = encoder {
        file.matrix("projection", projection.matrix());
        file.word("projection_input", input_name(projection.input()));
    }
}

/// What `--adapter` takes to make the same features without the support set.
fn option(spec: &AdapterSpec, encoder: &AdaptedEncoder) -> String {
    match spec {
        AdapterSpec::File(path) => absolute(path).display().to_string(),
        AdapterSpec::IsoClip(_) => encoder.id(),
        // The id also tells the number of words.
        AdapterSpec::Pca(_) => {
            let id = encoder.id();
            id.rsplit_once(':')
                .map_or(id.clone(), |(option, _)| option.to_owned())
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_no_working_folder| path.to_owned())
}

fn input_name(input: ProjectionInput) -> &'static str {
    match input {
        ProjectionInput::Features => "features",
        ProjectionInput::Hidden => "hidden",
    }
}

/// What [`write()`] has written.
pub(super) fn read(content: &Content<'_>) -> Result<Option<StoredAdapter>, String> {
    let id = content.word("adapter")?;
    if id.is_empty() {
        return Ok(None);
    }
    let matrix = match content.matrix_if_there("projection")? {
        Some(matrix) => Some((matrix, read_input(content.word("projection_input")?)?)),
        None => None,
    };
    Ok(Some(StoredAdapter {
        id: id.to_owned(),
        title: content.word("adapter_title")?.to_owned(),
        option: content.word("adapter_option")?.to_owned(),
        matrix,
    }))
}

fn read_input(name: &str) -> Result<ProjectionInput, String> {
    [ProjectionInput::Features, ProjectionInput::Hidden]
        .into_iter()
        .find(|input| input_name(*input) == name)
        .ok_or_else(|| format!("its projection takes {name:?}, which is unknown"))
}

impl StoredAdapter {
    /// The adapter for `engine`; a file of bottleneck adapters is looked for where it was, then beside the classifier.
    pub(super) fn open(&self, classifier: &Path, engine: &Engine) -> Result<Adapter, EngineError> {
        if let Some((matrix, input)) = &self.matrix {
            let projection = Projection::stored(matrix.clone(), *input, self.id.clone());
            let encoder = AdaptedEncoder::Projection {
                projection,
                title: self.title.clone(),
                note: None,
                trained_on: TrainedOn::default(),
            };
            let spec = self.option.parse().unwrap_or(AdapterSpec::IsoClip(None));
            return Ok(Adapter { spec, encoder });
        }
        let path = self.file(classifier);
        let adapter = BottleneckAdapter::open(&path, self.scale(), engine.clip())?;
        if adapter.id() != self.id {
            return Err(ClassifierFileError::OtherAdapter {
                theirs: self.id.clone(),
                ours: adapter.id(),
                path,
            }
            .into());
        }
        Ok(Adapter {
            spec: AdapterSpec::File(path),
            encoder: AdaptedEncoder::Bottleneck(Box::new(adapter)),
        })
    }

    fn file(&self, classifier: &Path) -> PathBuf {
        let path = PathBuf::from(&self.option);
        let beside = path.file_name().map(|name| classifier.with_file_name(name));
        beside
            .filter(|beside| !path.is_file() && beside.is_file())
            .unwrap_or(path)
    }

    /// The last part of a bottleneck adapter's id.
    fn scale(&self) -> Option<f64> {
        self.id.splitn(3, '-').nth(2)?.parse().ok()
    }
}
