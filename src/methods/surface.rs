//! How accuracy changes over α and β: what a search leaves behind for a heat map.

/// Share of the judged photos that are right, for every pair of α and β that was tried.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surface {
    /// Values of β, ascending; one where the method has no β.
    pub betas: Vec<f32>,
    /// Values of α, ascending; one where the method has no α.
    pub alphas: Vec<f32>,
    /// Percent, `[betas, alphas]` row by row; the best over a third parameter where there is one.
    pub accuracies: Vec<f32>,
    /// The third parameter (γ, or λ of `ProKeR`) with which each accuracy was reached; empty without one.
    pub thirds: Vec<f32>,
}

impl Surface {
    /// Percent right at these indices of β and α.
    pub fn at(&self, beta: usize, alpha: usize) -> f32 {
        self.accuracies[beta * self.alphas.len() + alpha]
    }
}
