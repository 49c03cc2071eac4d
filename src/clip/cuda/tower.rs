//! A vision transformer up to the class token of its last block, in half precision.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::cuda_backend::cudarc::driver::CudaSlice;
use candle_core::{CudaDevice, CudaStorage, Error, Result, Storage, Tensor, op::BackpropOp};

use super::buffers::Buffers;
use super::kernels::{Kernels, PatchPlan, Shape, empty};
use super::upload::Upload;
use super::weights::{HalfBlock, Layer, Norm};
use crate::clip::adapter::BottleneckAdapter;
use crate::clip::preprocess::Crop;

/// The tower on the card.
///
/// Matrix products and attention read halves and sum in single precision; what the blocks add to, `h`, stays in single precision.
pub(super) struct HalfTower {
    pub(super) device: CudaDevice,
    pub(super) kernels: Kernels,
    pub(super) shape: Shape,
    pub(super) plan: PatchPlan,
    pub(super) eps: f32,
    pub(super) num_tokens: usize,
    pub(super) patch: Layer,
    /// Position of every token, with the class embedding added to the first, `[num_tokens, width]`.
    pub(super) position: CudaSlice<f32>,
    pub(super) norm_before: Norm,
    /// At least one.
    pub(super) blocks: Vec<HalfBlock>,
    pub(super) upload: Mutex<Upload>,
    /// Made when they are first needed; one forward uses them at a time.
    pub(super) buffers: Mutex<Option<Buffers>>,
}

/// The block that is computed, and what for.
struct Turn<'a> {
    index: usize,
    block: &'a HalfBlock,
    num_pictures: usize,
}

impl HalfTower {
    /// The class token after the last block, `[num_crops, width]`, in single precision, before the last layer norm.
    ///
    /// Returns before it is computed: what reads the tensor waits for it.
    pub(super) fn pooled(
        &self,
        crops: &[Crop],
        adapter: Option<&BottleneckAdapter>,
    ) -> Result<Tensor> {
        let num_pictures = crops.len();
        let mut buffers = self.buffers(num_pictures)?;
        let Some(buffers) = buffers.as_mut() else {
            candle_core::bail!("the tower has no memory to work in");
        };
        self.tokens(crops, buffers)?;
        for (index, block) in self.blocks.iter().enumerate() {
            let turn = Turn {
                index,
                block,
                num_pictures,
            };
            let pooled = match adapter {
                None => self.plain_block(&turn, buffers)?,
                Some(adapter) => self.adapted_block(&turn, buffers, adapter)?,
            };
            if let Some(pooled) = pooled {
                return Ok(pooled);
            }
        }
        candle_core::bail!("a tower has blocks")
    }

    /// Pictures into `h`, and into `x` as the first block wants them.
    fn tokens(&self, crops: &[Crop], buffers: &mut Buffers) -> Result<()> {
        let num_pictures = crops.len();
        let num_patches = num_pictures * (self.num_tokens - 1);
        let mut upload = Mutex::lock(&self.upload).unwrap_or_else(PoisonError::into_inner);
        let pixels = upload.send(crops, self.plan.size)?;
        let Buffers { h, x, wide, y, .. } = buffers;
        self.kernels
            .patches(&pixels, wide, &self.plan, num_pictures)?;
        self.kernels.product(wide, &self.patch, y, num_patches)?;
        let norms = (&self.norm_before, &self.blocks[0].norm1);
        let sizes = (num_pictures, self.num_tokens);
        self.kernels
            .embed(y, &self.position, norms, self.eps, (h, x), sizes)
    }

    /// A block; of the last one the class token, and of no other token what follows attention.
    fn plain_block(&self, turn: &Turn<'_>, buffers: &mut Buffers) -> Result<Option<Tensor>> {
        let Turn { index, block, .. } = *turn;
        let next = self.blocks.get(index + 1);
        let (num_queries, step) = match next {
            Some(_) => (self.num_tokens, 1),
            None => (1, self.num_tokens),
        };
        let num_rows = turn.num_pictures * num_queries;
        self.attend_and_expand(turn, buffers, num_queries, step)?;
        let Buffers { h, x, y, .. } = buffers;
        let sum = (&*y, block.contract.bias());
        if let Some(next) = next {
            let norm = (&next.norm1, self.eps);
            self.kernels
                .add_and_normalise(sum, (h, step), norm, x, num_rows)?;
            return Ok(None);
        }
        let pooled = self.kernels.add(sum, (h, step), num_rows)?;
        Ok(Some(self.tensor(pooled, turn.num_pictures, None)))
    }

