//! The papers' grids by name.
//!
//! Values and the order of the loops as in the authors' code: `search_hp` of gaopengcuhk/Tip-Adapter at d0e2d6f8, `APE` of
//! yangyangyang127/APE at 70460de7, `hparam_search` of vishaal27/SuS-X at d7d4d378, run.py of
//! `akres001/CLIP_fewshot_imo` at 9e7de23b, `run` of mrflogs/ICLR24 at 560fe211, `ProKeR` of omarnust/BReg-Adapter at
//! c89ce546, `image_guide_text_search` and `GDA` of lyymuwu/TIMO at 75eca4cf.

use super::{Grid, LoopOrder};
use crate::methods::Method;
use crate::methods::presets::{ApePreset, Even, PRESETS, Preset};

/// A name that no grid has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "there is no grid {name:?}; choose {} or a data set: {}",
    OWN.map(|(name, _)| name).join(", "),
    PRESETS.map(|preset| preset.name).join(", ")
)]
pub struct UnknownGrid {
    /// The name asked for.
    pub name: String,
}

/// A grid that has a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NamedGrid {
    /// Tip-Adapter's for ImageNet: 200 β up to 7, 20 α up to 3.
    TipAdapter,
    /// Tip-X's: 20 α and 200 β up to 50, 50 γ up to 30.
    TipX,
    /// APE's with the scale that most data sets have: 200 β and 20 α up to 7, 20 γ up to 1.
    Ape,
    /// IMO's for the ++ methods: 200 α and 20 β from 0 to 20, 50 γ from 0 to 30.
    Imo,
    /// GDA's: seven decades of α from 1e-4.
    Gda,
    /// `ProKeR`'s with the scale that most data sets have: 20 β up to 3, 10 λ up to 1.
    ProKeR,
    /// TIMO's: nine decades of α from 1e-4, at its own γ and number of prompts.
    Timo,
    /// TIMO-S's: γ from 5 to 100, then ten numbers of prompts, at each nine decades of α.
    TimoS,
    /// What the method's authors took for this data set.
    Dataset(&'static Preset),
}

const OWN: [(&str, NamedGrid); 8] = [
    ("tip-adapter", NamedGrid::TipAdapter),
    ("tip-x", NamedGrid::TipX),
    ("ape", NamedGrid::Ape),
    ("imo", NamedGrid::Imo),
    ("gda", NamedGrid::Gda),
    ("proker", NamedGrid::ProKeR),
    ("timo", NamedGrid::Timo),
    ("timo-s", NamedGrid::TimoS),
];

impl NamedGrid {
    /// The grid with this name.
    pub fn from_name(name: &str) -> Result<Self, UnknownGrid> {
        let own = OWN.iter().find(|(own, _)| *own == name);
        own.map(|(_, grid)| *grid)
            .or_else(|| Preset::named(name).map(Self::Dataset))
            .ok_or_else(|| UnknownGrid {
                name: name.to_owned(),
            })
    }

    /// The grid that the authors of `method` search: IMO's for Tip-Adapter++ and Tip-X++.
    ///
    /// APE++, GDA++ and `ProKeR`++ were never published with one and take that of the method below them.
    pub fn of(method: Method) -> Self {
        match method {
            Method::TipAdapterPp | Method::TipXPp => Self::Imo,
            Method::TipX => Self::TipX,
            Method::Ape | Method::ApePp | Method::ApeT => Self::Ape,
            Method::Gda | Method::GdaPp => Self::Gda,
            Method::ProKeR | Method::ProKeRPp => Self::ProKeR,
            Method::Timo => Self::Timo,
            Method::TimoS => Self::TimoS,
            _ => Self::TipAdapter,
        }
    }

    /// Its values; a data set's depend on the method.
    pub fn values(self, method: Method) -> Grid {
        match self {
            Self::TipAdapter => tip_adapter(7.0, 3.0),
            Self::TipX => Grid {
                betas: open(1.0, 50.0, 200),
                alphas: open(0.1, 50.0, 20),
                thirds: open(0.1, 30.0, 50),
                order: LoopOrder::AlphaOutside,
            },
            Self::Ape => ape(&PRESETS[1].ape),
            Self::Imo => Grid {
                betas: closed(0.0, 20.0, 20),
                alphas: closed(0.0, 20.0, 200),
                thirds: closed(0.0, 30.0, 50),
                order: LoopOrder::AlphaOutside,
            },
            Self::Gda => Grid {
                alphas: decades(-4..=2),
                ..Grid::default()
            },
            Self::ProKeR => proker(PRESETS[1].proker_betas, PRESETS[1].proker_lambdas),
            Self::Timo => Grid {
                alphas: decades(-4..=4),
                ..Grid::default()
            },
            Self::TimoS => Grid {
                alphas: decades(-4..=4),
                thirds: (1..=20).map(|step| 5.0 * step as f32).collect(),
                ..Grid::default()
            },
            Self::Dataset(preset) => of_data_set(preset, method),
        }
    }
}

fn of_data_set(preset: &Preset, method: Method) -> Grid {
    match NamedGrid::of(method) {
        NamedGrid::TipAdapter => {
            tip_adapter(preset.tip_adapter.beta_max, preset.tip_adapter.alpha_max)
        }
        NamedGrid::Ape => ape(&preset.ape),
        NamedGrid::ProKeR => proker(preset.proker_betas, preset.proker_lambdas),
        // One for all data sets.
        same => same.values(method),
    }
}

fn tip_adapter(beta_max: f64, alpha_max: f64) -> Grid {
    Grid {
        betas: open(0.1, beta_max, 200),
        alphas: open(0.1, alpha_max, 20),
        ..Grid::default()
    }
}

