//! Texts whose first words are learned vectors instead of words: `start [v1] … [vM] class name . end`, as in `CoOp` (Zhou et
//! al., IJCV 2022; `trainers/coop.py` of `KaiyangZhou/CoOp` at ff61507c), one context for all classes, the name at the end.
//!
//! No token sees later ones, so start and context are the same for all classes, and are computed once.

use std::ops::Range;

use candle_core::Tensor;

use super::tokenizer::{CONTEXT_LENGTH, END_OF_TEXT, START_OF_TEXT};
use super::towers::matrix;
use super::{Clip, ClipError};
use crate::features::Matrix;

/// Class names that wait for a context before them: their embedded tokens.
pub struct ContextPrompts {
    /// `[1, width]`
    start: Tensor,
    /// Names, full stops and ends of text, `[num_classes, num_tokens, width]`.
    rest: Tensor,
    /// Where each text ends, counted from its first token behind the context.
    ends: Vec<usize>,
    num_context: usize,
    num_blocks: usize,
    num_truncated: usize,
}

impl ContextPrompts {
    /// Number of classes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Names that were too long and lost their last words.
    pub fn num_truncated(&self) -> usize {
        self.num_truncated
    }

    /// About how many bytes the way back through the tower keeps for each class: in every block its queries, keys and values
    /// beside the shared ones, what attention makes of them, and what norms and MLP make of its own tokens.
    pub fn bytes_per_class(&self) -> usize {
        let (num_rest, width) = (self.rest.dim(1).unwrap_or(0), self.rest.dim(2).unwrap_or(0));
        let num_tokens = 1 + self.num_context + num_rest;
        self.num_blocks * (4 * num_tokens + 12 * num_rest) * width * size_of::<f32>()
    }
}

impl Clip {
    /// What the text tower makes of the words of `text` before anything else, `[num_tokens, text width]`; without start and end.
    pub fn word_embeddings(&self, text: &str) -> Result<Matrix, ClipError> {
        matrix(&self.text()?.embeddings(&self.words(text))?)
    }

    /// Length of a context vector.
    pub fn text_width(&self) -> usize {
        self.config.text.width
    }

    /// Class names to be put behind `num_context` context vectors; underscores count as spaces, and a full stop follows.
    pub fn context_prompts(
        &self,
        names: &[String],
        num_context: usize,
    ) -> Result<ContextPrompts, ClipError> {
        // Start, end, and one token of the name at least.
        let most = CONTEXT_LENGTH - 3;
        if num_context > most {
            return Err(ClipError::ContextTooLong { num_context, most });
        }
        let room = CONTEXT_LENGTH - 2 - num_context;
        let mut num_truncated = 0;
        let texts = names.iter().map(|name| {
            let mut ids = self.words(&format!("{}.", name.replace('_', " ")));
            num_truncated += usize::from(ids.len() > room);
            ids.truncate(room);
            ids.push(END_OF_TEXT);
            ids
        });
        let texts: Vec<Vec<u32>> = texts.collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or(1);
        let padded = |ids: &Vec<u32>| {
            let mut ids = ids.clone();
            ids.resize(longest, 0);
            ids
        };
        let ids: Vec<u32> = texts.iter().flat_map(padded).collect();
        let text = self.text()?;
        let rest = (texts.len(), longest, self.text_width());
        Ok(ContextPrompts {
            start: text.embeddings(&[START_OF_TEXT])?,
            rest: text.embeddings(&ids)?.reshape(rest)?,
            ends: texts.iter().map(|ids| ids.len() - 1).collect(),
            num_context,
            num_blocks: self.config.text.num_blocks,
            num_truncated,
        })
    }

    /// Features `[classes.len(), dim]` of some of the prompts behind `context`, `[num_context, text width]`; not normalised,
    /// differentiable with respect to the context.
    pub fn encode_with_context(
        &self,
        prompts: &ContextPrompts,
        context: &Tensor,
        classes: Range<usize>,
    ) -> Result<Tensor, ClipError> {
        let prefix = Tensor::cat(&[&prompts.start, context], 0)?;
        let rest = prompts.rest.narrow(0, classes.start, classes.len())?;
        let text = self.text()?;
        Ok(text.encode_behind(&prefix, &rest, &prompts.ends[classes])?)
    }

    /// Ids of a text's own tokens.
    fn words(&self, text: &str) -> Vec<u32> {
        let ids = self.tokenizer.encode(text).ids;
        ids.into_iter()
            .skip(1)
            .take_while(|id| *id != END_OF_TEXT)
            .collect()
    }
}
