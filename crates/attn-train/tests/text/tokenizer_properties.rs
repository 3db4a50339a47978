//! What every tokenizer keeps of a text, and that training gives the same one every time.

use attn_train::StopSignal;
use attn_train::tokenizer::{
    BOS, EOS, PAD, SPECIALS, Tokenizer, TokenizerError, TokenizerKind, UNK,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokenizers::normalizers::NFC;
use tokenizers::{NormalizedString, Normalizer};

const TEXTS: [&str; 6] = [
    "The cat sat on the mat.",
    "Le chat s'est assis sur le tapis — là-bas, à Noël !",
    "the the the then there other others",
    "3.14 costs 10€; \"quoted\" (and) more...",
    "日本語のテキスト と русский текст",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z A B C",
];

const KINDS: [TokenizerKind; 4] = [
    TokenizerKind::Characters,
    TokenizerKind::FrequentCharacters { vocab_size: 1000 },
    TokenizerKind::Words { vocab_size: 1000 },
    TokenizerKind::Bpe { vocab_size: 300 },
];

fn trained(kind: TokenizerKind) -> Tokenizer {
    Tokenizer::train(kind, TEXTS).unwrap()
}

#[test]
fn decoding_gives_the_training_text_back() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        for text in TEXTS {
            let ids = tokenizer.encode(text).unwrap();
            assert!(!ids.contains(&UNK), "{kind:?}: {text}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{kind:?}");
        }
    }
}

#[test]
fn a_vocabulary_begins_with_the_special_tokens() {
    for kind in KINDS {
        let labels = trained(kind).labels(&[PAD, BOS, EOS, UNK]).unwrap();
        assert_eq!(labels, SPECIALS, "{kind:?}");
    }
}

#[test]
fn every_id_below_the_vocabulary_size_is_a_token_and_no_other() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        let vocab_size = tokenizer.vocab_size();
        let ids: Vec<u32> = (0..vocab_size as u32).collect();
        assert_eq!(tokenizer.labels(&ids).unwrap().len(), vocab_size, "{kind:?}");
        for error in [
            tokenizer.decode(&[5, vocab_size as u32]).unwrap_err(),
            tokenizer.labels(&[vocab_size as u32]).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!("token id {vocab_size} is not in a vocabulary of {vocab_size} tokens")
            );
        }
    }
}

#[test]
fn special_tokens_are_never_read_from_text() {
    for kind in KINDS {
        let tokenizer = Tokenizer::train(kind, ["<pad> <s> </s> <unk>"]).unwrap();
        let text = "</s><unk>";
        let ids = tokenizer.encode(text).unwrap();
        assert!(ids.iter().all(|id| ![PAD, BOS, EOS].contains(id)), "{kind:?}: {ids:?}");
        if !matches!(kind, TokenizerKind::Words { .. }) {
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{kind:?}");
        }
    }
}

#[test]
fn decoding_leaves_out_padding_and_both_ends() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        let mut ids = vec![BOS];
        ids.extend(tokenizer.encode("the cat").unwrap());
        ids.extend([EOS, PAD, PAD]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "the cat", "{kind:?}");
    }
}

#[test]
fn what_is_unknown_shows_when_decoded() {
    let characters = trained(TokenizerKind::Characters);
    let ids = characters.encode("a ☃☃!").unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == UNK).count(), 2);
    assert_eq!(characters.decode(&ids).unwrap(), "a <unk><unk>!");

    let words = trained(TokenizerKind::Words { vocab_size: 1000 });
    let ids = words.encode("the snowman sat.").unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == UNK).count(), 1);
    assert_eq!(words.decode(&ids).unwrap(), "the <unk> sat.");
}

