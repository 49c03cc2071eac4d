//! No product of pairs: only x86 has instructions for it so far.

use std::ops::Range;

use super::PairTask;

/// The product of pairs, which is not there.
#[derive(Clone, Copy, Debug)]
pub(in crate::clip) enum PairProduct {}

impl PairProduct {
    /// None.
    pub(in crate::clip::ops) const LANES: usize = 0;

    /// There is none.
    pub(in crate::clip::ops) fn try_new() -> Option<Self> {
        None
    }

    /// Never happens.
    pub(in crate::clip) fn round(self, _: &[f32], _: &mut [u32]) {
        match self {}
    }

    /// Never happens.
    pub(in crate::clip::ops::cpu) fn run(self, _: &PairTask<'_>, _: Range<usize>, _: Range<usize>) {
        match self {}
    }
}
