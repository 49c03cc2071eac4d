//! The parameters that the papers publish for those who have no validation photos.

use super::{Method, Parameters};

impl Parameters {
    /// The published values of `method` for `shots` photos a class; [`Parameters::default`] where none are published.
    ///
    /// - GDA: α as its authors' search chose it most often for so many shots (RN50, mrflogs/ICLR24 at 560fe211, exp.log),
    ///   the geometric middle where it chose among several.
    /// - `ProKeR`: β and λ that its validation-free protocol transfers from `ImageNet`
    ///   (RN50, `configs_proker/hyperparameters.json` of omarnust/BReg-Adapter at c89ce546).
    /// - TIMO: γ = 50 as on nine of eleven data sets (lyymuwu/TIMO at 75eca4cf). Its α comes from validation photos;
    ///   100, the weight of class texts in all other methods, stands in.
    /// - CALIP: α = 1.12 and β = 0.02, the weights of its two further terms on `ImageNet` (`run_calip_baseline.py` of
    ///   vishaal27/SuS-X at d7d4d378).
    /// - Tip-Adapter, Tip-Adapter-F: α = 1, β = 5.5 (ECCV 2022, Table 4).
    /// - APE-T: α = 2, β = 1, w = 0.2 and 0.8, as its training starts on most data sets
    ///   (yangyangyang127/APE at 70460de7, configs).
    /// - CLIP-Adapter: α, the share of the adapted feature, 0.2 (gaopengcuhk/CLIP-Adapter at 08d07f8b).
    /// - `TaskRes`: α, the scale of the residual, 0.5 (CVPR 2023; geekyutao/TaskRes at 51953596).
    #[must_use]
    pub fn published(method: Method, shots: usize) -> Self {
        let defaults = Self::default();
        match method {
            Method::Gda | Method::GdaPp => Self {
                alpha: by_shots(shots, [1e-3, 0.03, 0.3, 1.0, 3.0]),
                ..defaults
            },
            Method::ProKeR | Method::ProKeRPp => Self {
                beta: by_shots(shots, [3.0, 2.6, 1.5, 1.66, 1.7]),
                lambda: by_shots(shots, [0.05, 0.05, 0.05, 0.07, 0.1]),
                ..defaults
            },
            Method::Timo | Method::TimoS => Self {
                alpha: 100.0,
                gamma: 50.0,
                ..defaults
            },
            Method::Calip => Self {
                alpha: 1.12,
                beta: 0.02,
                ..defaults
            },
            Method::ApeT => Self {
                alpha: 2.0,
                beta: 1.0,
                w0: 0.2,
                w1: 0.8,
                ..defaults
            },
            Method::ClipAdapter => Self {
                alpha: 0.2,
                ..defaults
            },
            Method::TaskRes => Self {
                alpha: 0.5,
                ..defaults
            },
            _ => defaults,
        }
    }

    /// The same on one of the literature's data sets, where a method's values belong to it: CALIP's do.
    #[must_use]
    pub fn published_for(method: Method, shots: usize, dataset: Option<&str>) -> Self {
        let published = Self::published(method, shots);
        let own = CALIP_WEIGHTS
            .iter()
            .find(|(name, ..)| method == Method::Calip && Some(*name) == dataset);
        own.map_or(published, |(_, alpha, beta)| Self {
            alpha: *alpha,
            beta: *beta,
            ..published
        })
    }
}

/// CALIP's weights of its two further terms (`run_calip_baseline.py` of vishaal27/SuS-X at d7d4d378).
const CALIP_WEIGHTS: [(&str, f32, f32); 11] = [
    ("imagenet", 1.12, 0.02),
    ("caltech101", 5.0, 0.18),
    ("sun397", 0.43, 0.01),
    ("food101", 0.6, 0.02),
    ("oxford_flowers", 0.5, 0.01),
    ("stanford_cars", 2.8, 0.01),
    ("fgvc_aircraft", 1.3, 0.01),
    ("oxford_pets", 0.61, 0.01),
    ("dtd", 1.4, 0.01),
    ("eurosat", 6.08, 0.06),
    ("ucf101", 1.28, 0.01),
];

/// The value for the largest of 1, 2, 4, 8 and 16 shots that is not above `shots`.
fn by_shots(shots: usize, values: [f32; 5]) -> f32 {
    let index = [2, 4, 8, 16]
        .iter()
        .filter(|least| shots >= **least)
        .count();
    values[index]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_with_the_shots() {
        let alpha = |shots| Parameters::published(Method::Gda, shots).alpha.to_bits();
        let expected = [(0, 1e-3_f32), (1, 1e-3), (3, 0.03), (8, 1.0), (100, 3.0)];
        for (shots, value) in expected {
            assert_eq!(alpha(shots), value.to_bits(), "{shots} shots");
        }
        assert_eq!(
            Parameters::published(Method::TipAdapter, 16),
            Parameters::default()
        );
    }
}
