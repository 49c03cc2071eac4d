//! Training-free adapters: one matrix in place of an adapted encoder (and such a matrix that was learned elsewhere).
//!
//! - `IsoCLIP` (CVPR 2026, arXiv 2603.19862; simomagi/IsoCLIP at 84f80c9b, `apply_iso`): `Ψ = W_iᵀ W_t` of the two
//!   projections, `Ψ = U S Vᵀ`, leading and trailing directions dropped, `W = W_i U_k U_kᵀ` in place of `W_i`.
//! - PCA← (Herzog and Wang, "Reevaluating the Intra-Modal Misalignment Hypothesis in CLIP"): features on the leading
//!   principal axes of word embeddings. Words are unit rows, mean-centred; features are not centred (our choice).

use super::MethodError;
use super::linear_algebra::{left_singular_vectors, to_f32, to_f64};
use super::overlap::binned_auroc;
use crate::features::{FeatureError, Features, Matrix};
use crate::support::SupportSet;

/// What rows a projection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectionInput {
    /// The image tower's output before its projection ([`IsoClip`]).
    Hidden,
    /// Image features (PCA).
    Features,
}

/// A linear map that takes the place of an adapted encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// `[out_dim, in_dim]`.
    matrix: Matrix,
    input: ProjectionInput,
    id: String,
}

impl Projection {
    /// PCA← onto the leading `num_components` principal axes of word embeddings `[num_words, dim]`.
    ///
    /// At most as many components as words or dimensions, whichever is smaller.
    pub fn pca(words: &Features, num_components: usize) -> Result<Self, MethodError> {
        let available = words.len().min(words.dim());
        if num_components == 0 || num_components > available {
            return Err(MethodError::Cut {
                top: 0,
                bottom: available.saturating_sub(num_components),
                available,
            });
        }
        let mut centred = to_f64(words.matrix());
        for col in 0..centred.ncols() {
            let mean = (0..centred.nrows())
                .map(|row| centred[(row, col)])
                .sum::<f64>()
                / centred.nrows() as f64;
            for row in 0..centred.nrows() {
                centred[(row, col)] -= mean;
            }
        }
        let axes = left_singular_vectors(&centred.transpose().to_owned())?;
        let matrix = to_f32(axes.subcols(0, num_components).transpose());
        let id = format!("pca:{num_components}:{}", words.len());
        Ok(Self {
            matrix,
            input: ProjectionInput::Features,
            id,
        })
    }

    /// A matrix `[out_dim, in_dim]` that was learned for hidden features; `id` tells it from others in cache keys.
    pub fn learned(matrix: Matrix, id: String) -> Self {
        Self {
            matrix,
            input: ProjectionInput::Hidden,
            id,
        }
    }

    /// A map as it was written to a file: matrix `[out_dim, in_dim]`, the rows that it takes, and its id.
    pub fn stored(matrix: Matrix, input: ProjectionInput, id: String) -> Self {
        Self { matrix, input, id }
    }

    /// `[out_dim, in_dim]`.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Half the dimensions, as in the paper; fewer where there are fewer words.
    pub fn default_pca_components(num_words: usize, dim: usize) -> usize {
        (dim / 2).min(num_words).max(1)
    }

    /// Which rows [`Self::apply`] takes.
    pub fn input(&self) -> ProjectionInput {
        self.input
    }

    /// What the result depends on besides the model and the photo, for cache keys.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Rows `[n, in_dim]` through the map, `[n, out_dim]`, scaled to unit length.
    ///
    /// # Panics
    /// When the rows have another length than the map takes.
    pub fn apply(&self, rows: &Matrix) -> Result<Features, FeatureError> {
        Features::normalized(rows.times_transposed(&self.matrix))
    }
}

/// The directions of an image tower that texts can reach, by falling strength: what `IsoCLIP` chooses from.
///
/// Computed once for a model (a singular value decomposition in double precision); every cut is then two products.
#[derive(Clone, Debug)]
pub struct IsoClip {
    /// `U`, shape `[image_width, rank]`.
    directions: Matrix,
    /// `W_i U`, shape `[dim, rank]`.
    projected: Matrix,
}

/// How many singular directions are dropped at either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cut {
    /// Leading directions dropped.
    pub top: usize,
    /// Trailing directions dropped.
    pub bottom: usize,
}

/// A cut chosen on a support set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChosenCut {
    /// The cut.
    pub cut: Cut,
    /// AUROC of same-class over different-class cosines at the cut.
    pub auroc: f64,
    /// Cuts that were tried.
    pub num_cuts: usize,
}

