//! Made-up features that behave like CLIP's: a direction that all photos share, one for each class, and noise.
//!
//! Texts lie near their classes but not in them, so that names alone get some photos right, the shots more, and α and β matter.

use anyhow::{Result, bail};
use clap::Args;

use crate::cli::tensor_file::TensorWriter;
use crate::features::{Features, Matrix};
use crate::methods::{Knowledge, Prompts, Queries};
use crate::support::SupportSet;

/// Length of the class's direction, and of a photo's noise, beside the shared direction of length 1.
const CLASS: f64 = 0.4;
const PHOTO_NOISE: f64 = 1.4;
/// Length of a text's noise beside its class's direction of length 1.
const TEXT_NOISE: f64 = 1.5;

/// Prompts of a class, for the methods that weigh them.
const PROMPTS: usize = 20;

/// How much of everything.
#[derive(Args, Debug, Clone, Copy)]
pub(super) struct Size {
    /// Support photos, spread evenly over the classes
    #[arg(long, default_value_t = 1600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) keys: u32,
    /// Classes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) classes: u32,
    /// Photos to classify
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) queries: u32,
    /// Length of a feature
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) dim: u32,
}

/// A support set, texts and photos with their classes.
pub(super) struct Synthetic {
    pub(super) support: SupportSet,
    pub(super) text: Features,
    pub(super) prompts: Prompts,
    pub(super) queries: Features,
    pub(super) labels: Vec<usize>,
}

impl Synthetic {
    /// The same features for the same size, everywhere.
    pub(super) fn new(size: Size) -> Result<Self> {
        let (num_classes, dim) = (size.classes as usize, size.dim as usize);
        if size.keys < size.classes {
            bail!(
                "{} keys leave some of the {} classes without any: give at least as many keys as classes",
                size.keys,
                size.classes
            );
        }
        let mut noise = Noise(1);
        let shared = noise.direction(dim);
        let classes: Vec<Vec<f64>> = (0..num_classes).map(|_| noise.direction(dim)).collect();
        let mut photo = |class: usize| -> Vec<f32> {
            let own = noise.direction(dim);
            let sum = |i: usize| shared[i] + CLASS * classes[class][i] + PHOTO_NOISE * own[i];
            (0..dim).map(|i| sum(i) as f32).collect()
        };
        let labels_of = |count: u32| -> Vec<usize> {
            (0..count as usize).map(|row| row % num_classes).collect()
        };
        let (key_labels, labels) = (labels_of(size.keys), labels_of(size.queries));
        let mut photos = |labels: &[usize]| -> Result<Features> {
            let data: Vec<f32> = labels.iter().flat_map(|label| photo(*label)).collect();
            Ok(Features::normalized(Matrix::new(labels.len(), dim, data)?)?)
        };
        let (keys, queries) = (photos(&key_labels)?, photos(&labels)?);
        let mut texts = |count: usize| -> Result<Features> {
            let mut data = Vec::with_capacity(num_classes * count * dim);
            for class in classes
                .iter()
                .flat_map(|class| std::iter::repeat_n(class, count))
            {
                let own = noise.direction(dim);
                data.extend((0..dim).map(|i| (class[i] + TEXT_NOISE * own[i]) as f32));
            }
            Ok(Features::normalized(Matrix::new(
                num_classes * count,
                dim,
                data,
            )?)?)
        };
        let (text, prompts) = (texts(1)?, texts(PROMPTS)?);
        Ok(Self {
            support: SupportSet::from_rows(keys, key_labels, num_classes)?,
            text,
            prompts: Prompts {
                classes: (0..prompts.len()).map(|row| row / PROMPTS).collect(),
                features: prompts,
            },
            queries,
            labels,
        })
    }

    /// What the methods learn from; the ++ methods get the same features as the others.
    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            prompts: Some(&self.prompts),
            ..Knowledge::new(&self.support, &self.text)
                .with_adapted_keys(Some(self.support.features()))
        }
    }

    pub(super) fn queries(&self) -> Queries<'_> {
        Queries {
            adapted: Some(&self.queries),
            ..Queries::new(&self.queries)
        }
    }

    /// The tensors that `tune` reads.
    pub(super) fn write(&self, path: &std::path::Path) -> Result<()> {
        let integers =
            |labels: &[usize]| -> Vec<i64> { labels.iter().map(|label| *label as i64).collect() };
        let mut writer = TensorWriter::default();
        writer.floats("support", self.support.features().matrix());
        writer.integers("labels", &integers(self.support.labels()));
        writer.floats("text", self.text.matrix());
        writer.floats("queries", self.queries.matrix());
        writer.integers("query_labels", &integers(&self.labels));
        writer.write(path)
    }
}

/// `SplitMix64`.
struct Noise(u64);

impl Noise {
    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A direction of length 1 in any of `dim` dimensions: normal numbers by Box and Muller, normalised.
    fn direction(&mut self, dim: usize) -> Vec<f64> {
        let mut row: Vec<f64> = (0..dim)
            .map(|_| {
                let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
                radius * (std::f64::consts::TAU * self.uniform()).cos()
            })
            .collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        for x in &mut row {
            *x /= length;
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{Method, Parameters, fit};

    #[test]
    fn shots_help_where_names_do_not_suffice() {
        let size = Size {
            keys: 80,
            classes: 10,
            queries: 200,
            dim: 32,
        };
        let scene = Synthetic::new(size).unwrap();
        let correct = |method| {
            let parameters = Parameters {
                alpha: 50.0,
                beta: 2.0,
                ..Parameters::default()
            };
            let classifier = fit(method, &parameters, &scene.knowledge()).unwrap();
            let classes = classifier.logits(scene.queries()).unwrap().top_classes();
            let pairs = classes.iter().zip(&scene.labels);
            pairs.filter(|(class, label)| class == label).count()
        };
        let (names, shots) = (correct(Method::ZeroShot), correct(Method::TipAdapter));
        assert!(
            20 < names && names < shots && shots < 200,
            "{names} {shots}"
        );
        assert!(Synthetic::new(Size { keys: 9, ..size }).is_err());
    }
}
