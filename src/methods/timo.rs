//! TIMO (AAAI 2025; lyymuwu/TIMO at 75eca4cf): photos weigh the prompts, and prompts stand beside the photos.
//!
//! Image-guided text: of every class, `m` the cosines of its prompts to its normalised mean photo;
//! `W = Σ softmax(γ m / ‖m‖) · prompt`, of unit length.
//! Text-guided image: [GDA](super::gda) on all views of the photos and on the prompts, sorted by falling `m`, repeated
//! twice, cut after the first β and each multiplied by its `m`.
//! `logits = α · x · Wᵀ + (x · w + b)`. TIMO-S is the same with γ and β searched, which is up to whoever tunes.

use faer::Mat;

use super::gda::{Gaussians, TextAndGaussians, class_means};
use super::linear_algebra::to_f64;
use super::rows::Rows;
use super::{Knowledge, Method, MethodError, Parameters, Prompts};
use crate::features::{Features, Matrix};
use crate::support::SupportSet;

/// The prompts of one class.
struct Guided {
    /// Rows of the prompts and their cosines to the class's mean photo, the best first.
    ranked: Vec<(usize, f64)>,
}

impl Guided {
    /// Ranks the prompts with these `rows`; of equals the first comes first.
    fn new(prompts: &Features, rows: &[usize], prototype: &[f64]) -> Self {
        let cosine = |row: usize| -> f64 {
            prompts
                .row(row)
                .iter()
                .zip(prototype)
                .map(|(x, y)| f64::from(*x) * y)
                .sum()
        };
        let mut ranked: Vec<(usize, f64)> = rows.iter().map(|row| (*row, cosine(*row))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        Self { ranked }
    }

    /// Weights of the prompts, adding up to 1: `softmax(γ m / ‖m‖)`, `‖m‖` over the prompts of the class.
    fn shares(&self, gamma: f64) -> Vec<f64> {
        let length = self.ranked.iter().map(|(_, m)| m * m).sum::<f64>().sqrt();
        let scale = gamma / length.max(1e-12);
        let highest = self.ranked.first().map_or(0.0, |(_, m)| *m);
        let powers = self
            .ranked
            .iter()
            .map(|(_, m)| (scale * (m - highest)).exp());
        let powers: Vec<f64> = powers.collect();
        let total: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / total).collect()
    }

    /// The first `count` of the prompts taken twice over, with their cosines; each once where no number is given.
    fn instances(&self, count: Option<usize>) -> impl Iterator<Item = (usize, f64)> {
        let count = count.map_or(self.ranked.len(), |count| count.max(1));
        let twice = self.ranked.iter().chain(&self.ranked);
        twice.take(count).copied()
    }
}

/// Photos and the prompts that they have ranked: everything that comes before the choice of γ and β.
pub(super) struct Guidance<'a> {
    method: Method,
    knowledge: Knowledge<'a>,
    prompts: &'a Prompts,
    guided: Vec<Guided>,
}

impl<'a> Guidance<'a> {
    pub(super) fn new(method: Method, knowledge: &Knowledge<'a>) -> Result<Self, MethodError> {
        let Some(prompts) = knowledge.prompts else {
            return Err(MethodError::TooFewPrompts { method, fewest: 1 });
        };
        let by_class = rows_by_class(prompts, knowledge)?;
        let prototypes = prototypes(knowledge.support);
        let guide = |(class, rows): (usize, &Vec<usize>)| {
            Guided::new(&prompts.features, rows, &prototypes[class])
        };
        Ok(Self {
            method,
            knowledge: *knowledge,
            prompts,
            guided: by_class.iter().enumerate().map(guide).collect(),
        })
    }

    /// Prompts of the class that has most.
    pub(super) fn most_prompts(&self) -> usize {
        let counts = self.guided.iter().map(|guided| guided.ranked.len());
        counts.max().unwrap_or(0)
    }

    /// Class texts guided by photos, `[num_classes, dim]`, unit rows.
    pub(super) fn text(&self, gamma: f32) -> Result<Matrix, MethodError> {
        guided_text(&self.prompts.features, &self.guided, f64::from(gamma))
    }

