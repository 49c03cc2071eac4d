//! The reference's numbers for the methods (tests/data/methods, made by the float64 reference implementation).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use shotlens::features::{Features, Matrix};
use shotlens::methods::{Knowledge, Method, Parameters, Prompts, Queries, SignatureRange, Views};
use shotlens::support::SupportSet;

use crate::clip_data::shared_golden;

/// A file of tests/data/methods.
pub(crate) struct Golden {
    pub(crate) matrices: HashMap<String, Matrix>,
    integers: HashMap<String, Vec<usize>>,
    pub(crate) json: serde_json::Value,
}

/// The tensors of a golden: beside the tests, or in the development data where they are too large for that (`2`).
pub(crate) fn tensors(name: &str) -> Option<PathBuf> {
    let file = format!("{name}.safetensors");
    let here = folder().join(&file);
    let beside = || shared_golden(&format!("methods/{file}"));
    let found = Some(here).filter(|here| here.exists()).or_else(beside);
    if found.is_none() {
        println!(
            "skipped: the golden methods/{name}, which is too large to be kept here (set SHOTLENS_SHARED)"
        );
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/methods")
}

impl Golden {
    /// `None`, with a printed line, for one that is not at hand.
    pub(crate) fn find(name: &str) -> Option<Self> {
        tensors(name).map(|path| Self::read(&path, name))
    }

    pub(crate) fn open(name: &str) -> Self {
        Self::find(name).expect("test data")
    }

    fn read(path: &Path, name: &str) -> Self {
        let bytes = std::fs::read(path).expect("test data");
        let file = SafeTensors::deserialize(&bytes).expect("test data");
        let (mut matrices, mut integers) = (HashMap::new(), HashMap::new());
        for (key, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let data = view
                        .data()
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|bytes| f32::from_le_bytes(*bytes))
                        .collect();
                    matrices.insert(
                        key,
                        Matrix::new(view.shape()[0], view.shape()[1], data).expect("test data"),
                    );
                }
                Dtype::I64 => {
                    let data = view
                        .data()
                        .as_chunks::<8>()
                        .0
                        .iter()
                        .map(|bytes| i64::from_le_bytes(*bytes) as usize)
                        .collect();
                    integers.insert(key, data);
                }
                other => panic!("{key} is {other:?}"),
            }
        }
        let json = std::fs::read(folder().join(format!("{name}.json")))
            .map_or(serde_json::Value::Null, |text| {
                serde_json::from_slice(&text).expect("test data")
            });
        Self {
            matrices,
            integers,
            json,
        }
    }

    pub(crate) fn matrix(&self, name: &str) -> &Matrix {
        &self.matrices[name]
    }

    pub(crate) fn features(&self, name: &str) -> Features {
        Features::normalized(self.matrix(name).clone()).expect("test data")
    }

    pub(crate) fn integers(&self, name: &str) -> &[usize] {
        &self.integers[name]
    }

    pub(crate) fn hyper(&self, method: Method) -> Parameters {
        let values = &self.json["hyper"][method.name()];
        // The reference scales Tip-X by the range over the file's queries.
        let mut parameters = Parameters {
            signature_range: SignatureRange::Queries,
            ..Parameters::default()
        };
        let count = |key: &str| values[key].as_u64().map(|count| count as usize);
        parameters.channels = count("channels");
        parameters.num_prompts = count("num_prompts");
        parameters.epochs = count("epochs");
        parameters.seed = values["seed"].as_u64().unwrap_or(1);
        let fields = [
            ("alpha", &mut parameters.alpha),
            ("beta", &mut parameters.beta),
            ("gamma", &mut parameters.gamma),
            ("w0", &mut parameters.w0),
            ("w1", &mut parameters.w1),
            ("lam", &mut parameters.lambda),
        ];
        for (key, field) in fields {
            if let Some(value) = values[key].as_f64() {
                *field = value as f32;
            }
        }
        parameters
    }
}

/// Everything in a golden that a method takes.
pub(crate) struct Scene {
    pub(crate) support: SupportSet,
    pub(crate) adapted_keys: Features,
    pub(crate) text: Features,
    pub(crate) queries: Features,
    pub(crate) adapted_queries: Features,
    views: Option<(SupportSet, Features)>,
    prompts: Option<Prompts>,
}

impl Scene {
    pub(crate) fn of(golden: &Golden) -> Self {
        let text = golden.features("text");
        let support = SupportSet::from_rows(
            golden.features("support"),
            golden.integers("labels").to_vec(),
            text.len(),
        )
        .expect("test data");
        let views = golden.matrices.contains_key("support_views").then(|| {
            let photos = golden.integers("view_photos");
            let groups = photos.iter().map(|photo| support.groups()[*photo]);
            let rows = golden.features("support_views");
            let labels = golden.integers("view_labels").to_vec();
            let views = SupportSet::new(rows, labels, text.len(), groups.collect());
            (
                views.expect("test data"),
                golden.features("support_views_imo"),
            )
        });
        let prompts = golden.matrices.contains_key("prompts").then(|| Prompts {
            features: golden.features("prompts"),
            classes: golden.integers("prompt_labels").to_vec(),
        });
        Self {
            views,
            prompts,
            support,
            adapted_keys: golden.features("support_imo"),
            text,
            queries: golden.features("queries"),
            adapted_queries: golden.features("queries_imo"),
        }
    }

    /// Without views or prompts; queries original and adapted.
    pub(crate) fn new(
        support: SupportSet,
        text: Features,
        adapted_keys: Features,
        [queries, adapted_queries]: [Features; 2],
    ) -> Self {
        Self {
            support,
            adapted_keys,
            text,
            queries,
            adapted_queries,
            views: None,
            prompts: None,
        }
    }

    pub(crate) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge::new(&self.support, &self.text).with_adapted_keys(Some(&self.adapted_keys))
    }

    /// With every view by itself and every prompt by itself.
    pub(crate) fn rich_knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            views: self.views.as_ref().map(|(original, adapted)| Views {
                original,
                adapted: Some(adapted),
            }),
            prompts: self.prompts.as_ref(),
            ..self.knowledge()
        }
    }

    pub(crate) fn queries(&self) -> Queries<'_> {
        Queries {
            adapted: Some(&self.adapted_queries),
            ..Queries::new(&self.queries)
        }
    }
}

/// Largest difference, relative to the expected number or to 0.1 where that is smaller.
#[track_caller]
pub(crate) fn check_close(got: &Matrix, expected: &Matrix, tolerance: f32) {
    assert_eq!((got.rows(), got.cols()), (expected.rows(), expected.cols()));
    let difference =
        |(got, expected): (&f32, &f32)| (got - expected).abs() / expected.abs().max(0.1);
    let worst = got
        .as_slice()
        .iter()
        .zip(expected.as_slice())
        .map(difference)
        .fold(0.0, f32::max);
    assert!(worst <= tolerance, "differs by {worst:e}");
}