#[test]
fn the_most_frequent_words_are_kept() {
    let texts = ["b a c.", "a b. c d", "b c."];
    let tokenizer = Tokenizer::train(TokenizerKind::Words { vocab_size: 8 }, texts).unwrap();
    // Punctuation is as good as words; equally frequent ones come in the order of their letters.
    assert_eq!(tokenizer.labels(&[4, 5, 6, 7]).unwrap(), [".", "▁b", "▁c", "▁a"]);
    assert_eq!(tokenizer.vocab_size(), 8);
}

#[test]
fn byte_pairs_are_merged_and_stay_within_the_vocabulary() {
    let bytes = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 260 }, TEXTS).unwrap();
    let merged = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 271 }, TEXTS).unwrap();
    assert_eq!((bytes.vocab_size(), merged.vocab_size()), (260, 271));
    let text = "the other cat";
    assert_eq!(bytes.encode(text).unwrap().len(), text.len());
    assert!(merged.encode(text).unwrap().len() < text.len());
}

#[test]
fn labels_can_be_read_and_told_apart() {
    let characters = Tokenizer::train(TokenizerKind::Characters, ["a b\n\"\\é"]).unwrap();
    let ids = characters.encode("a b\n\"\\é").unwrap();
    assert_eq!(characters.labels(&ids).unwrap(), ["a", "▁", "b", r"\n", "\"", r"\", "é"]);

    let bytes = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 260 }, ["x"]).unwrap();
    let ids = bytes.encode("a é\u{ad}").unwrap();
    assert_eq!(bytes.labels(&ids).unwrap(), ["a", "▁", "⟨c3⟩", "⟨a9⟩", "⟨c2⟩", "⟨ad⟩"]);

    let pairs =
        Tokenizer::train(TokenizerKind::Bpe { vocab_size: 270 }, ["é é é", "the the"]).unwrap();
    let ids = pairs.encode("the é").unwrap();
    assert_eq!(pairs.labels(&ids).unwrap(), ["the", "▁é"]);
}

#[test]
fn the_bytes_of_a_byte_level_vocabulary_are_all_different() {
    let tokenizer = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 260 }, ["x"]).unwrap();
    let mut labels = tokenizer.labels(&(4..260).collect::<Vec<_>>()).unwrap();
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 256);
}

#[test]
fn training_without_text_is_refused() {
    for kind in KINDS {
        for texts in [vec![], vec!["", ""]] {
            let error = Tokenizer::train(kind, texts).unwrap_err();
            assert!(matches!(error, TokenizerError::NoText), "{error}");
        }
    }
}

#[test]
fn a_vocabulary_too_small_is_refused_with_what_it_needs() {
    for (kind, needed) in [
        (TokenizerKind::Words { vocab_size: 4 }, 5),
        (TokenizerKind::FrequentCharacters { vocab_size: 4 }, 5),
        (TokenizerKind::Bpe { vocab_size: 259 }, 260),
    ] {
        let error = Tokenizer::train(kind, TEXTS).unwrap_err();
        assert!(
            matches!(error, TokenizerError::VocabularyTooSmall { needed: n, .. } if n == needed),
            "{error}"
        );
    }
}

/// The limit itself is no error, and takes no memory for what the text does not fill.
#[test]
fn a_vocabulary_too_large_is_refused_with_the_limit() {
    let kinds = [
        |vocab_size| TokenizerKind::Words { vocab_size },
        |vocab_size| TokenizerKind::FrequentCharacters { vocab_size },
        |vocab_size| TokenizerKind::Bpe { vocab_size },
    ];
    for kind in kinds {
        for vocab_size in [(1 << 22) + 1, 1_000_000_000, usize::MAX] {
            let error = Tokenizer::train(kind(vocab_size), TEXTS).unwrap_err();
            assert!(matches!(error, TokenizerError::VocabularyTooLarge { .. }), "{error}");
            let said = format!("vocab_size = {vocab_size} is too large: at most 4194304");
            assert!(error.to_string().starts_with(&said), "{error}");
        }
        assert!(Tokenizer::train(kind(1 << 22), TEXTS).unwrap().vocab_size() < 1000);
    }
}