    /// A block with what the adapter adds, which it computes in single precision.
    fn adapted_block(
        &self,
        turn: &Turn<'_>,
        buffers: &mut Buffers,
        adapter: &BottleneckAdapter,
    ) -> Result<Option<Tensor>> {
        let Turn {
            index,
            block,
            num_pictures,
        } = *turn;
        let num_rows = num_pictures * self.num_tokens;
        self.attend_and_expand(turn, buffers, self.num_tokens, 1)?;
        let sum = (&buffers.y, block.contract.bias());
        let sum = self.kernels.add(sum, (&buffers.h, 1), num_rows)?;
        let sum = self.tensor(sum, num_pictures, Some(self.num_tokens));
        let h = self.tensor(
            self.copied(&buffers.h, num_rows)?,
            num_pictures,
            Some(self.num_tokens),
        );
        let sum = adapter.beside(index, &h, &sum)?.contiguous()?;
        let Some(next) = self.blocks.get(index + 1) else {
            return Ok(Some(sum.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?));
        };
        self.take_back(&sum, &mut buffers.h)?;
        let norm = (&next.norm1, self.eps);
        self.kernels
            .normalise(&buffers.h, norm, &mut buffers.x, num_rows)?;
        Ok(None)
    }

    /// From `x`, normalised, to `h` after attention and to what is still to be added, without its bias, in `y`.
    fn attend_and_expand(
        &self,
        turn: &Turn<'_>,
        buffers: &mut Buffers,
        num_queries: usize,
        step: usize,
    ) -> Result<()> {
        let (kernels, block) = (&self.kernels, turn.block);
        let Buffers { h, x, wide, y, .. } = buffers;
        let all_rows = turn.num_pictures * self.num_tokens;
        let num_rows = turn.num_pictures * num_queries;
        kernels.product(x, &block.qkv, wide, all_rows)?;
        let sizes = (turn.num_pictures, self.num_tokens, num_queries);
        kernels.attention((wide, block.qkv.bias()), x, sizes)?;
        kernels.product(x, &block.out, y, num_rows)?;
        let norm = (&block.norm2, self.eps);
        kernels.add_and_normalise((y, block.out.bias()), (h, step), norm, x, num_rows)?;
        kernels.product(x, &block.expand, wide, num_rows)?;
        kernels.activate(wide, block.expand.bias(), num_rows)?;
        kernels.product(wide, &block.contract, y, num_rows)
    }

    /// The buffers, as large as `num_pictures` needs.
    fn buffers(&self, num_pictures: usize) -> Result<MutexGuard<'_, Option<Buffers>>> {
        let mut buffers = Mutex::lock(&self.buffers).unwrap_or_else(PoisonError::into_inner);
        if buffers
            .as_ref()
            .is_none_or(|buffers| buffers.num_pictures < num_pictures)
        {
            // The old ones go first: both may not fit.
            *buffers = None;
            *buffers = Some(Buffers::new(self, num_pictures)?);
        }
        Ok(buffers)
    }

    /// `[num_pictures, width]`, or with tokens `[num_pictures, num_tokens, width]`.
    fn tensor(
        &self,
        numbers: CudaSlice<f32>,
        num_pictures: usize,
        num_tokens: Option<usize>,
    ) -> Tensor {
        let storage = CudaStorage::wrap_cuda_slice(numbers, self.device.clone());
        let mut shape = vec![num_pictures];
        shape.extend(num_tokens);
        shape.push(self.shape.width);
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    }

    fn copied(&self, h: &CudaSlice<f32>, num_rows: usize) -> Result<CudaSlice<f32>> {
        let stream = self.device.cuda_stream();
        let mut copy = empty::<f32>(&stream, num_rows * self.shape.width)?;
        let rows = h.slice(..num_rows * self.shape.width);
        stream.memcpy_dtod(&rows, &mut copy).map_err(Error::wrap)?;
        Ok(copy)
    }

    fn take_back(&self, sum: &Tensor, h: &mut CudaSlice<f32>) -> Result<()> {
        let (storage, layout) = sum.storage_and_layout();
        let (Storage::Cuda(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("an adapter's sum is not on the card in one piece");
        };
        let numbers = storage.as_cuda_slice::<f32>()?.slice(start..end);
        let stream = self.device.cuda_stream();
        stream.memcpy_dtod(&numbers, h).map_err(Error::wrap)
    }
}
