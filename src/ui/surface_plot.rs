//! The heat map of accuracy over a method's parameters: hover reads it, a click takes its values.

use egui::{
    Align2, Color32, FontId, Mesh, Pos2, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::app::{Command, Parameter};
use crate::methods::Method;
use crate::methods::surface::Surface;

use super::context::PanelContext;
use super::format::parameter;
use super::theme::{self, Palette};

/// Room for the ticks at the left and at the foot.
const LEFT: f32 = 34.0;
const FOOT: f32 = 27.0;
/// A cell is at least this wide and high; finer grids show the best of each cell.
const SMALLEST_CELL: f32 = 3.0;
/// Values that may stand at an axis.
const TICKS: [f32; 11] = [
    0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0,
];

/// A surface as it is drawn: `x` to the right, `y` upwards.
struct View<'a> {
    surface: &'a Surface,
    area: Rect,
    /// Cells across and up.
    size: (usize, usize),
    /// Whether the surface has no α, so that β runs to the right.
    is_turned: bool,
    range: (f32, f32),
}

/// Draws the map with `height` points for its cells, and reacts to pointer and click.
pub(super) fn surface_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, surface: &Surface) {
    let is_flat = surface.betas.len() == 1 || surface.alphas.len() == 1;
    let height = if is_flat { 26.0 } else { 132.0 };
    let size = vec2(ui.available_width(), height + FOOT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let area = Rect::from_min_max(
        rect.min + vec2(if is_flat { 4.0 } else { LEFT }, 0.0),
        rect.max - vec2(4.0, FOOT),
    );
    let view = View::new(surface, area);
    view.paint_cells(ui);
    view.paint_axes(ui);
    let (alpha, beta) = (
        cx.app.parameter(Parameter::Alpha) as f32,
        cx.app.parameter(Parameter::Beta) as f32,
    );
    paint_mark(ui, view.position_of(alpha, beta));
    let method = cx.app.fit().method;
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, view.spoken(method)));
    view.react(ui, cx, method, &response);
    legend_ui(ui, view.range);
}

impl<'a> View<'a> {
    fn new(surface: &'a Surface, area: Rect) -> Self {
        let is_turned = surface.alphas.len() == 1;
        let (across, up) = if is_turned {
            (surface.betas.len(), 1)
        } else {
            (surface.alphas.len(), surface.betas.len())
        };
        let fit = |count: usize, length: f32| {
            count.min(((length / SMALLEST_CELL) as usize).max(1)).max(1)
        };
        let accuracies = surface.accuracies.iter().copied();
        let low = accuracies.clone().fold(f32::INFINITY, f32::min);
        let high = accuracies.fold(f32::NEG_INFINITY, f32::max);
        Self {
            surface,
            area,
            size: (fit(across, area.width()), fit(up, area.height())),
            is_turned,
            range: (low, high),
        }
    }

    fn xs(&self) -> &[f32] {
        if self.is_turned {
            &self.surface.betas
        } else {
            &self.surface.alphas
        }
    }

    fn ys(&self) -> &[f32] {
        if self.is_turned {
            &self.surface.alphas
        } else {
            &self.surface.betas
        }
    }

    /// Index of β and α of the best combination that a cell stands for.
    fn best_in(&self, cell: (usize, usize)) -> (usize, usize) {
        let part = |cell: usize, cells: usize, count: usize| {
            let from = cell * count / cells;
            from..((cell + 1) * count / cells).max(from + 1)
        };
        let xs = part(cell.0, self.size.0, self.xs().len());
        let ys = part(cell.1, self.size.1, self.ys().len());
        let mut best = None;
        for y in ys {
            for x in xs.clone() {
                let at = if self.is_turned { (x, y) } else { (y, x) };
                let accuracy = self.surface.at(at.0, at.1);
                if best.is_none_or(|(most, _)| accuracy > most) {
                    best = Some((accuracy, at));
                }
            }
        }
        best.map_or((0, 0), |(_, at)| at)
    }

    fn cell_rect(&self, cell: (usize, usize)) -> Rect {
        let size = vec2(
            self.area.width() / self.size.0 as f32,
            self.area.height() / self.size.1 as f32,
        );
        let min = pos2(
            self.area.left() + cell.0 as f32 * size.x,
            self.area.bottom() - (cell.1 + 1) as f32 * size.y,
        );
        Rect::from_min_size(min, size)
    }

    fn cell_at(&self, pointer: Pos2) -> Option<(usize, usize)> {
        let share = (pointer - self.area.min) / self.area.size();
        let place = |share: f32, count: usize| ((share * count as f32) as usize).min(count - 1);
        self.area.contains(pointer).then(|| {
            (
                place(share.x, self.size.0),
                place(1.0 - share.y, self.size.1),
            )
        })
    }

