//! A logarithmic slider with a typed value, the recommended value on its rail, and a way back to the default.

use std::ops::RangeInclusive;

use egui::{DragValue, Label, Rect, Response, RichText, Sense, Slider, Ui, pos2, vec2};

use crate::app::{Command, Parameter};
use crate::methods::Method;

use super::context::PanelContext;
use super::format::parameter;
use super::theme::{Palette, semibold_font};

/// What a method's parameter looks like.
#[derive(Clone, Debug)]
pub(super) struct ParameterSpec {
    pub(super) parameter: Parameter,
    /// As "alpha", for screen readers.
    pub(super) name: &'static str,
    /// As "α".
    pub(super) symbol: &'static str,
    pub(super) range: RangeInclusive<f64>,
    /// Below this the slider stops at 0 (or at the lower end).
    pub(super) smallest: f64,
    pub(super) is_logarithmic: bool,
    /// What it does.
    pub(super) hint: &'static str,
}

impl ParameterSpec {
    /// How `method` has it; `None` where it does not.
    pub(super) fn of(method: Method, parameter: Parameter) -> Option<Self> {
        let range = method.range(parameter)?;
        let (name, symbol) = match parameter {
            Parameter::Alpha => ("alpha", "α"),
            Parameter::Beta => ("beta", "β"),
            Parameter::Gamma => ("gamma", "γ"),
        };
        // The shortest decimals, not what 0.1 is nearest to in 32 bits.
        let exact = |value: f32| value.to_string().parse().unwrap_or(f64::from(value));
        let low = if range.stops_at_zero {
            0.0
        } else {
            exact(range.min)
        };
        Some(Self {
            parameter,
            name,
            symbol,
            range: low..=exact(range.max),
            smallest: exact(range.min),
            is_logarithmic: range.is_logarithmic,
            hint: hint(method, parameter),
        })
    }

    /// Where on the rail a value lies, 0 to 1; as egui's slider has it.
    fn normalized(&self, value: f64) -> f64 {
        let (low, high) = (*self.range.start(), *self.range.end());
        if value <= low {
            return 0.0;
        }
        if !self.is_logarithmic {
            return ((value - low) / (high - low)).clamp(0.0, 1.0);
        }
        let low_log = if low > 0.0 { low } else { self.smallest }.log10();
        let at = (value.max(1e-300).log10() - low_log) / (high.log10() - low_log);
        at.clamp(0.0, 1.0)
    }
}

/// What a parameter does in a method.
fn hint(method: Method, parameter: Parameter) -> &'static str {
    match (parameter, method) {
        (Parameter::Alpha, Method::Calip) => {
            "Weight of the class names as the parts of the photo show them"
        }
        (Parameter::Beta, Method::Calip) => "Weight of the photo as the class names show it",
        (Parameter::Alpha, Method::ClipAdapter) => {
            "How much of the trained features is mixed into CLIP's own"
        }
        (Parameter::Alpha, Method::TaskRes) => "How far the trained part moves the class texts",
        (Parameter::Alpha, Method::Timo | Method::TimoS) => {
            "How much the class names count beside your shots"
        }
        (Parameter::Alpha, _) => {
            "How much your shots count beside the class names; at 0 they do not count"
        }
        (Parameter::Beta, Method::ProKeR | Method::ProKeRPp) => {
            "How sharply likeness falls with distance: high means that only the most alike shots count"
        }
        (Parameter::Beta, _) => {
            "How sharply a shot's vote falls with distance: high means that only the most alike shots vote"
        }
        (Parameter::Gamma, Method::TipX | Method::TipXPp) => {
            "How much it counts that a photo and a shot look alike to the class names"
        }
        (Parameter::Gamma, Method::Timo | Method::TimoS) => {
            "How sharply the prompts are weighed by how well the shots agree with them"
        }
        (Parameter::Gamma, _) => {
            "How much a shot's vote depends on how surely its class names recognise it"
        }
    }
}

