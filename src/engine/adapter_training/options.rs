//! How an adapter is trained.

use std::ops::Range;
use std::path::PathBuf;

use crate::clip::PixelValues;

/// Photos from which on the paper's recipe is the better default.
pub const MANY_PHOTOS: usize = 5_000;

/// A recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The authors' (`supervised_train.py` of `akres001/CLIP_fewshot_imo` at 9e7de23b): one pass in batches of 128, step size
    /// 8e-3, scale 0.03, every block. Without labels (`dino_clip_training.py`): ten passes in batches of 120, scale 0.1.
    Paper,
    /// For a few photos: up to 300 steps of 32 (ten passes where that is more), the last third of the blocks, a scale at which few
    /// steps are seen, and of all states the one that tells held-out photos apart best; 125 steps without a better one end it.
    /// Without labels: up to 100 steps of 16 (or ten passes), step size 5e-3, scale 0.1.
    FewShot,
}

impl Preset {
    /// The one for so many photos.
    pub fn for_photos(num_photos: usize) -> Self {
        if num_photos < MANY_PHOTOS {
            Self::FewShot
        } else {
            Self::Paper
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Paper, Self::FewShot]
            .into_iter()
            .find(|preset| preset.name() == name)
    }

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::FewShot => "few-shot",
        }
    }
}

/// What training minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Cross-entropy of a linear head on the embeddings, which is thrown away in the end (the paper's).
    #[default]
    CrossEntropy,
    /// Supervised contrastive (Khosla et al., `NeurIPS` 2020): photos of one class towards each other.
    Contrastive,
    /// Not adapters but the visual projection alone, towards the class texts (`ProLIP`).
    ProLip,
    /// Self-distillation without labels (DINO; the authors' `dino_clip_training.py`).
    Dino,
}

impl Loss {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::CrossEntropy,
            Self::Contrastive,
            Self::ProLip,
            Self::Dino,
        ]
        .into_iter()
        .find(|loss| loss.name() == name)
    }

    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossEntropy => "ce",
            Self::Contrastive => "supcon",
            Self::ProLip => "prolip",
            Self::Dino => "dino",
        }
    }
}

/// What is asked for; `None` leaves it to the preset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingOptions {
    /// The recipe; by the number of photos where `None`.
    pub preset: Option<Preset>,
    /// What training minimises.
    pub loss: Loss,
    /// Passes over the photos.
    pub epochs: Option<usize>,
    /// Photos of a step.
    pub batch: Option<usize>,
    /// `AdamW`'s step size.
    pub learning_rate: Option<f64>,
    /// `s`, what the adapters' output is multiplied by.
    pub scale: Option<f64>,
    /// Share of the bottleneck that is switched off at each step.
    pub dropout: Option<f64>,
    /// Blocks that get an adapter that learns; the others' stay zero.
    pub blocks: Option<Range<usize>>,
    /// What decides start, order, dropout and which photos are held out.
    pub seed: u64,
    /// What becomes of bytes on the way in, in training only.
    pub pixels: PixelValues,
    /// Bytes that activations may take in memory for as long as training runs, and again that a step may.
    pub memory: Option<usize>,
    /// Where the state is kept once a minute, and found again.
    pub checkpoint: Option<PathBuf>,
    /// Whether to go on from the checkpoint, where there is one.
    pub resume: bool,
}

/// Everything decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settled {
    pub(super) preset: Preset,
    pub(super) loss: Loss,
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) learning_rate: f64,
    pub(super) scale: f64,
    pub(super) dropout: f64,
    pub(super) blocks: Range<usize>,
    pub(super) seed: u64,
    pub(super) pixels: PixelValues,
    /// Steps without a better state on the held-out photos after which training ends.
    pub(super) patience: Option<usize>,
    /// Steps between two looks at the held-out photos.
    pub(super) evaluate_every: usize,
    /// Whether the state that did best on them is kept, instead of the last.
    pub(super) keeps_best: bool,
    pub(super) memory: usize,
}

