//! Rule 0: numbers, however large or small, stay numbers.

use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

/// Where softmax breaks first: no difference, below every epsilon, as usual, one key only, and
/// squares that overflow.
const FACTORS: [f64; 5] = [0.0, 1e-30, 1.0, 1e4, 1e30];

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let upstream = case.cotangents();
    for factor in FACTORS {
        let mut problem = case.problem();
        // One of them: products of two may leave what f32 can hold.
        let part = match case.seed % 3 {
            0 => &mut problem.query,
            1 => &mut problem.key,
            _ => &mut problem.value,
        };
        // Rounded to f32, because that is what the device is given.
        *part = Array::from_fn(part.dims(), |at| f64::from((part[at] * factor) as f32));
        let told = |error| format!("magnitude {factor:e}: {error}");
        subject.check_answer(&problem).map_err(told)?;
        subject.check_gradients(&problem, &upstream).map_err(told)?;
    }
    Ok(())
}
