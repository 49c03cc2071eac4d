//! Scenes to search, and what every combination gives one by one.

use shotlens::features::{Features, Logits, Matrix};
use shotlens::methods::grid::{Grid, LoopOrder, Tuned, tune};
use shotlens::methods::{
    Classifier, Knowledge, Method, Parameter, Parameters, SignatureRange, fit,
};
use shotlens::progress::Progress;
use shotlens::support::SupportSet;

use crate::golden::{Golden, Scene};

/// A support set, texts, photos to judge by and their classes.
pub(super) struct Judged {
    pub(super) scene: Scene,
    pub(super) labels: Vec<usize>,
    pub(super) use_class_names: bool,
    pub(super) is_rich: bool,
}

impl Judged {
    pub(super) fn golden(name: &str) -> Self {
        let golden = Golden::open(name);
        Self {
            scene: Scene::of(&golden),
            labels: golden.integers("query_labels").to_vec(),
            use_class_names: true,
            is_rich: false,
        }
    }

    /// Photos with views and prompts: two of three of the class that TIMO gives them, so that none has all or nothing right.
    pub(super) fn rich() -> Self {
        let golden = Golden::open("more");
        let classes = Logits(golden.matrix("logits.timo").clone()).top_classes();
        let label = |(row, class): (usize, &usize)| if row % 3 == 0 { row % 5 } else { *class };
        Self {
            scene: Scene::of(&golden),
            labels: classes.iter().enumerate().map(label).collect(),
            use_class_names: true,
            is_rich: true,
        }
    }

