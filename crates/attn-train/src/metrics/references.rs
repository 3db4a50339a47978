//! What translations are compared with.

use std::fmt;

/// How many references each sentence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CountOfReferences {
    Equal(usize),
    Varied,
}

impl CountOfReferences {
    /// # Panics
    /// If there is not one list of references for each hypothesis, or one of them is empty.
    pub(super) fn of<R>(hypotheses: usize, references: &[Vec<R>]) -> Self {
        let lists = references.len();
        assert!(hypotheses == lists, "{hypotheses} hypotheses but {lists} references");
        if let Some(sentence) = references.iter().position(Vec::is_empty) {
            panic!("sentence {sentence} has no reference");
        }
        let count = references.first().map_or(1, Vec::len);
        let equal = references.iter().all(|list| list.len() == count);
        if equal { Self::Equal(count) } else { Self::Varied }
    }
}

impl fmt::Display for CountOfReferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(count) => count.fmt(f),
            Self::Varied => f.write_str("var"),
        }
    }
}

/// One reference for each sentence.
pub(super) fn single<R: AsRef<str>>(references: &[R]) -> Vec<Vec<&str>> {
    references.iter().map(|reference| vec![reference.as_ref()]).collect()
}