    fn paint_cells(&self, ui: &Ui) {
        let mut mesh = Mesh::default();
        let (low, high) = self.range;
        for x in 0..self.size.0 {
            for y in 0..self.size.1 {
                let (beta, alpha) = self.best_in((x, y));
                let accuracy = self.surface.at(beta, alpha);
                let share = (accuracy - low) / (high - low).max(1e-6);
                mesh.add_colored_rect(self.cell_rect((x, y)), theme::heat(share));
            }
        }
        ui.painter().add(mesh);
    }

    /// Where a pair of values lies; values between those that were tried lie between their cells.
    fn position_of(&self, alpha: f32, beta: f32) -> Pos2 {
        let (x, y) = if self.is_turned {
            (beta, alpha)
        } else {
            (alpha, beta)
        };
        pos2(
            egui::lerp(self.area.x_range(), share_of(self.xs(), x)),
            egui::lerp(self.area.bottom()..=self.area.top(), share_of(self.ys(), y)),
        )
    }

    fn paint_axes(&self, ui: &Ui) {
        let palette = Palette::of(ui);
        let (font, ink) = (FontId::proportional(10.5), palette.weak);
        let text = |at: Pos2, align: Align2, text: &str| {
            ui.painter().text(at, align, text, font.clone(), ink)
        };
        let foot = self.area.bottom();
        let mut free_from = f32::NEG_INFINITY;
        for (share, label) in ticks(self.xs()) {
            let x = egui::lerp(self.area.x_range(), share);
            if x - 9.0 < free_from {
                continue;
            }
            ui.painter()
                .vline(x, foot..=foot + 3.0, Stroke::new(1.0, ink));
            let shown = text(pos2(x, foot + 3.0), Align2::CENTER_TOP, &label);
            free_from = shown.right() + 6.0;
        }
        let (name, other) = if self.is_turned {
            ("β", "α")
        } else {
            ("α", "β")
        };
        text(
            pos2(self.area.center().x, foot + FOOT),
            Align2::CENTER_BOTTOM,
            name,
        );
        if self.ys().len() < 2 {
            return;
        }
        let mut free_below = f32::INFINITY;
        for (share, label) in ticks(self.ys()) {
            let y = egui::lerp(self.area.bottom()..=self.area.top(), share);
            if y + 6.0 > free_below {
                continue;
            }
            let left = self.area.left();
            ui.painter()
                .hline(left - 3.0..=left, y, Stroke::new(1.0, ink));
            let shown = text(pos2(left - 5.0, y), Align2::RIGHT_CENTER, &label);
            free_below = shown.top();
        }
        let corner = pos2(self.area.left() - LEFT + 2.0, self.area.center().y);
        text(corner, Align2::LEFT_CENTER, other);
    }

    /// As "α 1.20, β 5.50: 84.1 %".
    fn said(&self, method: Method, beta: usize, alpha: usize) -> String {
        let mut parts = Vec::new();
        if self.surface.alphas.len() > 1 {
            parts.push(format!(
                "α {}",
                parameter(f64::from(self.surface.alphas[alpha]))
            ));
        }
        if self.surface.betas.len() > 1 {
            parts.push(format!(
                "β {}",
                parameter(f64::from(self.surface.betas[beta]))
            ));
        }
        if let Some(third) = self.third(beta, alpha) {
            let symbol = match method {
                Method::ProKeR | Method::ProKeRPp => "λ",
                _ => "γ",
            };
            parts.push(format!("{symbol} {}", parameter(third)));
        }
        format!(
            "{}: {:.1} %",
            parts.join(", "),
            self.surface.at(beta, alpha)
        )
    }

    fn third(&self, beta: usize, alpha: usize) -> Option<f64> {
        let index = beta * self.surface.alphas.len() + alpha;
        self.surface.thirds.get(index).copied().map(f64::from)
    }

    fn spoken(&self, method: Method) -> String {
        let mut best = (0, 0);
        for beta in 0..self.surface.betas.len() {
            for alpha in 0..self.surface.alphas.len() {
                if self.surface.at(beta, alpha) > self.surface.at(best.0, best.1) {
                    best = (beta, alpha);
                }
            }
        }
        format!(
            "Accuracy over the parameters, best at {}",
            self.said(method, best.0, best.1)
        )
    }

    fn react(&self, ui: &Ui, cx: &mut PanelContext<'_>, method: Method, response: &Response) {
        let pointer = response.hover_pos().or(response.interact_pointer_pos());
        let Some(cell) = pointer.and_then(|pointer| self.cell_at(pointer)) else {
            return;
        };
        let (beta, alpha) = self.best_in(cell);
        let colour = theme::text_on(theme::heat(
            (self.surface.at(beta, alpha) - self.range.0) / (self.range.1 - self.range.0).max(1e-6),
        ));
        ui.painter().rect_stroke(
            self.cell_rect(cell),
            1.0,
            Stroke::new(1.5, colour),
            egui::StrokeKind::Inside,
        );
        if response.clicked() {
            let value = |values: &[f32], index: usize, now: Parameter| {
                if values.len() > 1 {
                    f64::from(values[index])
                } else {
                    cx.app.parameter(now)
                }
            };
            let alpha_value = value(&self.surface.alphas, alpha, Parameter::Alpha);
            let beta_value = value(&self.surface.betas, beta, Parameter::Beta);
            let third = self.third(beta, alpha);
            cx.push(Command::SetPoint(alpha_value, beta_value, third));
        }
        response
            .clone()
            .on_hover_text_at_pointer(self.said(method, beta, alpha));
    }
}