/// Steps that few photos may take at least.
const LEAST_STEPS: usize = 300;
/// Steps of few photos without a better state after which training ends.
const PATIENCE: usize = 125;
/// The same without labels, where a step takes several times as long.
const DINO_LEAST_STEPS: usize = 100;
/// Photos of a step of the authors' without labels, on three GPUs together.
const DINO_BATCH: usize = 120;
/// Their highest step size for a batch of 256; it grows with the batch.
const DINO_LEARNING_RATE: f64 = 8e-4;
/// Bytes for activations, and again for a step.
const MEMORY: usize = 1 << 30;

impl TrainingOptions {
    /// The same with half the memory, and so with half as many photos in the tower at once: the numbers stay the same but for
    /// rounding, as gradients are summed over the parts of a step.
    #[must_use]
    pub(in crate::engine) fn with_half_the_memory(&self) -> Self {
        Self {
            memory: Some((self.memory.unwrap_or(MEMORY) / 2).max(1)),
            ..self.clone()
        }
    }
}

impl Settled {
    /// Options for so many photos to learn from and a model of so many blocks.
    pub(super) fn new(options: &TrainingOptions, num_photos: usize, num_blocks: usize) -> Self {
        let preset = options
            .preset
            .unwrap_or_else(|| Preset::for_photos(num_photos));
        let few = preset == Preset::FewShot;
        let is_dino = options.loss == Loss::Dino;
        let either = |few_shot: f64, paper: f64| if few { few_shot } else { paper };
        let batch = options.batch.unwrap_or(match (few, is_dino) {
            (true, false) => 32,
            (true, true) => 16,
            (false, true) => DINO_BATCH,
            (false, false) => 128,
        });
        let batch = batch.clamp(1, num_photos.max(1));
        let (learning_rate, scale) = if is_dino {
            let scaled = DINO_LEARNING_RATE * batch as f64 / 256.0;
            (either(5e-3, scaled), 0.1)
        } else {
            (either(1e-3, 8e-3), either(0.3, 0.03))
        };
        let per_epoch = (num_photos / batch).max(1);
        let steps = match (options.epochs, few) {
            (Some(epochs), _) => epochs * per_epoch,
            (None, true) if is_dino => DINO_LEAST_STEPS.max(10 * per_epoch),
            (None, true) => LEAST_STEPS.max(10 * per_epoch),
            (None, false) if is_dino => 10 * per_epoch,
            (None, false) => per_epoch,
        };
        let blocks = options.blocks.clone().unwrap_or({
            let first = if few {
                num_blocks - num_blocks.div_ceil(3)
            } else {
                0
            };
            first..num_blocks
        });
        Self {
            preset,
            loss: options.loss,
            steps: steps.max(1),
            batch,
            learning_rate: options.learning_rate.unwrap_or(learning_rate),
            scale: options.scale.unwrap_or(scale),
            dropout: options.dropout.unwrap_or(0.1).clamp(0.0, 0.9),
            blocks: blocks.start.min(num_blocks)..blocks.end.min(num_blocks),
            seed: options.seed,
            pixels: options.pixels,
            patience: few.then_some(PATIENCE),
            evaluate_every: if few { 25 } else { 100 },
            keeps_best: few,
            memory: options.memory.unwrap_or(MEMORY),
        }
    }

    /// Tells a state that belongs to these options from others.
    pub(super) fn fingerprint(&self, photos: &str) -> String {
        let Self {
            preset,
            loss,
            steps,
            batch,
            learning_rate,
            scale,
            dropout,
            blocks,
            seed,
            pixels,
            ..
        } = self;
        let options = format!(
            "{preset:?} {loss:?} {steps} {batch} {learning_rate} {scale} {dropout} {blocks:?} {seed} {pixels:?} {photos}"
        );
        blake3::hash(options.as_bytes()).to_hex().to_string()
    }
}
