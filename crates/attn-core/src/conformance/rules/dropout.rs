//! Rule 6: which weights are dropped follows from seed and position alone.

use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::oracle::Problem;
use crate::conformance::subject::{Entry, Subject};
use crate::conformance::verdict::Verdict;
use crate::{DropoutMask, Mask};

/// Seeds over which [`unbiased`] averages.
const DRAWS: u64 = 16;

/// The oracle asks [`DropoutMask::keeps`], on the host, so that every device that passes drops the
/// same weights.
pub fn check(subject: &Subject, case: &Case) -> Verdict {
    for prob in [0.0, 0.1, 0.5, 0.9] {
        let dropout = Some(DropoutMask::new(prob, case.seed));
        let problem = Problem { dropout, ..case.problem() };
        let told = |error| format!("probability {prob}: {error}");
        subject.check_answer(&problem).map_err(told)?;
        subject.check_gradients(&problem, &case.cotangents()).map_err(told)?;
    }
    unbiased(subject, case)
}

/// Scaling what is kept by `1 / (1 - prob)` keeps the mean.
///
/// With equal scores and values of one, a context is the mean of the factors of its row, each 0 or 2
/// at probability 1/2. By Hoeffding's inequality (1963, theorem 2), the mean of `n` of them is more
/// than `t` away from 1 with a probability of at most `2 exp(-n t² / 2)`; here 10⁻⁹.
fn unbiased(subject: &Subject, case: &Case) -> Verdict {
    let pairs = case.sizes.pairs();
    let plain = Case { bias: None, sink: None, mask: Mask::open(), ..case.clone() }.problem();
    let query = Array::filled(plain.query.dims(), 0.0);
    let value = Array::filled(plain.value.dims(), 1.0);
    let plain = Problem { query, value, ..plain };
    let means = (0..DRAWS).map(|draw| {
        let dropout = Some(DropoutMask::new(0.5, case.seed.wrapping_add(draw)));
        let problem = Problem { dropout, ..plain.clone() };
        let context = subject.answer(&problem, Entry::Attend).context;
        let n = context.dims().iter().product::<usize>() as f64;
        context.iter().map(|(_, &x)| f64::from(x)).sum::<f64>() / n
    });
    let mean = means.sum::<f64>() / DRAWS as f64;
    let n = pairs.iter().product::<usize>() as f64 * DRAWS as f64;
    let tolerance = (2.0 * (2.0 / 1e-9_f64).ln() / n).sqrt() + 1e-5;
    if (mean - 1.0).abs() <= tolerance {
        Ok(())
    } else {
        Err(format!("the mean of {n} factors is {mean}, not 1 ± {tolerance:.1e}"))
    }
}
