//! Where the tower's numbers are while it computes.

use candle_core::Result;
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::kernels::empty;
use super::tower::HalfTower;

/// One set for all blocks: the card's allocator would hand memory back to the system after every batch.
pub(super) struct Buffers {
    /// What they are large enough for.
    pub(super) num_pictures: usize,
    /// What blocks add to, `[tokens, width]`.
    pub(super) h: CudaSlice<f32>,
    /// `h` normalised, and what attention gives, `[tokens, width]`.
    pub(super) x: CudaSlice<u16>,
    /// Pixels of patches; queries, keys and values; the inside of the MLP: the widest of them.
    pub(super) wide: CudaSlice<u16>,
    /// What is to be added, `[tokens, width]`.
    pub(super) y: CudaSlice<u16>,
}

impl Buffers {
    pub(super) fn new(tower: &HalfTower, num_pictures: usize) -> Result<Self> {
        let stream = tower.device.cuda_stream();
        let tokens = num_pictures * tower.num_tokens;
        let width = tower.shape.width;
        Ok(Self {
            num_pictures,
            h: empty(&stream, tokens * width)?,
            x: empty(&stream, tokens * width)?,
            wide: empty(&stream, tokens * tower.widest())?,
            y: empty(&stream, tokens * width)?,
        })
    }
}

impl HalfTower {
    /// Numbers of a token at its widest.
    fn widest(&self) -> usize {
        let mlp_width = self.blocks.iter().map(|block| block.expand.outputs()).max();
        mlp_width
            .unwrap_or(0)
            .max(3 * self.shape.width)
            .max(self.plan.columns)
    }

    /// Bytes on the card that a picture needs while it is encoded.
    pub(super) fn bytes_of_a_picture(&self) -> usize {
        let a_token = (4 + 2 + 2) * self.shape.width + 2 * self.widest();
        // Two pictures' pixels: one is on its way while the other is read.
        self.num_tokens * a_token + 2 * 3 * self.plan.size * self.plan.size
    }
}
