//! Sentences that are made up: a small grammar of reviews.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::Review;

/// As many as are made up for a contest.
pub(super) const SENTENCES: usize = 1000;

const THINGS: [&str; 12] = [
    "battery", "screen", "headset", "charger", "soup", "service", "waiter", "pizza", "plot",
    "music", "camera", "keyboard",
];
const GOOD: [&str; 8] =
    ["good", "great", "excellent", "lovely", "reliable", "delicious", "brilliant", "pleasant"];
const BAD: [&str; 8] =
    ["bad", "awful", "terrible", "poor", "useless", "horrible", "dull", "disappointing"];
const DEGREES: [&str; 5] = ["", "very ", "really ", "so ", "quite "];
const ENDS: [&str; 3] = [".", "!", " ."];

/// Sentences of the grammar, half of them negated, so that no word says by itself what is meant: a
/// good word praises unless it is negated, a bad one praises if it is, and of two opinions with
/// "but" between them the second counts.
pub fn sentences(number: usize, seed: u64) -> Vec<Review> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..number).map(|_| sentence(&mut rng)).collect()
}

fn sentence(rng: &mut StdRng) -> Review {
    let (mut sentence, praise) = match rng.random_range(0..4) {
        0 => {
            let (first, _) = opinion(rng);
            let (second, praise) = opinion(rng);
            (format!("{first} but {second}"), praise)
        }
        1 => recommendation(rng),
        _ => opinion(rng),
    };
    if let Some(first) = sentence.get(..1) {
        let first = first.to_uppercase();
        sentence.replace_range(..1, &first);
    }
    Review { sentence: sentence + pick(&ENDS, rng), praise }
}

/// `the soup was not very good`
fn opinion(rng: &mut StdRng) -> (String, bool) {
    let (negated, good) = (rng.random(), rng.random());
    let (thing, degree) = (pick(&THINGS, rng), pick(&DEGREES, rng));
    let word = pick(if good { &GOOD } else { &BAD }, rng);
    let verb = if negated {
        pick(&["was not", "wasn't", "is not", "is never"], rng)
    } else {
        pick(&["was", "is", "is always"], rng)
    };
    (format!("the {thing} {verb} {degree}{word}"), good != negated)
}

/// `I would not call this soup good`
fn recommendation(rng: &mut StdRng) -> (String, bool) {
    let (negated, good) = (rng.random(), rng.random());
    let thing = pick(&THINGS, rng);
    let word = pick(if good { &GOOD } else { &BAD }, rng);
    let verb = if negated {
        pick(&["would not call", "cannot call", "don't find"], rng)
    } else {
        pick(&["would call", "can only call", "find"], rng)
    };
    (format!("I {verb} this {thing} {word}"), good != negated)
}

fn pick<'a>(words: &[&'a str], rng: &mut StdRng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_word_says_what_is_meant() {
        let reviews = sentences(4000, 3);
        let mut counts: HashMap<String, [f64; 2]> = HashMap::new();
        for review in &reviews {
            for word in super::super::words(&review.sentence) {
                counts.entry(word.key).or_default()[usize::from(review.praise)] += 1.0;
            }
        }
        for (word, [against, praise]) in counts {
            // Five standard deviations of a fair coin.
            let total = against + praise;
            assert!((praise - against).abs() < 5.0 * total.sqrt(), "{word}: {praise} of {total}");
        }
    }

    #[test]
    fn a_seed_makes_the_same_sentences() {
        assert_eq!(sentences(30, 1), sentences(30, 1));
        assert_ne!(sentences(30, 1), sentences(30, 2));
    }
}
