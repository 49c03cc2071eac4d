//! What a model's two halves can do, whatever they are made of.

use candle_core::{Result, Tensor};

use super::ClipError;
use super::adapter::BottleneckAdapter;
use super::preprocess::Crop;
use crate::features::Matrix;

/// What a tower makes of pictures.
pub(super) struct ImageTensors {
    /// `[num_crops, dim]`, not normalised.
    pub(super) features: Tensor,
    /// `[num_crops, width]`, before the projection.
    pub(super) hidden: Option<Tensor>,
}

/// What a tower that is being trained makes of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PixelValues {
    /// As for features: minus the mean, over the deviation.
    #[default]
    Normalised,
    /// From 0 to 1, as the training code of the bottleneck adapters' authors has it (its `Normalize` is commented out).
    ZeroToOne,
}

/// Pictures in, features out.
pub(super) trait ImageTower: Send + Sync {
    /// Features of `crops`, all at once; the caller keeps batches to [`ImageTower::batch_size`].
    ///
    /// Differentiable with respect to the adapter's tensors.
    fn forward(&self, crops: &[Crop], adapter: Option<&BottleneckAdapter>) -> Result<ImageTensors>;

    /// Features as they are and through `adapter`; what comes before its first block is computed once where that can be.
    fn forward_both(
        &self,
        crops: &[Crop],
        adapter: &BottleneckAdapter,
    ) -> Result<[ImageTensors; 2]> {
        Ok([
            self.forward(crops, None)?,
            self.forward(crops, Some(adapter))?,
        ])
    }

    /// What block `before` takes, `[num_crops, num_tokens, width]`; `None` for a tower without such blocks.
    fn activations(
        &self,
        crops: &[Crop],
        before: usize,
        values: PixelValues,
    ) -> Result<Option<Tensor>>;

    /// The rest of the way from there, as [`ImageTower::forward`].
    fn finish(
        &self,
        activations: &Tensor,
        before: usize,
        adapter: &BottleneckAdapter,
    ) -> Result<Option<ImageTensors>>;

    /// What the tower sees at each place, `[num_crops, num_parts, dim]`, not normalised; `None` for a tower without places.
    fn parts(&self, crops: &[Crop]) -> Result<Option<Tensor>>;

    /// How many pictures at once suit the device.
    fn batch_size(&self) -> usize;

    /// Where bottleneck adapters fit: number of blocks and their width.
    fn adapter_places(&self) -> Option<(usize, usize)>;

    /// The last matrix, `[dim, width]`, when the features are that matrix times something.
    fn projection(&self) -> Option<&Matrix>;
}

/// Texts in, features out.
pub(super) trait TextTower: Send + Sync {
    /// Features of texts given as token ids, shape `[num_texts, dim]`, not normalised.
    fn encode(&self, texts: &[&[u32]]) -> std::result::Result<Matrix, ClipError>;

    /// What the tower makes of each token before anything else, `[num_ids, width]`, without its position.
    fn embeddings(&self, ids: &[u32]) -> Result<Tensor>;

    /// Features `[num_texts, dim]` of embedded texts that begin alike, not normalised: `prefix`, `[prefix tokens, width]`,
    /// then `rest`, `[num_texts, other tokens, width]`, each read at its own of `ends`, counted from the rest's first token.
    ///
    /// Differentiable with respect to both.
    fn encode_behind(&self, prefix: &Tensor, rest: &Tensor, ends: &[usize]) -> Result<Tensor>;

    /// The last matrix, `[dim, width]`.
    fn projection(&self) -> &Matrix;
}

/// Rows of a tensor of rank 2, on the CPU.
pub(super) fn matrix(tensor: &Tensor) -> std::result::Result<Matrix, ClipError> {
    let (rows, cols) = tensor.dims2()?;
    Ok(Matrix::new(rows, cols, tensor.flatten_all()?.to_vec1()?)?)
}
