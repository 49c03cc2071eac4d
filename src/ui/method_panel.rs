//! The right panel's upper half: the method, its parameters, what it is worth on the shots.

use egui::{Align, CollapsingHeader, Layout, RichText, Spinner, Ui};

use crate::app::{Command, FitStatus, Parameter, ValidationView};
use crate::methods::Method;
use crate::methods::Parameters;
use crate::methods::presets::{PRESETS, Preset};
use crate::project::{LabelLimit, Settings};

use super::chip::{badge_ui, paint_bar, paint_hollow_bar, question_ui};
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::format::{count, percent};
use super::help::Topic;
use super::method_menu::{self, method_menu_ui};
use super::parameter_slider::{ParameterSpec, parameter_ui};
use super::surface_plot::surface_ui;
use super::theme::{self, Palette, semibold};
use super::training_ui::training_ui;

/// Draws the card.
pub(super) fn method_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let palette = Palette::of(ui);
    theme::card(palette).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let settings = cx.app.project().settings();
        let method = cx.app.method();
        header_ui(ui, cx);
        method_menu_ui(ui, cx);
        obstacle_ui(ui, cx, method);
        sliders_ui(ui, cx, method);
        if let Some(training) = &cx.app.fit().training {
            training_ui(ui, cx, training);
        }
        tune_ui(ui, cx, method);
        accuracy_ui(ui, cx.app.fit());
        surface_section_ui(ui, cx);
        switches_ui(ui, cx, settings);
        if let Some(note) = &cx.app.fit().note {
            ui.colored_label(palette.weak, note);
        }
        compare_ui(ui, cx);
    });
}

fn header_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        ui.label(semibold("Method").heading());
        if cx.app.fit().tuned {
            badge_ui(ui, "tuned", Palette::of(ui).good).on_hover_text(
                "The values were found by leave-one-out on your shots; touching a slider ends that",
            );
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if question_ui(ui, "Help on the method").clicked() {
                cx.request(Request::Help(Some(Topic::Method)));
            }
            presets_ui(ui, cx);
        });
    });
}

/// The authors' values for the data sets of the papers, where the method has such.
fn presets_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let method = cx.app.method();
    let dim = cx.app.feature_dim();
    let has_own = |preset: &&Preset| preset.parameters(method, dim) != Parameters::default();
    if PRESETS.iter().filter(has_own).count() == 0 {
        return;
    }
    let menu = ui.menu_button(RichText::new("Presets ⌄").small(), |ui| {
        ui.set_min_width(300.0);
        ui.label(semibold(format!("{} as its authors set it", method.title())).small());
        for preset in PRESETS.iter().filter(has_own) {
            let values = preset.parameters(method, dim);
            let button = egui::Button::new(preset.title)
                .right_text(RichText::new(spelled(method, &values)).small().weak());
            if ui.add(button).clicked() {
                cx.push(Command::UsePreset(preset.name.to_owned()));
            }
        }
    });
    menu.response
        .on_hover_text("The papers' values for each data set, with CLIP's RN50 and 16 shots: a place to start from");
}

/// As "α 1.17, β 1".
fn spelled(method: Method, values: &Parameters) -> String {
    let mut parts: Vec<String> = method
        .parameters()
        .iter()
        .map(|parameter| match parameter {
            Parameter::Alpha => format!("α {}", values.alpha),
            Parameter::Beta => format!("β {}", values.beta),
            Parameter::Gamma => format!("γ {}", values.gamma),
        })
        .collect();
    parts.extend(
        values
            .channels
            .map(|channels| format!("{channels} channels")),
    );
    parts.extend(values.epochs.map(|epochs| format!("{epochs} epochs")));
    parts.join(", ")
}

