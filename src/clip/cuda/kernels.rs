//! The kernels of `kernels.cu`, compiled for one model, and the matrix product; all on one stream.
//!
//! Halves travel as their bits, `u16`. Each launch checks how much memory its arguments have.

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::cublas::{self, CudaBlas, sys};
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, CudaView, DevicePtr as _, DevicePtrMut as _, LaunchConfig,
    PushKernelArg as _,
};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::{CudaDevice, Error, Result};

use super::half::Half;
use super::weights::{Layer, Norm};
use crate::clip::checkpoint::Activation;

/// Threads of a block where every thread has its own numbers.
const THREADS: u32 = 256;
/// Rows of a block where every warp has a row.
const WARPS: u32 = 8;
/// Queries of a warp.
const WARP_QUERIES: usize = 16;
/// Most warps of a block of attention: few enough that several blocks share a multiprocessor, one computing while others wait.
/// On an H200 4 to 9 differ by 3 % at 257 tokens; at 197, 4 take 4 % longer and 7 more than 14 %.
const ATTENTION_WARPS: usize = 5;
/// Fewest: they fetch the keys together.
const LEAST_ATTENTION_WARPS: usize = 4;

/// What the kernels are compiled for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) num_heads: usize,
    pub(super) activation: Activation,
    pub(super) half: Half,
}

impl Shape {
    fn head_width(&self) -> usize {
        self.width / self.num_heads
    }

    /// Why the kernels cannot be compiled for this, if they cannot.
    pub(super) fn obstacle(&self) -> Option<String> {
        let (width, head) = (self.width, self.head_width());
        let fits = width.is_multiple_of(8)
            && width <= 4096
            && head.is_multiple_of(16)
            && head <= 128
            && head * self.num_heads == width;
        (!fits).then(|| format!("heads of {head} in tokens of {width} have no kernels"))
    }
}

/// How the bytes of crops become the pixels of patches.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatchPlan {
    /// Pixels along a crop's side.
    pub(super) size: usize,
    /// Pixels along a patch's side.
    pub(super) patch: usize,
    /// Numbers of a row, at least `3 · patch²`.
    pub(super) columns: usize,
    /// By channel.
    pub(super) factor: [f32; 3],
    pub(super) offset: [f32; 3],
}

/// Compiled kernels and the stream that they run on.
pub(super) struct Kernels {
    shape: Shape,
    stream: Arc<CudaStream>,
    blas: Arc<CudaBlas>,
    patches: CudaFunction,
    embed: CudaFunction,
    add_and_normalise: CudaFunction,
    normalise_rows: CudaFunction,
    add: CudaFunction,
    activate: CudaFunction,
    attention: CudaFunction,
}

impl Kernels {
    /// Compiles for `shape`; about a third of a second, and the driver remembers its part.
    pub(super) fn compile(device: &CudaDevice, shape: Shape) -> Result<Self> {
        let stream = device.cuda_stream();
        let options = CompileOptions {
            options: shape.options(),
            ..CompileOptions::default()
        };
        let program =
            compile_ptx_with_opts(include_str!("kernels.cu"), options).map_err(Error::wrap)?;
        let module = stream.context().load_module(program).map_err(Error::wrap)?;
        let function = |name| module.load_function(name).map_err(Error::wrap);
        Ok(Self {
            shape,
            blas: device.cublas_handle(),
            patches: function("patches")?,
            embed: function("embed")?,
            add_and_normalise: function("add_and_normalise")?,
            normalise_rows: function("normalise_rows")?,
            add: function("add")?,
            activate: function("activate")?,
            attention: function("attention")?,
            stream,
        })
    }

