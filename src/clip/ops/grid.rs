//! What a convolutional tower needs beside matrix products, on feature maps `[num_pictures, side, side, channels]`.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{Path, numbers};

/// The 3 × 3 neighbourhood of every cell, zeros outside: `[num_pictures, side, side, 9 · channels]`, row by row.
pub(crate) fn windows(x: &Tensor, path: Path) -> Result<Tensor> {
    match path {
        Path::Fused => x.contiguous()?.apply_op1(FusedWindows),
        Path::BuiltIn => {
            let (_, height, width, _) = x.dims4()?;
            let padded = x.pad_with_zeros(1, 1, 1)?.pad_with_zeros(2, 1, 1)?;
            let shifted = (0..9).map(|i| {
                padded
                    .narrow(1, i / 3, height)?
                    .narrow(2, i % 3, width)?
                    .contiguous()
            });
            Tensor::cat(&shifted.collect::<Result<Vec<_>>>()?, 3)
        }
    }
}

/// Means of 2 × 2 cells: half the side.
pub(crate) fn average_pool(x: &Tensor, path: Path) -> Result<Tensor> {
    match path {
        Path::Fused => x.contiguous()?.apply_op1(FusedPool),
        Path::BuiltIn => {
            let (num_pictures, height, width, channels) = x.dims4()?;
            let cells = x.reshape((num_pictures * height / 2, 2, width / 2, 2, channels))?;
            cells
                .mean(3)?
                .mean(1)?
                .reshape((num_pictures, height / 2, width / 2, channels))
        }
    }
}

/// Pictures, height, width and channels.
fn sizes(layout: &Layout) -> Result<[usize; 4]> {
    match layout.dims().try_into() {
        Ok(sizes) => Ok(sizes),
        Err(_) => candle_core::bail!("a feature map has four dimensions, got {:?}", layout.dims()),
    }
}

/// No tower with convolutions is trained, so there is no backward: asking for one is an error of candle's.
struct FusedWindows;

impl CustomOp1 for FusedWindows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let [num_pictures, height, width, channels] = sizes(layout)?;
        let x = numbers(x, layout)?;
        let mut out = vec![0.0; 9 * x.len()];
        out.par_chunks_mut(9 * width * channels)
            .enumerate()
            .for_each(|(line, out)| {
                let (picture, y) = (line / height, line % height);
                for (column, out) in out.chunks_exact_mut(9 * channels).enumerate() {
                    for (dy, out) in out.chunks_exact_mut(3 * channels).enumerate() {
                        let Some(y) = (y + dy).checked_sub(1).filter(|y| *y < height) else {
                            continue;
                        };
                        // Three cells side by side are one stretch of memory; at the edges it is shorter.
                        let (first, last) = (column.saturating_sub(1), (column + 1).min(width - 1));
                        let from = ((picture * height + y) * width + first) * channels;
                        let len = (last + 1 - first) * channels;
                        let to = (first + 1 - column) * channels;
                        out[to..to + len].copy_from_slice(&x[from..from + len]);
                    }
                }
            });
        Ok((
            CpuStorage::F32(out),
            (num_pictures, height, width, 9 * channels).into(),
        ))
    }
}

/// As [`FusedWindows`], without a backward.
struct FusedPool;

impl CustomOp1 for FusedPool {
    fn name(&self) -> &'static str {
        "average pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let [num_pictures, height, width, channels] = sizes(layout)?;
        if !height.is_multiple_of(2) || !width.is_multiple_of(2) {
            candle_core::bail!("{height} x {width} cells cannot be halved");
        }
        let x = numbers(x, layout)?;
        let line = width * channels;
        let mut out = vec![0.0; x.len() / 4];
        out.par_chunks_mut(line / 2)
            .zip(x.par_chunks(2 * line))
            .for_each(|(out, lines)| {
                let (upper, lower) = lines.split_at(line);
                for (cell, out) in out.chunks_exact_mut(channels).enumerate() {
                    let (left, right) = (2 * cell * channels, (2 * cell + 1) * channels);
                    for (channel, out) in out.iter_mut().enumerate() {
                        let sum = upper[left + channel]
                            + upper[right + channel]
                            + lower[left + channel]
                            + lower[right + channel];
                        *out = 0.25 * sum;
                    }
                }
            });
        Ok((
            CpuStorage::F32(out),
            (num_pictures, height / 2, width / 2, channels).into(),
        ))
    }
}
