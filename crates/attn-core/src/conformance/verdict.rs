//! Whether what a device found is what the oracle expects.

use super::approx::Approx;
use super::array::Array;

/// Nothing to say, or what is wrong.
pub type Verdict = Result<(), String>;

/// Compares all elements; the first that is wrong is named.
pub fn compare(what: &str, found: &Array<f32>, expected: &Array<Approx>, epsilon: f64) -> Verdict {
    if found.dims() != expected.dims() {
        return Err(format!("{what} has shape {:?}, not {:?}", found.dims(), expected.dims()));
    }
    let mut wrong =
        expected.iter().filter(|(at, expected)| !expected.admits(found[*at].into(), epsilon));
    let Some((at, expected)) = wrong.next() else { return Ok(()) };
    Err(format!(
        "{what}{at:?} is {}, not {} ± {:.1e} (and {} more)",
        found[at],
        expected.value,
        expected.tolerance(epsilon),
        wrong.count()
    ))
}
