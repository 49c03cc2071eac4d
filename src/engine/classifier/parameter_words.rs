//! Parameters as JSON, in a classifier file's metadata.

use serde_json::{Value, json};

use crate::methods::Parameters;

/// All parameters; what the method has no use for is there as well.
pub(super) fn text(parameters: &Parameters) -> String {
    json!({
        "alpha": parameters.alpha, "beta": parameters.beta, "gamma": parameters.gamma,
        "channels": parameters.channels, "w0": parameters.w0, "w1": parameters.w1, "lambda": parameters.lambda,
        "prompts_per_class": parameters.num_prompts, "epochs": parameters.epochs, "lr": parameters.learning_rate,
        "seed": parameters.seed,
    })
    .to_string()
}

/// The same back; what is not said has its default.
pub(super) fn parse(text: &str) -> Result<Parameters, String> {
    let values: Value = serde_json::from_str(text)
        .map_err(|error| format!("its parameters are no JSON: {error}"))?;
    let defaults = Parameters::default();
    let float = |key: &str| values[key].as_f64().map(|number| number as f32);
    let count = |key: &str| values[key].as_u64().and_then(|n| usize::try_from(n).ok());
    Ok(Parameters {
        alpha: float("alpha").unwrap_or(defaults.alpha),
        beta: float("beta").unwrap_or(defaults.beta),
        gamma: float("gamma").unwrap_or(defaults.gamma),
        channels: count("channels"),
        w0: float("w0").unwrap_or(defaults.w0),
        w1: float("w1").unwrap_or(defaults.w1),
        lambda: float("lambda").unwrap_or(defaults.lambda),
        num_prompts: count("prompts_per_class"),
        epochs: count("epochs"),
        learning_rate: float("lr"),
        seed: values["seed"].as_u64().unwrap_or(defaults.seed),
        ..defaults
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lead_there_and_back() {
        let parameters = Parameters {
            alpha: 1.17,
            beta: 0.1,
            channels: Some(300),
            learning_rate: Some(1e-3),
            seed: 9,
            ..Parameters::default()
        };
        assert_eq!(parse(&text(&parameters)), Ok(parameters));
        assert_eq!(parse("{}"), Ok(Parameters::default()));
        assert!(parse("α = 1").unwrap_err().contains("JSON"));
    }
}
