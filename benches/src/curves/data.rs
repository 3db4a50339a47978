//! Batches that can be learned from: each row counts, by a step of its own, around the vocabulary.

use crate::setting::{Batch, Setting};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// By how much a row may count.
const STRIDES: std::ops::RangeInclusive<u32> = 1..=8;

/// `count` batches of fresh rows.
pub fn batches(setting: &Setting, count: usize) -> Vec<Batch> {
    let mut rng = StdRng::seed_from_u64(0);
    (0..count).map(|_| batch(setting, &mut rng)).collect()
}

fn batch(setting: &Setting, rng: &mut StdRng) -> Batch {
    let Setting { batch: rows, steps, .. } = *setting;
    let vocabulary = setting.vocabulary as u32;
    let mut all = Batch { rows, source: None, ids: Vec::new(), next: Vec::new() };
    for _ in 0..rows {
        let (start, stride) = (rng.random_range(0..vocabulary), rng.random_range(STRIDES));
        let at = |step: usize| (start + step as u32 * stride) % vocabulary;
        all.ids.extend((0..steps).map(at));
        all.next.extend((1..=steps).map(at));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::SETTING;

    #[test]
    fn what_follows_a_token_is_the_next_of_its_row() {
        let setting = Setting { batch: 2, steps: 5, ..SETTING };
        for Batch { ids, next, .. } in batches(&setting, 3) {
            assert_eq!((ids.len(), next.len()), (10, 10));
            for (ids, next) in ids.chunks(5).zip(next.chunks(5)) {
                assert_eq!(ids[1..], next[..4]);
            }
        }
    }
}
