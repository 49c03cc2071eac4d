//! Made-up adapters side by side, for the window's tests.

use crate::app::{AdapterComparisonView, AdapterRow, App};
use crate::methods::overlap::{ClassVariance, ScatterPoint};

use super::fixture::demo;

/// Adapters side by side.
pub(super) fn comparing_adapters() -> App {
    let mut app = demo();
    let figures = [app.overlap.before.clone(), app.overlap.after.clone()];
    let titles = [
        "Original features",
        "Demo adapter",
        "IsoCLIP (0, 0)",
        "PCA of words (128)",
    ];
    let rows = titles.iter().enumerate().map(|(place, title)| AdapterRow {
        title: (*title).to_owned(),
        figures: figures[place.min(1)].clone(),
        variance: Some(ClassVariance {
            within: 0.002,
            between: 0.001 + 0.0004 * place as f64,
        }),
        accuracy: [Some(76.1 + 2.0 * place as f64), Some(75.4), None],
        notes: Vec::new(),
    });
    let points = (0..9_u8).map(|place| ScatterPoint {
        name: format!("Tip-Adapter++, adapter {place}"),
        overlap_before: 0.6,
        overlap_after: 0.6 - 0.04 * f64::from(place),
        accuracy_before: 76.0,
        accuracy_after: 76.0 + 0.8 * f64::from(place) + f64::from(place % 3),
    });
    app.adapter_comparison.view = AdapterComparisonView {
        is_open: true,
        rows: rows.collect(),
        sides: [0, 1],
        methods: points.collect(),
        ..AdapterComparisonView::default()
    };
    app
}
