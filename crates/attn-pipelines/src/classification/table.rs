//! Numbers for people.

use super::comparison::SplitResult;

/// One line a model: mean and deviation over the splits.
pub fn table(outcomes: &[SplitResult]) -> String {
    let splits = outcomes.len();
    let mut text = format!(
        "right of test sentences, mean ± standard deviation over {splits} random split{} (in %)\n\n\
         | model | test | validation | epochs | seconds a split |\n|---|---|---|---|---|\n",
        if splits == 1 { "" } else { "s" }
    );
    let models = outcomes.first().map_or(0, |result| result.results.len());
    for model in 0..models {
        let results = || outcomes.iter().map(|result| &result.results[model]);
        let name = results().next().map_or("", |result| result.name.as_str());
        let percent = |values: Vec<f64>| {
            let (mean, deviation) = mean_and_deviation(&values);
            format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * deviation)
        };
        let or_dash = |values: Vec<f64>, write: &dyn Fn(Vec<f64>) -> String| {
            if values.is_empty() { "–".into() } else { write(values) }
        };
        let test = percent(results().map(|result| result.test).collect());
        let valid = or_dash(results().filter_map(|result| result.valid).collect(), &percent);
        let one = |values: Vec<f64>| format!("{:.1}", mean_and_deviation(&values).0);
        let epochs = results().filter_map(|result| result.epochs).map(|epochs| epochs as f64);
        let epochs = or_dash(epochs.collect(), &one);
        let seconds = one(results().map(|result| result.seconds).collect());
        text += &format!("| {name} | {test} | {valid} | {epochs} | {seconds} |\n");
    }
    text
}

/// The name of the model with the best mean validation over the splits, the baselines aside.
pub fn best_model(outcomes: &[SplitResult]) -> Option<&str> {
    let models = outcomes.first().map_or(0, |outcome| outcome.results.len());
    let of_model = |model: usize| -> Option<(f64, &str)> {
        let results: Vec<_> = outcomes.iter().map(|outcome| &outcome.results[model]).collect();
        // The baselines are not trained in passes.
        let trained = results.first().filter(|result| result.epochs.is_some())?;
        let shares: Vec<f64> = results.iter().filter_map(|result| result.valid).collect();
        Some((mean_and_deviation(&shares).0, &trained.name))
    };
    let best = (0..models).filter_map(of_model).max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, name)| name)
}

/// The mean, and the standard deviation of a sample; 0 of one value.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_by_hand() {
        assert_eq!(mean_and_deviation(&[2.0, 4.0, 6.0]), (4.0, 2.0));
        assert_eq!(mean_and_deviation(&[3.0]), (3.0, 0.0));
    }
}
