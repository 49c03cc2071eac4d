//! Few-shot draws against Python's own, made by `tests/data/sampling/make_sampling.py`.

use std::path::Path;

use serde_json::Value;
use shotlens::support::split::draw_few_shot;

fn numbers(value: &Value) -> Vec<usize> {
    let numbers = value.as_array().unwrap().iter();
    numbers
        .map(|number| number.as_u64().unwrap() as usize)
        .collect()
}

#[test]
fn few_shot_draws_are_those_of_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sampling/draws.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let draws = golden["draws"].as_array().unwrap();
    assert_eq!(draws.len(), 144);
    for draw in draws {
        let labels = numbers(&golden["lists"][draw["list"].as_str().unwrap()]);
        let shots = draw["shots"].as_u64().unwrap() as usize;
        let seed = draw["seed"].as_u64().unwrap();
        assert_eq!(
            draw_few_shot(&labels, shots, seed),
            numbers(&draw["drawn"]),
            "{} with seed {seed} and {shots} shots",
            draw["list"]
        );
    }
}