    /// `pixels`, `[num_pictures, size, size, 3]`, to `out`, `[num_pictures · patches, columns]`.
    pub(super) fn patches(
        &self,
        pixels: &CudaView<'_, u8>,
        out: &mut CudaSlice<u16>,
        plan: &PatchPlan,
        num_pictures: usize,
    ) -> Result<()> {
        let PatchPlan {
            size,
            patch,
            columns,
            factor,
            offset,
        } = *plan;
        let num_rows = num_pictures * (size / patch) * (size / patch);
        check(pixels.len(), num_pictures * size * size * 3)?;
        check(out.len(), num_rows * columns)?;
        let num_pairs = num_rows * columns / 2;
        let (pairs, size, patch, columns) =
            (num_pairs as i64, size as i32, patch as i32, columns as i32);
        let mut launch = self.stream.launch_builder(&self.patches);
        launch.arg(pixels).arg(out);
        launch.arg(&pairs).arg(&size).arg(&patch).arg(&columns);
        launch.arg(&factor[0]).arg(&factor[1]).arg(&factor[2]);
        launch.arg(&offset[0]).arg(&offset[1]).arg(&offset[2]);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_thread(num_pairs)) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// Tokens from what the patches gave, `[num_pictures · (num_tokens - 1), width]`: into `h` and, normalised by `next`, `out`.
    pub(super) fn embed(
        &self,
        patches: &CudaSlice<u16>,
        position: &CudaSlice<f32>,
        (norm, next): (&Norm, &Norm),
        eps: f32,
        (h, out): (&mut CudaSlice<f32>, &mut CudaSlice<u16>),
        (num_pictures, num_tokens): (usize, usize),
    ) -> Result<()> {
        let width = self.shape.width;
        let num_rows = num_pictures * num_tokens;
        check(patches.len(), (num_rows - num_pictures) * width)?;
        check(position.len(), num_tokens * width)?;
        check(h.len().min(out.len()), num_rows * width)?;
        let (rows, tokens) = (num_rows as i64, num_tokens as i32);
        let mut launch = self.stream.launch_builder(&self.embed);
        launch.arg(patches).arg(position).arg(&tokens);
        launch.arg(norm.weight()).arg(norm.bias());
        launch.arg(next.weight()).arg(next.bias());
        launch.arg(&eps).arg(h).arg(out).arg(&rows);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_row(num_rows)) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// `h += y + bias`, then `out` is `h` normalised; row i of `y` and `out`, `[num_rows, width]`, is row i · `step` of `h`.
    pub(super) fn add_and_normalise(
        &self,
        (y, bias): (&CudaSlice<u16>, &CudaSlice<f32>),
        (h, step): (&mut CudaSlice<f32>, usize),
        (norm, eps): (&Norm, f32),
        out: &mut CudaSlice<u16>,
        num_rows: usize,
    ) -> Result<()> {
        let numbers = num_rows * self.shape.width;
        check(y.len().min(out.len()), numbers)?;
        check(h.len(), numbers * step)?;
        check(bias.len(), self.shape.width)?;
        let (rows, step) = (num_rows as i64, step as i32);
        let mut launch = self.stream.launch_builder(&self.add_and_normalise);
        launch.arg(y).arg(bias).arg(h).arg(&step);
        launch.arg(norm.weight()).arg(norm.bias());
        launch.arg(&eps).arg(out).arg(&rows);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_row(num_rows)) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// `out` is `h` normalised, both `[num_rows, width]`.
    pub(super) fn normalise(
        &self,
        h: &CudaSlice<f32>,
        (norm, eps): (&Norm, f32),
        out: &mut CudaSlice<u16>,
        num_rows: usize,
    ) -> Result<()> {
        check(h.len().min(out.len()), num_rows * self.shape.width)?;
        let rows = num_rows as i64;
        let mut launch = self.stream.launch_builder(&self.normalise_rows);
        launch.arg(h).arg(norm.weight()).arg(norm.bias());
        launch.arg(&eps).arg(out).arg(&rows);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_row(num_rows)) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// `h + y + bias`, `[num_rows, width]`; row i of `y` is row i · `step` of `h`.
    pub(super) fn add(
        &self,
        (y, bias): (&CudaSlice<u16>, &CudaSlice<f32>),
        (h, step): (&CudaSlice<f32>, usize),
        num_rows: usize,
    ) -> Result<CudaSlice<f32>> {
        let numbers = num_rows * self.shape.width;
        check(y.len(), numbers)?;
        check(h.len(), numbers * step)?;
        check(bias.len(), self.shape.width)?;
        let mut out = empty::<f32>(&self.stream, numbers)?;
        let (rows, step) = (num_rows as i64, step as i32);
        let mut launch = self.stream.launch_builder(&self.add);
        launch.arg(y).arg(bias).arg(h).arg(&step);
        launch.arg(&mut out).arg(&rows);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_row(num_rows)) }.map_err(Error::wrap)?;
        Ok(out)
    }

    /// The activation of `x + bias` in place, for `x` of shape `[num_rows, bias.len()]`.
    pub(super) fn activate(
        &self,
        x: &mut CudaSlice<u16>,
        bias: &CudaSlice<f32>,
        num_rows: usize,
    ) -> Result<()> {
        check(x.len(), num_rows * bias.len())?;
        let num_vectors = num_rows * bias.len() / 8;
        let (vectors, total) = ((bias.len() / 8) as i32, num_vectors as i64);
        let mut launch = self.stream.launch_builder(&self.activate);
        launch.arg(x).arg(bias).arg(&vectors).arg(&total);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(by_thread(num_vectors)) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// Attention of `qkv`, `[num_sequences · num_tokens, 3 · width]` without its `bias`, for the first `num_queries` tokens of every
    /// sequence: `out`, `[num_sequences · num_queries, width]`.
    pub(super) fn attention(
        &self,
        (qkv, bias): (&CudaSlice<u16>, &CudaSlice<f32>),
        out: &mut CudaSlice<u16>,
        (num_sequences, num_tokens, num_queries): (usize, usize, usize),
    ) -> Result<()> {
        let Shape {
            width, num_heads, ..
        } = self.shape;
        check(qkv.len(), num_sequences * num_tokens * 3 * width)?;
        check(bias.len(), 3 * width)?;
        check(out.len(), num_sequences * num_queries * width)?;
        let scale = 1.0 / (self.shape.head_width() as f32).sqrt();
        let (tokens, heads, queries) = (num_tokens as i32, num_heads as i32, num_queries as i32);
        let num_warps = num_queries.div_ceil(WARP_QUERIES);
        let blocks = num_warps.div_ceil(ATTENTION_WARPS);
        let warps = num_warps.div_ceil(blocks).max(LEAST_ATTENTION_WARPS);
        let grid = LaunchConfig {
            grid_dim: ((num_sequences * num_heads) as u32, blocks as u32, 1),
            block_dim: (32 * warps as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        let mut launch = self.stream.launch_builder(&self.attention);
        launch.arg(qkv).arg(bias).arg(out);
        launch.arg(&tokens).arg(&heads).arg(&queries).arg(&scale);
        #[expect(unsafe_code, reason = "arguments as in kernels.cu, lengths checked")]
        unsafe { launch.launch(grid) }.map_err(Error::wrap)?;
        Ok(())
    }

    /// `a · Wᵀ` without bias, `[num_rows, outputs]`, for `a` of shape `[num_rows, inner]`; sums in single precision.
    pub(super) fn product(
        &self,
        a: &CudaSlice<u16>,
        layer: &Layer,
        out: &mut CudaSlice<u16>,
        num_rows: usize,
    ) -> Result<()> {
        let (outputs, inner) = (layer.outputs(), layer.inner());
        check(a.len(), num_rows * inner)?;
        check(out.len(), num_rows * outputs)?;
        let kind = self.shape.half.data_type();
        let (one, zero) = (1.0_f32, 0.0_f32);
        let (weight, _weight) = layer.weight().device_ptr(&self.stream);
        let (a, _a) = a.device_ptr(&self.stream);
        let (out, _out) = out.device_ptr_mut(&self.stream);
        // cuBLAS counts columns first: what it calls C is our output transposed, W · aᵀ.
        #[expect(unsafe_code, reason = "cuBLAS by raw pointers, lengths checked")]
        unsafe {
            cublas::result::gemm_ex(
                *self.blas.handle(),
                sys::cublasOperation_t::CUBLAS_OP_T,
                sys::cublasOperation_t::CUBLAS_OP_N,
                outputs as i32,
                num_rows as i32,
                inner as i32,
                (&raw const one).cast(),
                weight as *const _,
                kind,
                inner as i32,
                a as *const _,
                kind,
                inner as i32,
                (&raw const zero).cast(),
                out as *mut _,
                kind,
                outputs as i32,
                sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(Error::wrap)
    }
}

impl Shape {
    /// For the compiler.
    fn options(&self) -> Vec<String> {
        let mut options = vec![
            "--gpu-architecture=compute_80".to_owned(),
            format!("-DHEAD={}", self.head_width()),
            format!("-DWIDTH={}", self.width),
            format!("-DTHREADS={}", 32 * ATTENTION_WARPS),
        ];
        if self.half == Half::Bf16 {
            options.push("-DBFLOAT".to_owned());
        }
        if self.activation == Activation::Gelu {
            options.push("-DGELU".to_owned());
        }
        options
    }
}

/// Memory on the card that somebody is about to fill.
pub(super) fn empty<T: candle_core::cuda_backend::cudarc::driver::DeviceRepr>(
    stream: &Arc<CudaStream>,
    len: usize,
) -> Result<CudaSlice<T>> {
    #[expect(unsafe_code, reason = "numbers, all written before they are read")]
    unsafe { stream.alloc::<T>(len) }.map_err(Error::wrap)
}

fn check(has: usize, needs: usize) -> Result<()> {
    if has < needs {
        candle_core::bail!("a kernel needs {needs} numbers and was given {has}");
    }
    Ok(())
}

fn by_thread(num_threads: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: ((num_threads as u32).div_ceil(THREADS), 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: 0,
    }
}

fn by_row(num_rows: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: ((num_rows as u32).div_ceil(WARPS), 1, 1),
        block_dim: (32 * WARPS, 1, 1),
        shared_mem_bytes: 0,
    }
}
