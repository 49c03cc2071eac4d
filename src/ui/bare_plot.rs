//! A plot without axes, grid and gestures: a picture of numbers, not a tool.

use egui_plot::{Line, LineStyle, Plot};

use super::theme::Palette;

/// An empty plot of this height.
pub(super) fn bare_plot<'a>(id: impl std::hash::Hash + std::fmt::Debug, height: f32) -> Plot<'a> {
    Plot::new(id)
        .height(height)
        .show_axes(false)
        .show_grid(false)
        .show_x(false)
        .show_y(false)
        .show_crosshair(false)
        .show_background(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .allow_axis_zoom_drag(false)
        .set_margin_fraction(egui::Vec2::ZERO)
        .label_formatter(|_| None)
}

/// The loss over the steps, from 0 to its largest, and (dashed) shares of photos from 0 to 1.
pub(super) fn loss_curve_ui(
    ui: &mut egui::Ui,
    height: f32,
    losses: &[[f64; 2]],
    shares: &[[f64; 2]],
    total: usize,
) -> egui::Response {
    let palette = Palette::of(ui);
    let top = losses.iter().map(|[_, loss]| *loss).fold(1e-6, f64::max);
    let loss: Vec<[f64; 2]> = losses
        .iter()
        .map(|[step, loss]| [*step, loss / top])
        .collect();
    let last = total.max(2) as f64;
    let plot = bare_plot("loss", height).show(ui, |plot| {
        plot.set_plot_bounds_x(0.0..=last);
        plot.set_plot_bounds_y(-0.03..=1.05);
        plot.line(Line::new("loss", loss).color(palette.unpaired).width(1.8));
        let dashed = LineStyle::Dashed { length: 6.0 };
        let shares = Line::new("held out", shares.to_vec());
        plot.line(shares.color(palette.paired).width(1.8).style(dashed));
    });
    let response = plot.response;
    ui.painter().hline(
        response.rect.x_range(),
        response.rect.bottom(),
        egui::Stroke::new(1.0, palette.edge),
    );
    response.widget_info(|| {
        let last = losses.last().map_or(0.0, |[_, loss]| *loss);
        let said = format!("Loss over the steps of training, now {last:.3}");
        egui::WidgetInfo::labeled(egui::Role::Image, true, said)
    });
    response
}
