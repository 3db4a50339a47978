//! Two curves beside what a perturbation does to one of them.

use super::Peer;

/// How many times what a perturbation does the difference may be.
pub const FACTOR: f64 = 4.0;

/// What the two means of a loss differ by in f32, as a part of it, before anything was trained: some
/// units in the last place.
pub const FLOOR: f64 = 8.0 * f32::EPSILON as f64;

/// What is allowed at each step, and what is.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Difference of the losses, one for each step.
    pub differences: Vec<f64>,
    /// What it may be.
    pub bounds: Vec<f64>,
}

impl Verdict {
    /// Of `losses` and those of `peer`.
    ///
    /// The bound at a step is of the largest that any perturbation has done so far: a difference of
    /// two curves passes through zero now and then.
    ///
    /// # Panics
    /// If the curves differ in length.
    pub fn new(losses: &[f64], peer: &Peer) -> Self {
        let lengths = peer.perturbed.iter().chain([&peer.losses]).map(Vec::len);
        assert!(lengths.into_iter().all(|steps| steps == losses.len()), "curves of one length");
        let mut largest = 0.0_f64;
        let mut verdict = Self { differences: Vec::new(), bounds: Vec::new() };
        for (step, (loss, theirs)) in losses.iter().zip(&peer.losses).enumerate() {
            for perturbed in &peer.perturbed {
                largest = largest.max((perturbed[step] - theirs).abs());
            }
            verdict.differences.push((loss - theirs).abs());
            verdict.bounds.push(FACTOR * largest + FLOOR * theirs.abs());
        }
        verdict
    }

    /// The step that comes closest to its bound or exceeds it most, from 0; `None` without steps.
    pub fn closest(&self) -> Option<usize> {
        let part = |&step: &usize| self.differences[step] / self.bounds[step];
        (0..self.bounds.len()).max_by(|a, b| part(a).total_cmp(&part(b)))
    }

    /// Whether every difference is within its bound; not if one is NaN.
    pub fn met(&self) -> bool {
        self.differences.iter().zip(&self.bounds).all(|(difference, bound)| difference <= bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        let perturbed = vec![vec![4.0, 3.5, 2.0], vec![4.0, 3.0, 1.75]];
        Peer { version: String::new(), losses: vec![4.0, 3.0, 2.0], perturbed }
    }

    #[test]
    fn the_bound_is_of_the_largest_that_a_perturbation_has_done_so_far() {
        let verdict = Verdict::new(&[4.0, 5.0, 4.0], &peer());
        assert_eq!(verdict.differences, [0.0, 2.0, 2.0]);
        assert_eq!(verdict.bounds[0], 4.0 * FLOOR);
        assert_eq!(verdict.bounds[2], FACTOR * 0.5 + 2.0 * FLOOR);
        assert!(verdict.met());
        assert_eq!(verdict.closest(), Some(2));
    }

    #[test]
    fn a_curve_that_leaves_its_bound_or_is_nan_is_refused() {
        assert!(!Verdict::new(&[4.0, 3.0, 4.1], &peer()).met());
        assert!(!Verdict::new(&[4.0, f64::NAN, 2.0], &peer()).met());
        assert!(!Verdict::new(&[4.0 + 1e-4, 3.0, 2.0], &peer()).met());
    }
}