    /// Features with few different numbers, so that cosines and whole sums are equal; photos under two labels, two classes
    /// with one text, a class without photos.
    pub(super) fn with_ties(seed: u32) -> Self {
        let mut state = seed;
        let mut draw = move |values: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % values
        };
        let mut rows = |count: usize| {
            let of_row = |_| {
                (0..7)
                    .map(|_| 2.0 * draw(2) as f32 - 1.0)
                    .collect::<Vec<f32>>()
            };
            let data: Vec<f32> = (0..count).flat_map(of_row).collect();
            Features::normalized(Matrix::new(count, 7, data).expect("test data"))
                .expect("test data")
        };
        let doubled = |features: &Features, from: usize| {
            let mut order: Vec<usize> = (0..features.len()).collect();
            order[0] = from;
            features.select(&order)
        };
        let (keys, adapted) = (doubled(&rows(14), 9), doubled(&rows(14), 9));
        let text = doubled(&rows(5), 3);
        let labels = vec![3, 0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 0];
        let support = SupportSet::from_rows(keys, labels, 5).expect("test data");
        Self {
            labels: (0..37).map(|row| row % 5).collect(),
            use_class_names: true,
            is_rich: false,
            scene: Scene::new(support, text, adapted, [rows(37), rows(37)]),
        }
    }

    pub(super) fn knowledge(&self) -> Knowledge<'_> {
        let knowledge = if self.is_rich {
            self.scene.rich_knowledge()
        } else {
            self.scene.knowledge()
        };
        Knowledge {
            use_class_names: self.use_class_names,
            ..knowledge
        }
    }

    pub(super) fn tune(&self, method: Method, parameters: &Parameters, grid: &Grid) -> Tuned {
        let (knowledge, queries) = (self.knowledge(), self.scene.queries());
        let (labels, progress) = (&self.labels, Progress::silent());
        tune(
            method, parameters, &knowledge, queries, labels, grid, &progress,
        )
        .expect("test data")
    }

    pub(super) fn num_correct(&self, classifier: &dyn Classifier) -> usize {
        let logits = classifier.logits(self.scene.queries()).expect("test data");
        let classes = logits.top_classes();
        let pairs = classes.iter().zip(&self.labels);
        pairs.filter(|(class, label)| class == label).count()
    }

    /// Every combination one by one.
    pub(super) fn try_all(&self, method: Method, fixed: &Parameters, grid: &Grid) -> Tried {
        let or_fixed = |values: &[f32], value| match values {
            [] => vec![value],
            values => values.to_vec(),
        };
        let is_proker = matches!(method, Method::ProKeR | Method::ProKeRPp);
        let fixed_third = if is_proker { fixed.lambda } else { fixed.gamma };
        let has_third = is_proker || method.parameters().contains(&Parameter::Gamma);
        let thirds: &[f32] = if has_third { &grid.thirds } else { &[] };
        let mut tried = Tried {
            betas: or_fixed(&grid.betas, fixed.beta),
            alphas: or_fixed(&grid.alphas, fixed.alpha),
            thirds: or_fixed(thirds, fixed_third),
            results: Vec::new(),
        };
        let knowledge = self.knowledge();
        for beta in &tried.betas {
            for alpha in &tried.alphas {
                for third in &tried.thirds {
                    let (lambda, gamma) = if is_proker {
                        (*third, fixed.gamma)
                    } else {
                        (fixed.lambda, *third)
                    };
                    let parameters = Parameters {
                        beta: *beta,
                        alpha: *alpha,
                        gamma,
                        lambda,
                        ..*fixed
                    };
                    let classifier = fit(method, &parameters, &knowledge).expect("test data");
                    let correct = self.num_correct(&*classifier);
                    tried.results.push((parameters, correct));
                }
            }
        }
        tried
    }

    #[track_caller]
    pub(super) fn check(&self, method: Method, grid: &Grid, signature_range: SignatureRange) {
        let fixed = Parameters {
            signature_range,
            channels: Some(4),
            ..Parameters::default()
        };
        let tuned = self.tune(method, &fixed, grid);
        let tried = self.try_all(method, &fixed, grid);
        let percent = |correct: usize| 100.0 * correct as f64 / self.labels.len() as f64;
        let (accuracies, thirds) = tried.surface();
        assert_eq!(tuned.surface.betas, tried.betas);
        assert_eq!(tuned.surface.alphas, tried.alphas);
        let expected: Vec<f32> = accuracies.iter().map(|x| percent(*x) as f32).collect();
        assert_eq!(tuned.surface.accuracies, expected, "{method:?}");
        if !tuned.surface.thirds.is_empty() {
            assert_eq!(tuned.surface.thirds, thirds, "{method:?}");
        }
        let (parameters, correct) = tried.best(grid.order);
        assert_eq!(tuned.parameters, parameters, "{method:?}");
        assert!((tuned.accuracy - percent(correct)).abs() < 1e-9);
        assert_eq!(tuned.num_combinations, tried.results.len());
    }
}

/// What all combinations gave: β outside, then α, then the third parameter.
pub(super) struct Tried {
    pub(super) betas: Vec<f32>,
    pub(super) alphas: Vec<f32>,
    pub(super) thirds: Vec<f32>,
    pub(super) results: Vec<(Parameters, usize)>,
}

impl Tried {
    /// The first of the best in the authors' loops.
    pub(super) fn best(&self, order: LoopOrder) -> (Parameters, usize) {
        let (num_alphas, num_thirds) = (self.alphas.len(), self.thirds.len());
        let mut places: Vec<usize> = (0..self.results.len()).collect();
        if order == LoopOrder::AlphaOutside {
            // Stable, so β and the third parameter keep their order for each α.
            places.sort_by_key(|place| place / num_thirds % num_alphas);
        }
        let most = self.results.iter().map(|result| result.1).max();
        let first = places
            .iter()
            .find(|place| Some(self.results[**place].1) == most);
        self.results[*first.expect("a grid")]
    }

    /// The best over the third parameter, the first of equals.
    pub(super) fn surface(&self) -> (Vec<usize>, Vec<f32>) {
        let best = |results: &[(Parameters, usize)]| {
            let most = results
                .iter()
                .map(|result| result.1)
                .max()
                .expect("a third");
            let first = results.iter().position(|result| result.1 == most);
            (most, self.thirds[first.expect("the best")])
        };
        self.results.chunks(self.thirds.len()).map(best).unzip()
    }
}
