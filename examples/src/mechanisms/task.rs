//! Associative recall with distractors: what was said of a thing, asked among other things.
//!
//! ```text
//! memory:  k7=v3  ~4  k2=v9  ~0  k5=v1  ~6  k1=v1  ~6     asked: k2 k1     answers: v9 v1
//! ```
//!
//! Half of the items bind a value to a key, and no key is bound twice. The others are distractors,
//! which bind nothing. Questions come in the order of what they ask for, so that a mechanism that
//! only moves on can answer them, too.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::rngs::StdRng;
use rand::seq::{SliceRandom, index};
use rand::{RngExt, SeedableRng};

/// Keys that can be bound.
pub const KEYS: usize = 64;
/// Kinds of distractors.
pub const DISTRACTORS: usize = 16;
/// Values that a key can be bound to.
pub const VALUES: usize = 16;
/// Questions of a memory.
pub const QUESTIONS: usize = 4;

/// Some memories of one length, with their questions.
#[derive(Clone, Debug)]
pub struct Recalls {
    /// Memories.
    pub batch: usize,
    /// Items of each.
    pub items: usize,
    /// Of each item: its key, or behind these its kind of distractor, `[batch, items]`.
    pub keys: Vec<i32>,
    /// Of each item: its value, or `VALUES` for none, `[batch, items]`.
    pub values: Vec<i32>,
    /// The keys that are asked, `[batch, QUESTIONS]`.
    pub asked: Vec<i32>,
    /// The values that were bound to them, `[batch, QUESTIONS]`.
    pub answers: Vec<u32>,
}

impl Recalls {
    /// Draws `batch` memories of `items` items.
    ///
    /// # Panics
    /// If `items` is odd, or binds fewer keys than are asked, or more than there are.
    pub fn draw(batch: usize, items: usize, seed: u64) -> Self {
        let bound = items / 2;
        assert!(
            items.is_multiple_of(2) && (QUESTIONS..=KEYS).contains(&bound),
            "{items} items: needs an even number, {} to {}",
            2 * QUESTIONS,
            2 * KEYS
        );
        let mut rng = StdRng::seed_from_u64(seed);
        let mut recalls = Self {
            batch,
            items,
            keys: Vec::with_capacity(batch * items),
            values: Vec::with_capacity(batch * items),
            asked: Vec::with_capacity(batch * QUESTIONS),
            answers: Vec::with_capacity(batch * QUESTIONS),
        };
        for _ in 0..batch {
            recalls.draw_one(&mut rng, items, bound);
        }
        recalls
    }

    fn draw_one(&mut self, rng: &mut StdRng, items: usize, bound: usize) {
        let mut memory: Vec<(i32, i32)> = index::sample(rng, KEYS, bound)
            .into_iter()
            .map(|key| (key as i32, rng.random_range(0..VALUES as i32)))
            .collect();
        memory.extend((bound..items).map(|_| {
            let kind = rng.random_range(0..DISTRACTORS as i32);
            (KEYS as i32 + kind, VALUES as i32)
        }));
        memory.shuffle(rng);
        let is_bound = |item: &&(i32, i32)| item.1 < VALUES as i32;
        let candidates: Vec<_> = memory.iter().filter(is_bound).copied().collect();
        let mut asked = index::sample(rng, bound, QUESTIONS).into_vec();
        asked.sort_unstable();
        for question in asked {
            let (key, value) = candidates[question];
            self.asked.push(key);
            self.answers.push(value as u32);
        }
        let (keys, values): (Vec<_>, Vec<_>) = memory.into_iter().unzip();
        self.keys.extend(keys);
        self.values.extend(values);
    }

    /// Keys and values of the items, `[batch, items]` each, and what is asked,
    /// `[batch, QUESTIONS]`.
    pub fn tensors(&self, device: &Device) -> [Tensor<2, Int>; 3] {
        let tensor = |ids: &[i32], width| {
            Tensor::from_data(TensorData::new(ids.to_vec(), [self.batch, width]), device)
        };
        [
            tensor(&self.keys, self.items),
            tensor(&self.values, self.items),
            tensor(&self.asked, QUESTIONS),
        ]
    }

    /// Names of the items of one memory, for a picture.
    pub fn item_names(&self, row: usize) -> Vec<String> {
        let items = row * self.items..(row + 1) * self.items;
        let name = |(&key, &value): (&i32, &i32)| match key as usize {
            key if key < KEYS => format!("k{key}=v{value}"),
            kind => format!("~{}", kind - KEYS),
        };
        self.keys[items.clone()].iter().zip(&self.values[items]).map(name).collect()
    }

    /// Names of the questions of one memory.
    pub fn question_names(&self, row: usize) -> Vec<String> {
        self.asked[row * QUESTIONS..][..QUESTIONS].iter().map(|key| format!("k{key}?")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_one_answer_and_they_come_in_order() {
        let recalls = Recalls::draw(20, 12, 3);
        for row in 0..20 {
            let keys = &recalls.keys[row * 12..][..12];
            let values = &recalls.values[row * 12..][..12];
            let mut before = None;
            for question in row * QUESTIONS..(row + 1) * QUESTIONS {
                let places: Vec<_> =
                    (0..12).filter(|&i| keys[i] == recalls.asked[question]).collect();
                let [place] = places[..] else { panic!("{places:?}") };
                assert_eq!(values[place] as u32, recalls.answers[question]);
                assert!(before.is_none_or(|before| before < place));
                before = Some(place);
            }
            assert_eq!(keys.iter().filter(|&&key| key as usize >= KEYS).count(), 6);
        }
        assert_eq!(Recalls::draw(20, 12, 3).keys, recalls.keys);
        assert_ne!(Recalls::draw(20, 12, 4).keys, recalls.keys);
    }

    #[test]
    #[should_panic(expected = "6 items: needs an even number, 8 to 128")]
    fn too_few_items_for_the_questions_are_refused() {
        Recalls::draw(1, 6, 0);
    }
}
