//! The right panel's upper half: the method, its parameters, what it is worth on the shots.

use egui::{Align, ComboBox, Layout, Spinner, Ui};

use crate::app::{Command, FitStatus, Parameter};
use crate::project::Settings;

use super::chip::{badge_ui, paint_bar, paint_hollow_bar, question_ui};
use super::context::{PanelContext, Request};
use super::format::percent;
use super::help::Topic;
use super::parameter_slider::{ParameterSpec, parameter_ui};
use super::theme::{self, Palette, semibold};

/// A method as people see it.
struct MethodInfo {
    /// On the command line and in the project file.
    name: &'static str,
    title: &'static str,
    hint: &'static str,
    parameters: &'static [ParameterSpec],
}

const ALPHA: ParameterSpec = ParameterSpec {
    parameter: Parameter::Alpha,
    name: "alpha",
    symbol: "α",
    range: 0.0..=100.0,
    smallest: 0.01,
    hint: "How much your shots count beside the class names; at 0 they do not count",
};
const BETA: ParameterSpec = ParameterSpec {
    parameter: Parameter::Beta,
    name: "beta",
    symbol: "β",
    range: 0.1..=50.0,
    smallest: 0.1,
    hint: "How sharply a shot's vote falls with distance: high means that only the most alike shots vote",
};

const METHODS: [MethodInfo; 3] = [
    MethodInfo {
        name: "zero-shot",
        title: "Zero-shot CLIP",
        hint: "The class names alone; your shots are not used",
        parameters: &[],
    },
    MethodInfo {
        name: "tip-adapter",
        title: "Tip-Adapter",
        hint: "Class names plus a vote of your shots, each by how alike it is; no training",
        parameters: &[ALPHA, BETA],
    },
    MethodInfo {
        name: "tip-adapter-pp",
        title: "Tip-Adapter++",
        hint: "Tip-Adapter whose shots vote with the adapted features chosen below",
        parameters: &[ALPHA, BETA],
    },
];

/// A method's name for people; its own name where it is not one of the known.
pub(super) fn method_title(name: &str) -> &str {
    METHODS
        .iter()
        .find(|method| method.name == name)
        .map_or(name, |method| method.title)
}

/// Draws the card.
pub(super) fn method_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let palette = Palette::of(ui);
    theme::card(palette).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let settings = cx.app.project().settings();
        header_ui(ui, cx);
        method_combo_ui(ui, cx, settings);
        sliders_ui(ui, cx, settings);
        tune_ui(ui, cx);
        accuracy_ui(ui, cx.app.fit());
        switches_ui(ui, cx, settings);
        if let Some(note) = &cx.app.fit().note {
            ui.colored_label(palette.weak, note);
        }
    });
}

fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        ui.label(semibold("Method").heading());
        if cx.app.fit().tuned {
            badge_ui(ui, "tuned", Palette::of(ui).good).on_hover_text(
                "α and β were found by leave-one-out on your shots; touching a slider ends that",
            );
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if question_ui(ui, "Help on the method").clicked() {
                cx.request(Request::Help(Some(Topic::Method)));
            }
        });
    });
}

fn method_combo_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, settings: &Settings) {
    let mut chosen = settings.method.as_str();
    let combo = ComboBox::from_id_salt("method")
        .width(ui.available_width())
        .selected_text(method_title(chosen))
        .show_ui(ui, |ui| {
            for method in &METHODS {
                ui.selectable_value(&mut chosen, method.name, method.title)
                    .on_hover_text(method.hint);
            }
        });
    combo.response.accessible_name("Method");
    if chosen != settings.method {
        cx.push(Command::SetMethod(chosen.to_owned()));
    }
}

fn sliders_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, settings: &Settings) {
    let method = METHODS.iter().find(|method| method.name == settings.method);
    let Some(method) = method else { return };
    if method.parameters.is_empty() {
        ui.weak(method.hint);
    }
    for spec in method.parameters {
        let recommended = cx.app.fit().recommended;
        let recommended = match spec.parameter {
            Parameter::Alpha => recommended.map(|best| best.0),
            Parameter::Beta => recommended.map(|best| best.1),
            Parameter::Gamma => None,
        };
        let value = cx.app.parameter(spec.parameter);
        parameter_ui(ui, cx, spec, value, recommended);
    }
}

fn tune_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let fit = cx.app.fit();
    ui.horizontal(|ui| {
        let button = egui::Button::new("Tune on support set");
        let tune = ui.add_enabled(!fit.tuning && can_tune(cx), button).on_hover_text(
            "Finds the α and β with which each shot is best recognised by the others (leave-one-out)",
        );
        if tune.clicked() {
            cx.push(Command::Tune);
        }
        if fit.tuning {
            ui.add(Spinner::new().size(16.0));
            ui.weak("tuning");
        }
    });
}

/// Leaving one out needs two shots in at least two classes.
fn can_tune(cx: &PanelContext<'_>) -> bool {
    let project = cx.app.project();
    let has_two = |class: &&crate::project::Class| project.shots(class.id).len() >= 2;
    project.classes().iter().filter(has_two).count() >= 2
}

/// Zero-shot and method side by side, as "zero-shot 61 % → 84 %".
fn accuracy_ui(ui: &mut Ui, fit: &FitStatus) {
    const HINT: &str = "Share of your shots that the others recognise: each is left out once (leave-one-out). Photos of the pool are not used, so this stays an estimate";
    let (Some(before), Some(after)) = (fit.zero_shot_accuracy, fit.method_accuracy) else {
        return;
    };
    let palette = Palette::of(ui);
    let response = ui
        .horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            ui.label("Accuracy");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let gain = if after >= before {
                    palette.good
                } else {
                    palette.warning
                };
                ui.label(semibold(percent(after)).color(gain));
                ui.label(format!("zero-shot {} →", percent(before)));
            });
        })
        .response;
    let (rect, bars) =
        ui.allocate_exact_size(egui::vec2(ui.available_width(), 11.0), egui::Sense::hover());
    let upper = egui::Rect::from_min_size(rect.min, egui::vec2(rect.width(), 4.0));
    let lower = upper.translate(egui::vec2(0.0, 5.5));
    paint_hollow_bar(ui.painter(), upper, before, palette);
    paint_bar(ui.painter(), lower, after, palette.good, palette);
    let spoken = format!(
        "Accuracy on your shots: zero-shot {}, method {}",
        percent(before),
        percent(after)
    );
    bars.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &spoken));
    response.union(bars).on_hover_text(HINT);
}

fn switches_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, settings: &Settings) {
    let mut use_names = settings.use_class_names;
    let names = ui
        .checkbox(&mut use_names, "Use class names")
        .on_hover_text("Off: only your shots decide, for classes that words do not describe");
    if names.changed() {
        cx.push(Command::SetUseClassNames(use_names));
    }
    let mut learn = settings.learn_from_labels;
    let labels = ui
        .checkbox(&mut learn, "Learn from my labels")
        .on_hover_text("On: photos that you label join the shots of their class");
    if labels.changed() {
        cx.push(Command::SetLearnFromLabels(learn));
    }
}
