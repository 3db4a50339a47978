//! Sentences that are made up: a small grammar of reviews.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::Review;

/// As many as are made up for a contest.
pub const SENTENCES: usize = 1000;

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

/// How many opinions are negated. With one half no word would say anything by itself, and a model
/// finds nothing to begin with.
const NEGATED: f64 = 0.4;

/// Sentences of the grammar, in which a word says little by itself about what is meant: a good word praises
/// unless it is negated, a bad one praises if it is, and of two opinions with "but" between them
/// the second counts.
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
    let (negated, good) = (rng.random_bool(NEGATED), rng.random());
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
    let (negated, good) = (rng.random_bool(NEGATED), rng.random());
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
    use crate::classification::NaiveBayes;

    /// By the rule, the best that a count of words can do is to be right where nothing is negated
    /// and there is no "but": a good deal less than the rule itself.
    #[test]
    fn words_alone_do_not_say_what_is_meant() {
        let reviews = sentences(3000, 3);
        let keys = |review: &Review| -> Vec<String> {
            super::super::words(&review.sentence).into_iter().map(|word| word.key).collect()
        };
        let all: Vec<(Vec<String>, bool)> =
            reviews.iter().map(|review| (keys(review), review.praise)).collect();
        let words: Vec<(Vec<&str>, bool)> = all
            .iter()
            .map(|(words, praise)| (words.iter().map(String::as_str).collect(), *praise))
            .collect();
        let (learning, others) = words.split_at(2500);
        let bayes = NaiveBayes::count(learning.iter().map(|(words, praise)| (&words[..], *praise)));
        let right = others.iter().filter(|(words, praise)| bayes.praises(words) == *praise).count();
        assert!((200..375).contains(&right), "{right} of 500");
    }

    #[test]
    fn a_seed_makes_the_same_sentences() {
        assert_eq!(sentences(30, 1), sentences(30, 1));
        assert_ne!(sentences(30, 1), sentences(30, 2));
    }
}