/// Where among the cells of ascending `values` a value lies, 0 to 1; the middle of a cell is its value.
fn share_of(values: &[f32], value: f32) -> f32 {
    let above = values.partition_point(|known| *known < value);
    let at = if above == 0 {
        0.0
    } else if above == values.len() {
        (values.len() - 1) as f32
    } else {
        let (low, high) = (values[above - 1], values[above]);
        (above - 1) as f32 + (value - low) / (high - low).max(1e-12)
    };
    (at + 0.5) / values.len() as f32
}

/// Round values among those that were tried, with their places.
fn ticks(values: &[f32]) -> Vec<(f32, String)> {
    let (Some(first), Some(last)) = (values.first(), values.last()) else {
        return Vec::new();
    };
    let slack = 1.0 + 1e-3;
    TICKS
        .into_iter()
        .filter(|tick| *tick * slack >= *first && *tick <= *last * slack)
        .map(|tick| (share_of(values, tick), tick.to_string()))
        .collect()
}

/// A ring that is seen on light and dark cells alike.
fn paint_mark(ui: &Ui, at: Pos2) {
    ui.painter()
        .circle_stroke(at, 5.5, Stroke::new(3.5, Color32::BLACK));
    ui.painter()
        .circle_stroke(at, 5.5, Stroke::new(1.6, Color32::WHITE));
}

/// From which colour to which, in percent.
fn legend_ui(ui: &mut Ui, (low, high): (f32, f32)) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.spacing_mut().interact_size.y = 14.0;
        let small = |text: String| egui::RichText::new(text).small().weak();
        ui.label(small(format!("{low:.0} %")));
        let width = (ui.available_width() - 150.0).clamp(40.0, 120.0);
        let (rect, _) = ui.allocate_exact_size(vec2(width, 8.0), Sense::hover());
        let mut mesh = Mesh::default();
        let steps = 24;
        for step in 0..steps {
            let left = egui::lerp(rect.x_range(), step as f32 / steps as f32);
            let right = egui::lerp(rect.x_range(), (step + 1) as f32 / steps as f32);
            let cell = Rect::from_x_y_ranges(left..=right, rect.y_range());
            mesh.add_colored_rect(cell, theme::heat(step as f32 / (steps - 1) as f32));
        }
        ui.painter().add(mesh);
        ui.label(small(format!("{high:.0} % right")));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface() -> Surface {
        Surface {
            betas: vec![1.0, 2.0],
            alphas: vec![0.0, 0.1, 1.0],
            accuracies: vec![50.0, 60.0, 70.0, 55.0, 80.0, 65.0],
            thirds: Vec::new(),
        }
    }

    #[test]
    fn a_cell_stands_for_the_combination_under_it() {
        let surface = surface();
        let area = Rect::from_min_size(pos2(0.0, 0.0), vec2(90.0, 60.0));
        let view = View::new(&surface, area);
        assert_eq!(view.cell_at(pos2(5.0, 55.0)), Some((0, 0)));
        assert_eq!(view.cell_at(pos2(45.0, 10.0)), Some((1, 1)));
        assert_eq!(view.best_in((1, 1)), (1, 1));
        assert_eq!(
            view.said(Method::TipAdapter, 1, 1),
            "α 0.10, β 2.00: 80.0 %"
        );
        assert!(
            view.spoken(Method::TipAdapter)
                .ends_with("α 0.10, β 2.00: 80.0 %")
        );
        let middle = view.position_of(0.1, 2.0);
        assert!((middle - pos2(45.0, 15.0)).length() < 1e-3, "{middle:?}");
    }

    #[test]
    fn a_fine_grid_shows_the_best_of_each_cell() {
        let surface = surface();
        let area = Rect::from_min_size(pos2(0.0, 0.0), vec2(3.0, 3.0));
        let view = View::new(&surface, area);
        assert_eq!(view.size, (1, 1));
        assert_eq!(view.best_in((0, 0)), (1, 1));
    }

    #[test]
    fn ticks_are_round_values_within_the_grid() {
        let labels: Vec<String> = ticks(&[0.0, 0.1, 1.0])
            .into_iter()
            .map(|tick| tick.1)
            .collect();
        assert_eq!(labels, ["0", "0.01", "0.03", "0.1", "0.3", "1"]);
        assert!((share_of(&[0.0, 0.1, 1.0], 5.0) - 5.0 / 6.0).abs() < 1e-6);
    }
}
