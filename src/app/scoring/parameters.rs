//! The sliders: values in use, moves, defaults, and the other settings of the method.

use crate::app::{App, Parameter};
use crate::methods::presets::Preset;
use crate::methods::{Method, Parameters};
use crate::project::{Edit, MethodOptions, Settings};
use crate::worker::scoring_worker::ScoreJob;

use crate::engine::classifier::project::parameters_of;

impl App {
    /// The parameters in use: tuned, or as set.
    pub fn parameters(&self) -> Parameters {
        if self.fit.tuned {
            self.scoring.parameters
        } else {
            self.set_parameters()
        }
    }

    /// The parameters as set, whether or not they are tuned.
    pub(in crate::app) fn set_parameters(&self) -> Parameters {
        parameters_of(self.project().settings(), self.num_shots())
    }

    /// Shots of the class that has most.
    pub(in crate::app) fn num_shots(&self) -> usize {
        let project = self.project();
        let shots = project
            .classes()
            .iter()
            .map(|class| project.shots(class.id).len());
        shots.max().unwrap_or(0)
    }

    /// One of them, as its slider shows it.
    pub fn parameter(&self, parameter: Parameter) -> f64 {
        let Parameters {
            alpha, beta, gamma, ..
        } = self.parameters();
        f64::from(match parameter {
            Parameter::Alpha => alpha,
            Parameter::Beta => beta,
            Parameter::Gamma => gamma,
        })
    }

    /// The method in use.
    pub fn method(&self) -> Method {
        Method::from_name(&self.project().settings().method).unwrap_or_default()
    }

    pub(in crate::app) fn set_parameter(&mut self, parameter: Parameter, value: f64) {
        let now = self.parameters();
        let mut settings = self.project().settings().clone();
        let published = Parameters::published(self.method(), self.num_shots());
        take_over(&mut settings, &now, &published);
        match parameter {
            Parameter::Alpha => settings.alpha = value,
            Parameter::Beta => settings.beta = value,
            Parameter::Gamma => settings.gamma = value,
        }
        // A slider needs no new fit: what was fitted is only weighed anew.
        let was_dirty = self.scoring.is_dirty;
        if !self.perform(Edit::SetSettings(settings)) {
            return;
        }
        (self.fit.tuned, self.fit.validation) = (false, None);
        self.scoring.is_dirty = was_dirty;
        self.scoring.is_dragging = true;
        self.scoring.parameters = self.set_parameters();
        if self.scoring.is_fitting {
            // The fit under way tunes or weighs with what was set before it; another follows.
            self.scoring.is_dirty = true;
            self.scoring.fit_cancel.cancel();
        } else {
            self.scoring.generation = self.scoring.generation.next();
            let (generation, parameters) = (self.scoring.generation, self.scoring.parameters);
            self.submit_scoring(ScoreJob::Predict {
                generation,
                parameters,
            });
        }
        self.inspect();
    }

    /// The slider was let go: accuracy and confidence follow with a fit, and the gallery's order with the predictions.
    pub(in crate::app) fn release_parameter(&mut self) {
        self.project.end_gesture();
        self.scoring.is_dragging = false;
        self.scoring.mark_dirty();
        self.refresh_gallery();
    }

    pub(in crate::app) fn reset_parameter(&mut self, parameter: Parameter) {
        let method = self.method();
        if method.parameters().contains(&parameter) {
            let published = Parameters::published(method, self.num_shots());
            self.set_parameter(parameter, exact(published.value(parameter)));
            self.release_parameter();
        }
    }

    /// Changes method, adapter or switches; the method is refitted.
    pub(in crate::app) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.project().settings().clone();
        change(&mut settings);
        if settings != *self.project().settings() && self.perform(Edit::SetSettings(settings)) {
            // A search of seconds for what is not wanted any more would hold up what is.
            self.scoring.fit_cancel.cancel();
            self.follow_settings();
        }
    }

    /// Another method; values that mean nothing to it go back to its defaults, to be tuned.
    pub(in crate::app) fn choose_method(&mut self, name: String) {
        let (before, after) = (self.method(), Method::from_name(&name).unwrap_or_default());
        let published = Parameters::published(after, self.num_shots());
        self.fit.validation = None;
        self.change_settings(|settings| {
            settings.method = name;
            let is_same = before.without_adapter() == after.without_adapter();
            if is_same || after.parameters().is_empty() {
                return;
            }
            settings.alpha = exact(published.alpha);
            settings.beta = exact(published.beta);
            settings.gamma = exact(published.gamma);
            settings.options = MethodOptions::default();
            settings.auto_tuned = true;
        });
    }

    /// Takes the values that a method's authors have for a data set; they are set, not tuned.
    pub(in crate::app) fn use_preset(&mut self, name: &str) {
        let Some(preset) = Preset::named(name) else {
            return;
        };
        let values = preset.parameters(self.method(), self.feature_dim());
        let defaults = Parameters::default();
        let is_own =
            |value: f32, default: f32| (value.to_bits() != default.to_bits()).then_some(value);
        self.fit.tuned = false;
        self.project.end_gesture();
        self.change_settings(|settings| {
            settings.alpha = exact(values.alpha);
            settings.beta = exact(values.beta);
            settings.gamma = exact(values.gamma);
            settings.auto_tuned = false;
            settings.options = MethodOptions {
                channels: values.channels,
                w0: is_own(values.w0, defaults.w0).or(values.channels.map(|_| values.w0)),
                w1: is_own(values.w1, defaults.w1).or(values.channels.map(|_| values.w1)),
                lambda: is_own(values.lambda, defaults.lambda),
                num_prompts: values.num_prompts,
                epochs: values.epochs,
                learning_rate: values.learning_rate,
                preset: Some(name.to_owned()),
            };
        });
        self.scoring.parameters = self.set_parameters();
        self.inspect();
    }

    /// Numbers in a feature of the model in use.
    pub fn feature_dim(&self) -> usize {
        let lesson = self.scoring.lesson.as_ref();
        lesson.map_or(1024, |lesson| lesson.text.dim())
    }

    /// Sets a point of the heat map, as a click on it does.
    pub(in crate::app) fn set_point(&mut self, alpha: f64, beta: f64, third: Option<f64>) {
        let mut values = self.parameters();
        (values.alpha, values.beta) = (alpha as f32, beta as f32);
        match (third, self.method()) {
            (Some(lambda), Method::ProKeR | Method::ProKeRPp) => values.lambda = lambda as f32,
            (Some(gamma), _) => values.gamma = gamma as f32,
            (None, _) => {}
        }
        self.set_all(&values);
    }

    /// Sets all values that a search or a click chose together; they are set, not tuned.
    pub(in crate::app) fn set_all(&mut self, values: &Parameters) {
        self.project.end_gesture();
        (self.fit.tuned, self.fit.validation) = (false, None);
        let published = Parameters::published(self.method(), self.num_shots());
        self.change_settings(|settings| take_over(settings, values, &published));
        self.scoring.parameters = self.set_parameters();
        self.inspect();
    }
}

/// The shortest decimals of a value, not what they are nearest to in 32 bits: 1.17 stays 1.17.
fn exact(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Makes these values those of the settings.
fn take_over(settings: &mut Settings, values: &Parameters, published: &Parameters) {
    settings.alpha = exact(values.alpha);
    settings.beta = exact(values.beta);
    settings.gamma = exact(values.gamma);
    settings.auto_tuned = false;
    // What tuning found for what has no slider.
    let is_published = values.lambda.to_bits() == published.lambda.to_bits();
    settings.options.lambda = (!is_published).then_some(values.lambda);
    settings.options.num_prompts = values.num_prompts;
}