/// Why the chosen method does not predict, what to do about it, and what predicts meanwhile.
fn obstacle_ui(ui: &mut Ui, cx: &PanelContext<'_>, method: Method) {
    let fit = cx.app.fit();
    let Some(reason) = fit
        .obstacle
        .as_deref()
        .filter(|_| fit.method != method)
        .or(method_menu::obstacle(cx.app, method))
    else {
        return;
    };
    ui.colored_label(Palette::of(ui).warning, reason);
    if fit.method != method {
        let said = format!("Meanwhile {} predicts", fit.method.title());
        ui.label(RichText::new(said).small().weak());
    }
}

fn sliders_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, method: Method) {
    let said = method_menu::hint(method);
    ui.label(RichText::new(capitalised(said)).small().weak());
    for parameter in method.parameters() {
        let Some(spec) = ParameterSpec::of(method, *parameter) else {
            continue;
        };
        let best = cx.app.fit().recommended;
        let best = best.map(|best| match parameter {
            Parameter::Alpha => best.0,
            Parameter::Beta => best.1,
            Parameter::Gamma => best.2,
        });
        let value = cx.app.parameter(*parameter);
        parameter_ui(ui, cx, &spec, value, best);
    }
    preset_line_ui(ui, cx);
}

/// Which preset the values come from, with what has no slider.
fn preset_line_ui(ui: &mut Ui, cx: &PanelContext<'_>) {
    let options = &cx.app.project().settings().options;
    let Some(preset) = options.preset.as_deref().and_then(Preset::named) else {
        return;
    };
    let mut parts = vec![format!("As for {}", preset.title)];
    parts.extend(
        options
            .channels
            .map(|channels| format!("{} channels", count(channels))),
    );
    parts.extend(
        options
            .w0
            .zip(options.w1)
            .map(|(w0, w1)| format!("weights {w0} and {w1}")),
    );
    parts.extend(options.epochs.map(|epochs| format!("{epochs} epochs")));
    ui.label(RichText::new(parts.join(", ")).small().weak());
}

fn tune_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, method: Method) {
    if method.parameters().is_empty() {
        return;
    }
    let fit = cx.app.fit();
    let is_searching = matches!(
        fit.validation,
        Some(ValidationView::Embedding(..) | ValidationView::Searching(..))
    );
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let is_weighed = !method.is_trained() || fit.recommended.is_some();
        let is_free = !fit.tuning && !is_searching && is_weighed;
        let has_classes = cx.app.project().classes().len() > 1;
        let can_validate = is_free && has_classes && !method.is_trained();
        let button = egui::Button::new("Tune on support set");
        let tune = ui
            .add_enabled(is_free && can_tune(cx), button)
            .on_hover_text("Finds the values with which each shot is best recognised by the others (leave-one-out)");
        if tune.clicked() {
            cx.push(Command::Tune);
        }
        let more = ui.add_enabled_ui(can_validate, |ui| {
            ui.menu_button("⌄", |ui| {
                if ui.button("On a validation folder…").on_hover_text("Photos in folders named like your classes; they stay outside the project").clicked() {
                    cx.request(Request::Ask(Ask::Validation));
                }
                if ui.button("Type the folder's path…").clicked() {
                    cx.request(Request::TypePath(Ask::Validation));
                }
            })
            .response
        });
        more.inner.accessible_name("More ways to tune");
        if fit.tuning && !method.is_trained() {
            ui.add(Spinner::new().size(16.0));
            ui.weak("tuning");
        }
    });
    validation_ui(ui, cx);
}

/// How a search on a validation folder stands, or what came of it.
fn validation_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(validation) = &cx.app.fit().validation else {
        return;
    };
    let said = match validation {
        ValidationView::Done(said) => {
            ui.label(RichText::new(said).small().weak());
            return;
        }
        ValidationView::Embedding(_, 0) => "Looking at the folder".to_owned(),
        ValidationView::Embedding(done, total) => {
            format!("Embedding {} of {}", count(*done), count(*total))
        }
        ValidationView::Searching(_, 0) => "Searching".to_owned(),
        ValidationView::Searching(done, total) => {
            format!(
                "Searching, {:.0} %",
                100.0 * *done as f64 / (*total).max(1) as f64
            )
        }
    };
    ui.horizontal(|ui| {
        ui.add(Spinner::new().size(14.0));
        ui.label(RichText::new(said).small());
        if ui.small_button("Cancel").clicked() {
            cx.push(Command::CancelTuning);
        }
    });
}

