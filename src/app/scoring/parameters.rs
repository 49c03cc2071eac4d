//! The sliders: values in use, moves, defaults, and the other settings of the method.

use crate::app::{App, Parameter};
use crate::methods::{Method, Parameters};
use crate::project::{Edit, Settings};
use crate::worker::scoring_worker::ScoreJob;

use super::parameters_of;

impl App {
    /// The parameters in use: tuned, or as set.
    pub fn parameters(&self) -> Parameters {
        if self.fit.tuned {
            self.scoring.parameters
        } else {
            parameters_of(self.project().settings())
        }
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
        let mut settings = Settings {
            alpha: f64::from(now.alpha),
            beta: f64::from(now.beta),
            gamma: f64::from(now.gamma),
            auto_tuned: false,
            ..self.project().settings().clone()
        };
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
        self.scoring.parameters = parameters_of(self.project().settings());
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
        if let Some(range) = self.method().range(parameter) {
            self.set_parameter(parameter, f64::from(range.default));
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
        self.fit.validation = None;
        self.change_settings(|settings| {
            settings.method = name;
            if before.parameters() == after.parameters() {
                return;
            }
            let default = |parameter, value: &mut f64| {
                if let Some(range) = after.range(parameter) {
                    *value = f64::from(range.default);
                }
            };
            default(Parameter::Alpha, &mut settings.alpha);
            default(Parameter::Beta, &mut settings.beta);
            default(Parameter::Gamma, &mut settings.gamma);
            settings.auto_tuned = true;
        });
    }

    /// Sets α and β together, as a click on the heat map does.
    pub(in crate::app) fn set_both(&mut self, alpha: f64, beta: f64, gamma: Option<f64>) {
        self.project.end_gesture();
        let gamma = gamma.unwrap_or_else(|| self.parameter(Parameter::Gamma));
        self.fit.tuned = false;
        self.change_settings(|settings| {
            (settings.alpha, settings.beta, settings.gamma) = (alpha, beta, gamma);
            settings.auto_tuned = false;
        });
        self.scoring.parameters = parameters_of(self.project().settings());
        self.inspect();
    }
}
