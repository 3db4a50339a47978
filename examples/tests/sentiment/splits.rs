//! Data, and how it is split.

use std::fs;

use attn_pipelines::classification::{
    Parts, Review, made_up_reviews as sentences, read_reviews as read,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Whatever is in a sentence: tabs, line ends of other systems, quotes.
#[test]
fn sentences_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let pieces =
        ["a", "Ü", "\t", "\u{85}", "\u{2028}", "\"", "<", "not", "日本", " ", "\u{feff}", "'"];
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut review = || {
            let length = rng.random_range(0..9);
            let middle: String =
                (0..length).map(|_| pieces[rng.random_range(0..pieces.len())]).collect();
            Review { sentence: format!("x{middle}y"), praise: rng.random() }
        };
        let reviews: Vec<Review> = (0..13).map(|_| review()).collect();
        let end = if seed % 2 == 0 { "\n" } else { "\r\n" };
        let line =
            |review: &Review| format!("{}\t{}{end}", review.sentence, u8::from(review.praise));
        let files = [folder.path().join("one.tsv"), folder.path().join("two.tsv")];
        for (file, part) in files.iter().zip(reviews.chunks(8)) {
            fs::write(file, part.iter().map(line).collect::<String>()).unwrap();
        }
        assert_eq!(read(&files).unwrap(), reviews);
    }
}

#[test]
fn every_sentence_is_in_one_part() {
    for sentences in [20, 21, 57, 400, 2003] {
        for split in 0..5 {
            let parts = Parts::draw(sentences, split, 9);
            assert_eq!(parts.test.len(), sentences.div_ceil(5));
            let mut all = [parts.learning(), parts.test.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..sentences).collect::<Vec<_>>());
            assert!(parts.valid.len().abs_diff(parts.learning().len() / 8) <= 1);
            assert!(!parts.train.is_empty() && !parts.valid.is_empty());
        }
    }
}

#[test]
fn splits_follow_from_seed_and_number() {
    let draw = |split, seed| Parts::draw(50, split, seed);
    assert_eq!(draw(2, 7), draw(2, 7));
    assert_ne!(draw(2, 7), draw(3, 7));
    assert_ne!(draw(2, 7), draw(2, 8));
}

#[test]
fn made_up_sentences_have_both_labels() {
    let praise = sentences(500, 4).iter().filter(|review| review.praise).count();
    // Five standard deviations of a fair coin.
    assert!(praise.abs_diff(250) < 56, "{praise}");
}