/// Draws the slider for `value`.
pub(super) fn parameter_ui(
    ui: &mut Ui,
    cx: &mut PanelContext<'_>,
    spec: &ParameterSpec,
    value: f64,
    recommended: Option<f64>,
) {
    ui.horizontal(|ui| {
        let label = symbol_ui(ui, spec);
        let typed_width = 58.0;
        let rail = ui.available_width() - typed_width - ui.spacing().item_spacing.x;
        ui.spacing_mut().slider_width = rail.max(60.0);
        let mut new_value = value;
        let slider = Slider::new(&mut new_value, spec.range.clone())
            .logarithmic(spec.is_logarithmic)
            .smallest_positive(spec.smallest)
            .smart_aim(false)
            .show_value(false);
        let slider = ui.add(slider).accessible_name(spec.name);
        // egui's slider listens to drags only; the same place has to hear double clicks too.
        let click = ui.interact(slider.rect, slider.id, Sense::click_and_drag());
        if let Some(recommended) = recommended {
            paint_mark(ui, slider.rect, spec.normalized(recommended));
        }
        let typed = typed_ui(ui, spec, &mut new_value, typed_width);
        if label.double_clicked() || click.double_clicked() {
            cx.push(Command::ResetParameter(spec.parameter));
        } else if slider.changed() || typed.changed() {
            cx.push(Command::SetParameter(spec.parameter, rounded(new_value)));
        }
        let is_released = slider.drag_stopped() || typed.drag_stopped() || typed.lost_focus();
        if is_released || (slider.changed() && !slider.dragged()) {
            cx.push(Command::ReleaseParameter);
        }
        let hint = match recommended {
            Some(best) => format!(
                "{}\nYour shots recommend {} (the mark on the rail). Double-click for the method's default",
                spec.hint,
                parameter(best)
            ),
            None => format!("{}\nDouble-click for the method's default", spec.hint),
        };
        label.on_hover_text(&hint);
        slider.on_hover_text(hint);
    });
}

fn symbol_ui(ui: &mut Ui, spec: &ParameterSpec) -> Response {
    let text = RichText::new(spec.symbol).font(semibold_font(15.0));
    let size = vec2(16.0, ui.spacing().interact_size.y);
    ui.add_sized(size, Label::new(text).sense(Sense::click()))
}

fn typed_ui(ui: &mut Ui, spec: &ParameterSpec, value: &mut f64, width: f32) -> Response {
    let speed = (*value * 0.01).max(0.001);
    let field = DragValue::new(value)
        .range(spec.range.clone())
        .speed(speed)
        .custom_formatter(|value, _| parameter(value));
    ui.add_sized(vec2(width, ui.spacing().interact_size.y), field)
        .accessible_name(format!("{} value", spec.name))
}

/// Three figures are enough for a slider, and read well.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(2 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// A small triangle under the rail.
fn paint_mark(ui: &Ui, rect: Rect, at: f64) {
    let inset = rect.height() / 2.5;
    let rail = rect.x_range().shrink(inset);
    let x = egui::lerp(rail.min..=rail.max, at as f32);
    let top = rect.center().y + 4.0;
    let colour = Palette::of(ui).good;
    ui.painter().add(egui::Shape::convex_polygon(
        vec![
            pos2(x, top),
            pos2(x + 4.5, top + 7.0),
            pos2(x - 4.5, top + 7.0),
        ],
        colour,
        egui::Stroke::NONE,
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_from_the_slider_have_three_figures() {
        assert!((rounded(1.172_34) - 1.17).abs() < 1e-12);
        assert!((rounded(54.321) - 54.3).abs() < 1e-12);
        assert!((rounded(0.0) - 0.0).abs() < 1e-12);
    }

    #[test]
    fn the_ends_of_the_rail_are_the_ends_of_the_range() {
        let alpha = ParameterSpec::of(Method::TipAdapter, Parameter::Alpha).unwrap();
        assert!(alpha.normalized(0.0) < 1e-9);
        assert!((alpha.normalized(100.0) - 1.0).abs() < 1e-9);
        assert!((alpha.normalized(1.0) - 0.5).abs() < 1e-9);
        let gamma = ParameterSpec::of(Method::TipX, Parameter::Gamma).unwrap();
        let middle = f64::midpoint(*gamma.range.start(), *gamma.range.end());
        assert!((gamma.normalized(middle) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_method_has_the_sliders_of_its_parameters_alone() {
        assert!(ParameterSpec::of(Method::Gda, Parameter::Beta).is_none());
        for method in Method::ALL {
            for parameter in method.parameters() {
                let spec = ParameterSpec::of(method, *parameter).unwrap();
                assert!(spec.range.start() < spec.range.end(), "{method:?}");
            }
        }
    }
}