impl IsoClip {
    /// Decomposes `W_iᵀ W_t` for the image projection `[dim, image_width]` and the text projection `[dim, text_width]`.
    pub fn new(image_projection: &Matrix, text_projection: &Matrix) -> Result<Self, MethodError> {
        if image_projection.rows() != text_projection.rows() {
            let (got, expected) = (text_projection.rows(), image_projection.rows());
            return Err(MethodError::Dimension {
                what: "text projection",
                got,
                expected,
            });
        }
        let (image, text) = (to_f64(image_projection), to_f64(text_projection));
        let directions = left_singular_vectors(&(image.transpose() * &text))?;
        let projected = to_f32((&image * &directions).as_ref());
        Ok(Self {
            directions: to_f32(directions.as_ref()),
            projected,
        })
    }

    /// Number of directions: the smaller of image and text width.
    pub fn num_directions(&self) -> usize {
        self.directions.cols()
    }

    /// The projection at a cut; `(0, 0)` keeps all that texts can reach.
    pub fn projection(&self, cut: Cut) -> Result<Projection, MethodError> {
        let kept = self.kept(cut)?;
        let matrix = self
            .projected
            .select_cols(&kept)
            .times_transposed(&self.directions.select_cols(&kept));
        Ok(Projection {
            matrix,
            input: ProjectionInput::Hidden,
            id: format!("isoclip:{},{}", cut.top, cut.bottom),
        })
    }

    /// The published cut for a vision transformer of this size, if there is one (ViT-B/16, ViT-B/32, ViT-L/14).
    pub fn published_cut(image_width: usize, num_layers: usize, patch_size: usize) -> Option<Cut> {
        match (image_width, num_layers, patch_size) {
            (768, 12, 16) => Some(Cut {
                top: 200,
                bottom: 50,
            }),
            (768, 12, 32) => Some(Cut {
                top: 150,
                bottom: 50,
            }),
            (1024, 24, 14) => Some(Cut {
                top: 250,
                bottom: 200,
            }),
            _ => None,
        }
    }

    /// Chooses a cut on the support set, whose rows before the projection are `hidden`, `[num_rows, image_width]`.
    ///
    /// The measure is the AUROC of same-class over different-class cosines; a photo is never compared with its own
    /// views or duplicates, which makes it leave-one-out. Twenty cuts are tried, at most 3/8 of the directions from the
    /// top and 1/4 from the bottom; `(0, 0)` comes first and wins ties. At most 500 rows are looked at, evenly spread.
    pub fn choose_cut(
        &self,
        hidden: &Matrix,
        support: &SupportSet,
    ) -> Result<ChosenCut, MethodError> {
        if hidden.rows() != support.len() {
            return Err(MethodError::Rows {
                what: "rows before the projection",
                got: hidden.rows(),
                expected: support.len(),
            });
        }
        let step = support.len().div_ceil(500).max(1);
        let rows: Vec<usize> = (0..support.len()).step_by(step).collect();
        let labels: Vec<usize> = rows.iter().map(|row| support.labels()[*row]).collect();
        let groups: Vec<usize> = rows.iter().map(|row| support.groups()[*row]).collect();
        let coordinates = hidden.select_rows(&rows).times(&self.directions);
        let mut best: Option<ChosenCut> = None;
        let cuts = self.cuts_to_try();
        for cut in &cuts {
            let kept = self.kept(*cut)?;
            let features = coordinates
                .select_cols(&kept)
                .times_transposed(&self.projected.select_cols(&kept));
            let Ok(features) = Features::normalized(features) else {
                continue;
            };
            let auroc = binned_auroc(&features, &labels, &groups);
            if best.is_none_or(|best| auroc > best.auroc) {
                best = Some(ChosenCut {
                    cut: *cut,
                    auroc,
                    num_cuts: cuts.len(),
                });
            }
        }
        best.ok_or(MethodError::Decomposition { what: "projection" })
    }

    fn cuts_to_try(&self) -> Vec<Cut> {
        let rank = self.num_directions();
        let tops = [0, rank / 16, rank / 8, rank / 4, 3 * rank / 8];
        let bottoms = [0, rank / 16, rank / 8, rank / 4];
        let mut cuts: Vec<Cut> = tops
            .iter()
            .flat_map(|top| {
                bottoms.iter().map(|bottom| Cut {
                    top: *top,
                    bottom: *bottom,
                })
            })
            .collect();
        cuts.dedup();
        cuts
    }

    /// Indices of the directions that a cut leaves.
    fn kept(&self, Cut { top, bottom }: Cut) -> Result<Vec<usize>, MethodError> {
        let available = self.num_directions();
        match available.checked_sub(bottom) {
            Some(end) if top < end => Ok((top..end).collect()),
            _ => Err(MethodError::Cut {
                top,
                bottom,
                available,
            }),
        }
    }
}