    /// Gaussian classes of photos, guided by `num_prompts` prompts each. Without class names the photos alone decide, so no
    /// prompt stands beside them either.
    pub(super) fn gaussians(&self, num_prompts: Option<usize>) -> Result<Gaussians, MethodError> {
        let Rows { original, .. } = self.knowledge.rows_for(self.method)?;
        let guided = if self.knowledge.use_class_names {
            &self.guided[..]
        } else {
            &[]
        };
        let (rows, labels) = instances(original, self.prompts, guided, num_prompts);
        Gaussians::fit(self.method, &rows, &labels, original.num_classes())
    }
}

/// Fits TIMO; `parameters`: `alpha`, `gamma` and `num_prompts` (β).
pub(super) fn fit(
    method: Method,
    parameters: &Parameters,
    knowledge: &Knowledge<'_>,
) -> Result<TextAndGaussians, MethodError> {
    let guidance = Guidance::new(method, knowledge)?;
    Ok(TextAndGaussians::new(
        method,
        guidance.text(parameters.gamma)?,
        &guidance.gaussians(parameters.num_prompts)?,
        (parameters.alpha, knowledge.use_class_names),
    ))
}

/// The rows of every class's prompts; refuses prompts that do not fit the classes or the model.
fn rows_by_class(
    prompts: &Prompts,
    knowledge: &Knowledge<'_>,
) -> Result<Vec<Vec<usize>>, MethodError> {
    let num_classes = knowledge.text.len();
    let refuse = |what, got, expected| {
        Err(MethodError::Rows {
            what,
            got,
            expected,
        })
    };
    if prompts.classes.len() != prompts.features.len() {
        return refuse(
            "classes of the prompts",
            prompts.classes.len(),
            prompts.features.len(),
        );
    }
    let (got, expected) = (prompts.features.dim(), knowledge.text.dim());
    if got != expected {
        return Err(MethodError::Dimension {
            what: "prompts",
            got,
            expected,
        });
    }
    let mut by_class = vec![Vec::new(); num_classes];
    for (row, class) in prompts.classes.iter().enumerate() {
        match by_class.get_mut(*class) {
            Some(rows) => rows.push(row),
            None => return refuse("classes", num_classes, class + 1),
        }
    }
    Ok(by_class)
}

/// The mean photo of every class, of unit length (zeros where photos cancel out).
fn prototypes(support: &SupportSet) -> Vec<Vec<f64>> {
    let rows = to_f64(support.features().matrix());
    let means = class_means(&rows, support.labels(), support.num_classes());
    let prototype = |class: usize| {
        let row: Vec<f64> = (0..means.ncols()).map(|col| means[(class, col)]).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
        row.into_iter().map(|x| x / length).collect()
    };
    (0..support.num_classes()).map(prototype).collect()
}

/// Image-guided class texts, `[num_classes, dim]`, unit rows.
fn guided_text(prompts: &Features, guided: &[Guided], gamma: f64) -> Result<Matrix, MethodError> {
    let mut text = Matrix::zeros(guided.len(), prompts.dim());
    for (class, guided) in guided.iter().enumerate() {
        for ((row, _), share) in guided.ranked.iter().zip(guided.shares(gamma)) {
            for (sum, x) in text.row_mut(class).iter_mut().zip(prompts.row(*row)) {
                *sum += share as f32 * x;
            }
        }
    }
    let text = Features::normalized(text).map_err(|_no_direction| MethodError::Decomposition {
        what: "image-guided text",
    })?;
    Ok(text.matrix().clone())
}

/// Photos and weighted prompts with their classes.
fn instances(
    photos: &SupportSet,
    prompts: &Prompts,
    guided: &[Guided],
    num_prompts: Option<usize>,
) -> (Mat<f64>, Vec<usize>) {
    let mut labels = photos.labels().to_vec();
    let mut weighted = Vec::new();
    for (class, guided) in guided.iter().enumerate() {
        for instance in guided.instances(num_prompts) {
            labels.push(class);
            weighted.push(instance);
        }
    }
    let rows = Mat::from_fn(labels.len(), prompts.features.dim(), |row, col| {
        match row.checked_sub(photos.len()) {
            None => f64::from(photos.features().row(row)[col]),
            Some(index) => {
                let (prompt, score) = weighted[index];
                score * f64::from(prompts.features.row(prompt)[col])
            }
        }
    });
    (rows, labels)
}