#[test]
fn the_most_frequent_characters_are_kept() {
    let kind = TokenizerKind::FrequentCharacters { vocab_size: 6 };
    let tokenizer = Tokenizer::train(kind, ["abcb", "cbd"]).unwrap();
    assert_eq!(tokenizer.vocab_size(), 6);
    assert_eq!(tokenizer.labels(&[4, 5]).unwrap(), ["b", "c"]);
    assert_eq!(tokenizer.encode("abcd").unwrap(), [UNK, 4, 5, UNK]);
}

/// An accent is typed as one character or as two, and files have both.
#[test]
fn composed_and_decomposed_text_is_the_same_text() {
    let (composed, decomposed) = ("déjà là, ñ", "de\u{301}ja\u{300} la\u{300}, n\u{303}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for kind in KINDS {
        let tokenizer = Tokenizer::train(kind, [composed]).unwrap();
        tokenizer.save(&path).unwrap();
        let of_decomposed = Tokenizer::train(kind, [decomposed]).unwrap();
        for tokenizer in [tokenizer, Tokenizer::load(&path).unwrap(), of_decomposed] {
            let ids = tokenizer.encode(composed).unwrap();
            assert!(!ids.contains(&UNK), "{kind:?}");
            assert_eq!(tokenizer.encode(decomposed).unwrap(), ids, "{kind:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), composed, "{kind:?}");
        }
    }
}

/// Other libraries mark a space with it.
#[test]
fn the_mark_of_a_space_in_a_text_is_no_space() {
    for text in ["▁a b▁ c▁d ▁", "▁"] {
        for kind in KINDS {
            let tokenizer = Tokenizer::train(kind, [text]).unwrap();
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{kind:?}");
        }
    }
}

#[test]
fn training_ends_when_it_is_told_to() {
    let stop = StopSignal::new();
    for kind in KINDS {
        assert!(Tokenizer::train_with_stop(kind, TEXTS, &stop).is_ok(), "{kind:?}");
    }
    // Meanwhile: with the last text.
    for kind in KINDS {
        let stop = StopSignal::new();
        let texts = TEXTS.iter().chain([&"last"]).inspect(|text| {
            if **text == "last" {
                stop.stop();
            }
        });
        let error = Tokenizer::train_with_stop(kind, texts.collect::<Vec<_>>(), &stop).unwrap_err();
        assert!(matches!(error, TokenizerError::Stopped(_)), "{kind:?}: {error}");
    }
}

/// With a word of 100 000 letters: its length alone says that it has no few tokens, and no token is
/// longer than 256 bytes, whatever is learned from it.
#[test]
fn a_line_without_blanks_is_cut_into_words() {
    let mut random = StdRng::seed_from_u64(7);
    let line: String = (0..100_000).map(|_| random.random_range('a'..='z')).collect();
    let kind = TokenizerKind::Bpe { vocab_size: 1000 };
    assert_eq!(kind.fewest_tokens([&*line, "a b", ""]).unwrap(), [391, 2, 0]);
    let texts = [&line, &line[..70_000]];
    let tokenizer = Tokenizer::train(kind, texts).unwrap();
    assert_eq!(tokenizer.vocab_size(), 1000);
    let labels = tokenizer.labels(&(4..1000).collect::<Vec<_>>()).unwrap();
    assert!(labels.iter().all(|label| label.len() <= 256));
    let ids = tokenizer.encode(&line).unwrap();
    assert!(ids.len() >= 391);
    assert_eq!(tokenizer.decode(&ids).unwrap(), line);
}

#[test]
fn a_kind_is_written_in_configs_by_its_name() {
    let json = r#"{"bpe":{"vocab_size":8000}}"#;
    let kind: TokenizerKind = serde_json::from_str(json).unwrap();
    assert_eq!(kind, TokenizerKind::Bpe { vocab_size: 8000 });
    assert_eq!(serde_json::to_string(&kind).unwrap(), json);
    assert_eq!(serde_json::to_string(&TokenizerKind::Characters).unwrap(), r#""characters""#);
}

/// Random words of few letters, so that many pairs are equally frequent and ties must be broken.
fn many_ties() -> Vec<String> {
    let mut random = StdRng::seed_from_u64(5);
    let mut word = || -> String {
        (0..random.random_range(1..9)).map(|_| random.random_range('a'..='f')).collect()
    };
    (0..400).map(|_| (0..6).map(|_| word()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn training_again_gives_the_same_file() {
    let texts = many_ties();
    let folder = tempfile::tempdir().unwrap();
    for kind in [
        TokenizerKind::Characters,
        TokenizerKind::FrequentCharacters { vocab_size: 9 },
        TokenizerKind::Words { vocab_size: 700 },
        TokenizerKind::Bpe { vocab_size: 700 },
    ] {
        let file = |name: &str| {
            let path = folder.path().join(name);
            Tokenizer::train(kind, &texts).unwrap().save(&path).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        let first = file("first.json");
        // Hash maps inside the trainer take another order each time.
        for _ in 0..4 {
            assert!(file("again.json") == first, "{kind:?}");
        }
    }
}

proptest! {
    #[test]
    fn byte_pairs_give_back_every_composed_text(text in any::<String>()) {
        let tokenizer = Tokenizer::train(TokenizerKind::Bpe { vocab_size: 280 }, TEXTS).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert!(!ids.contains(&UNK));
        let mut composed = NormalizedString::from(text);
        NFC.normalize(&mut composed).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), composed.get());
    }

    #[test]
    fn no_text_has_fewer_tokens_than_the_fewest(text in "[a-c ,é\u{301}]{0,30}|x{500,600}") {
        for kind in KINDS {
            let tokens = trained(kind).encode(&text).unwrap().len();
            let fewest = kind.fewest_tokens([&*text]).unwrap()[0];
            match kind {
                TokenizerKind::Bpe { .. } => prop_assert!(fewest <= tokens),
                _ => prop_assert_eq!(fewest, tokens),
            }
        }
    }

    #[test]
    fn known_characters_are_given_back(text in "[a-zA-C à-]{0,30}") {
        let tokenizer = trained(TokenizerKind::Characters);
        let known: String = text.chars().filter(|c| TEXTS.concat().contains(*c)).collect();
        let ids = tokenizer.encode(&known).unwrap();
        prop_assert_eq!(ids.len(), known.chars().count());
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), known);
    }

    #[test]
    fn characters_are_composed(base in "[a-z]{1,9}") {
        // e + combining acute is é, one token.
        let tokenizer = Tokenizer::train(TokenizerKind::Characters, ["é", &base]).unwrap();
        let ids = tokenizer.encode(&format!("{base}e\u{301}")).unwrap();
        prop_assert_eq!(ids.len(), base.len() + 1);
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), format!("{base}é"));
    }

    #[test]
    fn known_words_are_given_back_with_single_spaces(
        words in prop::collection::vec("[a-zé]{1,4}[,.!')(]{0,2}", 1..8),
        spaces in prop::collection::vec("[ \t\n\u{a0}]{1,3}", 8),
    ) {
        let text = words.join(" ");
        let tokenizer =
            Tokenizer::train(TokenizerKind::Words { vocab_size: 1000 }, [&text]).unwrap();
        let spaced: String = words.iter().zip(&spaces).map(|(w, s)| format!("{s}{w}")).collect();
        for input in [&text, &spaced] {
            let ids = tokenizer.encode(input).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text.as_str());
        }
    }

    #[test]
    fn any_text_has_ids_and_labels(text in any::<String>()) {
        for kind in KINDS {
            let tokenizer = trained(kind);
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.labels(&ids).unwrap().len(), ids.len());
            tokenizer.decode(&ids).unwrap();
        }
    }
}