/// Leaving one out needs two shots in at least two classes.
fn can_tune(cx: &PanelContext<'_>) -> bool {
    let project = cx.app.project();
    let has_two = |class: &&crate::project::Class| project.shots(class.id).len() >= 2;
    project.classes().iter().filter(has_two).count() >= 2
}

/// The heat map, folded away until somebody asks for it.
fn surface_section_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let Some(surface) = cx.app.fit().surface.clone() else {
        return;
    };
    let is_validated = matches!(cx.app.fit().validation, Some(ValidationView::Done(_)));
    let title = if is_validated {
        "Accuracy on the validation photos"
    } else {
        "Accuracy over the parameters"
    };
    let title = RichText::new(title).small();
    CollapsingHeader::new(title)
        .id_salt("surface")
        .show_unindented(ui, |ui| surface_ui(ui, cx, &surface));
}

/// Zero-shot and method side by side, as "zero-shot 61 % → 84 %".
fn accuracy_ui(ui: &mut Ui, fit: &FitStatus) {
    const HINT: &str = "Share of your shots that the others recognise: each is left out once (leave-one-out). Photos of the pool are not used, so this stays an estimate";
    const HELD_OUT: &str = "Share of your shots that are recognised by the method trained on the others, in five folds; until that is known, of those that were kept out of training. Photos of the pool are not used, so this stays an estimate";
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
    let hint = if fit.method.is_trained() {
        HELD_OUT
    } else {
        HINT
    };
    response.union(bars).on_hover_text(hint);
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
    if settings.learn_from_labels {
        ui.indent("label limit", |ui| {
            label_limit_ui(ui, cx, settings.label_limit);
        });
    }
}

/// How many of the labelled photos join the shots.
fn label_limit_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, limit: LabelLimit) {
    const LIMITS: [LabelLimit; 5] = [
        LabelLimit::All,
        LabelLimit::Balanced,
        LabelLimit::PerClass(16),
        LabelLimit::PerClass(64),
        LabelLimit::PerClass(256),
    ];
    let title = |limit| match limit {
        LabelLimit::All => "all labels".to_owned(),
        LabelLimit::Balanced => "as many of each class".to_owned(),
        LabelLimit::PerClass(most) => format!("up to {most} a class"),
    };
    let mut chosen = limit;
    egui::ComboBox::from_id_salt("label limit")
        .width(150.0)
        .selected_text(title(limit))
        .show_ui(ui, |ui| {
            for choice in LIMITS {
                ui.selectable_value(&mut chosen, choice, title(choice));
            }
        })
        .response
        .accessible_name("How many labels to learn from")
        .on_hover_text(
            "Fewer keep a frequent class from outvoting a rare one, and very large pools fast",
        );
    if chosen != limit {
        cx.push(Command::SetLabelLimit(chosen));
    }
}

fn compare_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    if cx.app.project().classes().len() < 2 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let compare = ui
            .button("Compare methods…")
            .on_hover_text("All methods side by side, on the photos that you labelled");
        if compare.clicked() {
            cx.push(Command::ShowComparison(true));
        }
        let evaluate = ui
            .button("How good?…")
            .on_hover_text("Which classes are confused, how far the confidence can be trusted, and how the predictions get better as you label");
        if evaluate.clicked() {
            cx.push(Command::ShowEvaluation(true));
        }
    });
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_spelled_with_what_the_method_takes() {
        let preset = Preset::named("imagenet").unwrap();
        let said = spelled(Method::Ape, &preset.parameters(Method::Ape, 1024));
        assert_eq!(said, "α 2, β 1, γ 0.1, 500 channels");
        assert_eq!(capitalised("class names"), "Class names");
    }
}