fn ape(preset: &ApePreset) -> Grid {
    Grid {
        thirds: open(0.0, preset.gamma_max, preset.num_gammas),
        ..tip_adapter(preset.beta_max, preset.alpha_max)
    }
}

fn proker(betas: Even, lambdas: Even) -> Grid {
    let values = |even: Even| closed(even.first, even.last, even.count);
    Grid {
        betas: values(betas),
        thirds: values(lambdas),
        ..Grid::default()
    }
}

/// `count` even steps from `first`, `last` left out, as the authors' lists.
fn open(first: f64, last: f64, count: u32) -> Vec<f32> {
    (0..count)
        .map(|step| (f64::from(step) * (last - first) / f64::from(count) + first) as f32)
        .collect()
}

/// `count` even steps from `first` to `last`, as `linspace`.
fn closed(first: f64, last: f64, count: u32) -> Vec<f32> {
    (0..count)
        .map(|step| (first + f64::from(step) * (last - first) / f64::from(count - 1)) as f32)
        .collect()
}

fn decades(powers: std::ops::RangeInclusive<i32>) -> Vec<f32> {
    powers.map(|power| 10_f64.powi(power) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str, method: Method) -> (usize, usize, usize) {
        let grid = NamedGrid::from_name(name).unwrap().values(method);
        (grid.betas.len(), grid.alphas.len(), grid.thirds.len())
    }

    #[test]
    fn every_grid_has_the_authors_size() {
        for (name, method, expected) in [
            ("tip-adapter", Method::TipAdapter, (200, 20, 0)),
            ("tip-x", Method::TipX, (200, 20, 50)),
            ("ape", Method::Ape, (200, 20, 20)),
            ("imo", Method::TipXPp, (20, 200, 50)),
            ("gda", Method::Gda, (0, 7, 0)),
            ("proker", Method::ProKeR, (20, 0, 10)),
            ("timo", Method::Timo, (0, 9, 0)),
            ("timo-s", Method::TimoS, (0, 9, 20)),
            ("imagenet", Method::Ape, (200, 20, 5)),
            ("imagenet", Method::TipAdapter, (200, 20, 0)),
            ("dtd", Method::ProKeR, (20, 0, 100)),
            ("dtd", Method::TipX, (200, 20, 50)),
            ("dtd", Method::TipAdapterPp, (20, 200, 50)),
            ("dtd", Method::Gda, (0, 7, 0)),
        ] {
            assert_eq!(size(name, method), expected, "{name} for {method:?}");
        }
        assert_eq!(NamedGrid::from_name("moon").unwrap_err().name, "moon");
    }

    #[test]
    fn grids_have_the_authors_values() {
        let close = |got: f32, expected: f64| {
            assert!((f64::from(got) - expected).abs() < 1e-5, "{got} {expected}");
        };
        let grid = NamedGrid::TipAdapter.values(Method::TipAdapter);
        close(grid.betas[0], 0.1);
        close(grid.betas[199], 0.1 + 199.0 * 6.9 / 200.0);
        close(grid.alphas[19], 0.1 + 19.0 * 2.9 / 20.0);
        let grid = NamedGrid::TipX.values(Method::TipX);
        close(grid.betas[0], 1.0);
        close(grid.betas[1], 1.0 + 49.0 / 200.0);
        close(grid.alphas[19], 0.1 + 19.0 * 49.9 / 20.0);
        close(grid.thirds[49], 0.1 + 49.0 * 29.9 / 50.0);
        let grid = NamedGrid::Imo.values(Method::TipAdapterPp);
        close(grid.alphas[1], 20.0 / 199.0);
        assert_eq!((grid.alphas[199], grid.betas[19]), (20.0, 20.0));
        assert_eq!((grid.alphas[0], grid.thirds[49]), (0.0, 30.0));
        let eurosat = NamedGrid::from_name("eurosat").unwrap();
        let grid = eurosat.values(Method::Ape);
        close(grid.betas[199], 0.1 + 199.0 * 29.9 / 200.0);
        close(grid.alphas[19], 0.1 + 19.0 * 4.9 / 20.0);
        close(grid.thirds[0], 0.0);
        close(grid.thirds[19], 19.0 * 1.5 / 20.0);
        let grid = eurosat.values(Method::TipAdapter);
        close(grid.betas[199], 0.1 + 199.0 * 11.9 / 200.0);
        let grid = NamedGrid::from_name("dtd").unwrap().values(Method::ProKeR);
        close(grid.betas[1], 0.1 + 9.9 / 19.0);
        close(grid.thirds[99], 10.0);
        assert_eq!(
            NamedGrid::Gda.values(Method::Gda).alphas,
            [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]
        );
        let timo = NamedGrid::TimoS.values(Method::TimoS);
        assert_eq!(
            (timo.alphas[8], timo.thirds[0], timo.thirds[19]),
            (1e4, 5.0, 100.0)
        );
    }

    #[test]
    fn loops_are_nested_as_the_authors_nest_them() {
        for (grid, order) in [
            (NamedGrid::TipAdapter, LoopOrder::BetaOutside),
            (NamedGrid::Ape, LoopOrder::BetaOutside),
            (NamedGrid::ProKeR, LoopOrder::BetaOutside),
            (NamedGrid::TipX, LoopOrder::AlphaOutside),
            (NamedGrid::Imo, LoopOrder::AlphaOutside),
        ] {
            assert_eq!(grid.values(Method::TipAdapter).order, order, "{grid:?}");
        }
    }
}
