//! What can go wrong between a checkpoint and features.

use std::path::PathBuf;

/// An error of this module; each kind of unusable checkpoint has its own.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The file cannot be opened or read.
    #[error(
        "cannot open the checkpoint ({source}); check that it exists and may be read: {path:?}"
    )]
    Open {
        /// What the system said.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A pointer of Git LFS lies where the file should be.
    #[error(
        "this is a Git LFS pointer, not the checkpoint itself; run `git lfs pull` or download the file again: {path:?}"
    )]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A PyTorch pickle, which may run code when it is opened.
    #[error(
        "this is a PyTorch pickle; only safetensors files are opened, as pickles can run code: convert it with safetensors.torch.save_file: {path:?}"
    )]
    Pickle {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before its tensors do.
    #[error(
        "the file ends too early, {got} bytes where its header promises {expected}; download it again: {path:?}"
    )]
    Truncated {
        /// Bytes there.
        got: usize,
        /// Bytes that the header promises.
        expected: usize,
        /// The file.
        path: PathBuf,
    },
    /// Neither of the above, and not safetensors.
    #[error(
        "this is not a safetensors file ({reason}); open the .safetensors file of a CLIP model: {path:?}"
    )]
    NotSafetensors {
        /// What the parser said.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// No known name of a patch embedding or first convolution.
    #[error(
        "this is no CLIP checkpoint of a known kind (Hugging Face, OpenAI, OpenCLIP): it has neither {hugging_face} nor {open_ai}: {path:?}"
    )]
    UnknownDialect {
        /// The tensor that Hugging Face's files have.
        hugging_face: &'static str,
        /// The tensor that OpenAI's and OpenCLIP's files have.
        open_ai: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A tensor that the configuration calls for is not there.
    #[error(
        "tensor {tensor} is missing; the file is incomplete or belongs to another configuration: {path:?}"
    )]
    MissingTensor {
        /// Its name.
        tensor: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor that nothing reads.
    #[error(
        "tensor {tensor} is not part of this architecture ({count} such in all); check that configuration and weights belong together: {path:?}"
    )]
    SurplusTensor {
        /// The first such name.
        tensor: String,
        /// How many there are.
        count: usize,
        /// The file.
        path: PathBuf,
    },
    /// A tensor of another shape.
    #[error(
        "{tensor} has shape {got:?}, expected {expected:?}; check that configuration and weights belong together: {path:?}"
    )]
    WrongShape {
        /// Its name.
        tensor: String,
        /// Shape in the file.
        got: Vec<usize>,
        /// Shape that the configuration calls for.
        expected: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// Numbers in a format that is not read.
    #[error(
        "{tensor} is stored as {got}; only F32, F16, BF16 and I8 with a .scale are read, convert the file: {path:?}"
    )]
    UnsupportedType {
        /// Its name.
        tensor: String,
        /// Its type.
        got: String,
        /// The file.
        path: PathBuf,
    },
    /// A NaN or an infinity.
    #[error("{tensor} holds a number that is not finite; the file is damaged: {path:?}")]
    NotFinite {
        /// Its name.
        tensor: String,
        /// The file.
        path: PathBuf,
    },
    /// A configuration that cannot be read or is not one of CLIP's.
    #[error("the configuration cannot be used: {reason}: {path:?}")]
    Config {
        /// What is wrong.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// Sizes that do not fit each other.
    #[error(
        "the tensors' shapes do not tell the model's sizes: {reason}; add its config.json or open_clip_config.json: {path:?}"
    )]
    Sizes {
        /// What does not fit.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// A device that this build or machine has not got.
    #[error("{device} cannot be used: {reason}")]
    Device {
        /// The device asked for.
        device: &'static str,
        /// Why not.
        reason: String,
    },
    /// An environment variable that asks for what the processor has not got.
    #[error("{reason}")]
    Kernel {
        /// What it says, what is wrong, and what would be right.
        reason: String,
    },
    /// A number format that the device does not compute in.
    #[error(
        "the encoder cannot compute in {format} here: {reason}; leave --dtype out, or give --dtype f32"
    )]
    Precision {
        /// The format asked for.
        format: &'static str,
        /// Why not.
        reason: String,
    },
    /// An adapter without a scale, neither in its metadata nor given.
    #[error(
        "the adapter does not say its scale; give --adapter-scale (0.03 and 0.1 are the authors'): {path:?}"
    )]
    AdapterScale {
        /// The file.
        path: PathBuf,
    },
    /// An adapter that was trained on another model.
    #[error(
        "the adapter was made for the model with hash {expected}, this one is {got}; choose that model: {path:?}"
    )]
    AdapterOfOtherModel {
        /// The hash in the adapter's metadata.
        expected: String,
        /// The model's hash.
        got: String,
        /// The file.
        path: PathBuf,
    },
    /// An adapter for a tower without transformer blocks.
    #[error(
        "bottleneck adapters need a vision transformer, and this model's image tower is a ResNet"
    )]
    AdapterNeedsTransformer,
    /// A crop of another size than the model's.
    #[error("a crop of {got} pixels a side, this model takes {expected}")]
    CropSize {
        /// The crop's side.
        got: usize,
        /// The model's side.
        expected: usize,
    },
    /// Token ids that are not 77 numbers with an end of text.
    #[error("text {index} is not {expected} token ids below {vocabulary} with an end of text")]
    Tokens {
        /// Index of the text.
        index: usize,
        /// Ids wanted.
        expected: usize,
        /// Size of the vocabulary.
        vocabulary: usize,
    },
    /// More learned context than texts have room for.
    #[error("{num_context} context vectors do not fit into a text; choose at most {most}")]
    ContextTooLong {
        /// Vectors asked for.
        num_context: usize,
        /// Vectors that leave room for a name.
        most: usize,
    },
    /// A tensor operation failed, for want of memory for instance.
    #[error("the model could not be computed: {0}")]
    Compute(#[from] candle_core::Error),
    /// The result does not fill its shape.
    #[error(transparent)]
    Features(#[from] crate::features::FeatureError),
}
