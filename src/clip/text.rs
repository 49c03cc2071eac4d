//! The text transformer (`CLIP.encode_text` of OpenAI's `clip/model.py`).

use candle_core::{DType, Tensor};

use super::ClipError;
use super::checkpoint::{
    BlockWeights, Dialect, FileTensors, NormWeights, TensorSource, TextConfig, Unread, norm,
};
use super::ops::{LayerNorm, Linear};
use super::tokenizer::END_OF_TEXT;
use super::towers::{TextTower, matrix};
use super::transformer::{Block, BlockOptions, Parts, Placement, behind, blocks, pooled};
use crate::features::Matrix;

/// Texts of a batch.
const BATCH: usize = 64;

/// Token embeddings, blocks with a causal mask, projection of the first end of text.
pub(super) struct TextTransformer {
    config: TextConfig,
    placement: Placement,
    token: Tensor,
    position: Tensor,
    blocks: Vec<Block>,
    norm_after: LayerNorm,
    project: Linear,
    projection: Matrix,
}

/// The tensors of a text tower, its blocks already made.
struct TextTensors<B> {
    token: Vec<f32>,
    position: Vec<f32>,
    blocks: Vec<B>,
    norm_after: NormWeights,
    projection: Vec<f32>,
}

impl<B: Send> TextTensors<B> {
    /// Takes all tensors; `block` makes a block as soon as it is read.
    fn read(
        source: &dyn TensorSource,
        dialect: Dialect,
        config: &TextConfig,
        dim: usize,
        block: impl Fn(BlockWeights) -> Result<B, ClipError> + Send + Sync,
    ) -> Result<Self, ClipError> {
        let names = dialect.text();
        let TextConfig {
            width,
            vocabulary,
            num_positions,
            ..
        } = *config;
        Ok(Self {
            token: source.take(names.token, &[vocabulary, width])?,
            position: source.take(names.position, &[num_positions, width])?,
            blocks: blocks(config.num_blocks, |index| {
                let prefix = format!("{}.{index}", names.blocks);
                block(dialect.block(source, &prefix, width, config.mlp_width)?)
            })?,
            norm_after: norm(source, names.norm_after, width)?,
            projection: dialect.projection(source, names.projection, dim, width)?,
        })
    }
}

impl TextTransformer {
    /// Whether all tensors are there, in name, shape and type; their numbers are not read.
    pub(super) fn check(
        tensors: &FileTensors<'_>,
        dialect: Dialect,
        config: &TextConfig,
        dim: usize,
    ) -> Result<(), ClipError> {
        TextTensors::read(&Unread(tensors), dialect, config, dim, |_| Ok(())).map(|_checked| ())
    }

    pub(super) fn new(
        source: &dyn TensorSource,
        dialect: Dialect,
        config: &TextConfig,
        dim: usize,
        placement: &Placement,
    ) -> Result<Self, ClipError> {
        let TextConfig {
            width,
            vocabulary,
            num_positions,
            eps,
            ..
        } = *config;
        let options = BlockOptions {
            num_heads: config.num_heads,
            is_causal: true,
            activation: config.activation,
            eps,
        };
        let tensors = TextTensors::read(source, dialect, config, dim, |weights| {
            Ok(Block::new(weights, options, placement)?)
        })?;
        let device = &placement.device;
        Ok(Self {
            token: Tensor::from_vec(tensors.token, (vocabulary, width), device)?,
            position: Tensor::from_vec(tensors.position, (num_positions, width), device)?,
            blocks: tensors.blocks,
            norm_after: placement.norm(tensors.norm_after, eps)?,
            project: placement.linear(&tensors.projection, None, dim)?,
            projection: Matrix::new(dim, width, tensors.projection)?,
            config: config.clone(),
            placement: placement.clone(),
        })
    }

    /// Features of a few texts, `[num_texts, dim]`, and of nothing past the last end of text: no token sees later ones.
    fn batch(&self, texts: &[&[u32]], ends: &[usize]) -> candle_core::Result<Tensor> {
        let num_tokens = ends.iter().max().map_or(0, |end| end + 1);
        let ids: Vec<u32> = texts
            .iter()
            .flat_map(|ids| &ids[..num_tokens])
            .copied()
            .collect();
        let x = self
            .embeddings(&ids)?
            .reshape((texts.len(), num_tokens, self.config.width))?;
        let x = x.broadcast_add(&self.position.narrow(0, 0, num_tokens)?)?;
        let rows = self.rows_of(ends, num_tokens)?;
        let at_end = |x: &Tensor| x.flatten(0, 1)?.index_select(&rows, 0);
        let pooled = pooled(&self.blocks, &x, &at_end, None)?;
        self.project.forward(&self.norm_after.forward(&pooled)?)
    }

    /// Indices of the ends among all tokens of texts that have `num_tokens` each.
    fn rows_of(&self, ends: &[usize], num_tokens: usize) -> candle_core::Result<Tensor> {
        let rows = ends
            .iter()
            .enumerate()
            .map(|(text, end)| (text * num_tokens + end) as u32);
        Tensor::from_vec(rows.collect::<Vec<_>>(), ends.len(), &self.placement.device)
    }

    /// Where the first end of text is.
    fn end(&self, index: usize, ids: &[u32]) -> Result<usize, ClipError> {
        let TextConfig {
            num_positions,
            vocabulary,
            ..
        } = self.config;
        let is_valid =
            ids.len() == num_positions && ids.iter().all(|id| (*id as usize) < vocabulary);
        let end = ids.iter().position(|id| *id == END_OF_TEXT);
        match end.filter(|_| is_valid) {
            Some(end) => Ok(end),
            None => Err(ClipError::Tokens {
                index,
                expected: num_positions,
                vocabulary,
            }),
        }
    }
}

impl TextTower for TextTransformer {
    fn encode(&self, texts: &[&[u32]]) -> Result<Matrix, ClipError> {
        let ends = texts
            .iter()
            .enumerate()
            .map(|(index, ids)| self.end(index, ids));
        let ends = ends.collect::<Result<Vec<_>, _>>()?;
        let dim = self.projection.rows();
        let mut rows = Vec::with_capacity(texts.len() * dim);
        for (texts, ends) in texts.chunks(BATCH).zip(ends.chunks(BATCH)) {
            rows.extend(matrix(&self.batch(texts, ends)?.to_dtype(DType::F32)?)?.into_vec());
        }
        Ok(Matrix::new(texts.len(), dim, rows)?)
    }

    fn embeddings(&self, ids: &[u32]) -> candle_core::Result<Tensor> {
        let ids = Tensor::new(ids, &self.placement.device)?;
        self.token.index_select(&ids, 0)
    }

    fn encode_behind(
        &self,
        prefix: &Tensor,
        rest: &Tensor,
        ends: &[usize],
    ) -> candle_core::Result<Tensor> {
        let (num_prefix, num_rest) = (prefix.dim(0)?, rest.dim(1)?);
        let position = |start, len| self.position.narrow(0, start, len);
        let parts = Parts {
            prefix: (prefix + position(0, num_prefix)?)?.unsqueeze(0)?,
            rest: rest.broadcast_add(&position(num_prefix, num_rest)?)?,
        };
        let rows = self.rows_of(ends, num_rest)?;
        let pooled = behind(&self.blocks, parts)?
            .flatten(0, 1)?
            .index_select(&rows, 0)?;
        self.project.forward(&self.norm_after.forward(&pooled)?)
    }

    fn projection(&self) -> &Matrix {
        &self.projection
    }
}
