//! What is measured: one list, the rows of the table.

use attn_core::{AttentionShape, Mask};
use serde::Serialize;

/// One row: an attention and what it must reach. Queries `[batch, heads, queries, width]`, keys and
/// values `[batch, heads, keys, width]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Rows of the batch.
    pub batch: usize,
    /// Heads of queries, keys and values.
    pub heads: usize,
    /// Queries of a row; fewer than keys where keys are cached.
    pub queries: usize,
    /// Keys of a row.
    pub keys: usize,
    /// Width of a head.
    pub width: usize,
    /// Who sees whom.
    pub visible: Visible,
    /// What is timed.
    pub pass: Pass,
    /// Probability of a weight to be dropped.
    pub dropout: Option<f64>,
    /// A bias `[1, heads, queries, keys]` that is learned: it needs a gradient.
    pub bias: bool,
    /// What the ratio must reach.
    pub goal: Goal,
}

/// Which keys a query sees. Queries are aligned with the last keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Visible {
    /// All of them.
    Full,
    /// Those up to its own.
    Causal,
    /// Its own and those before it, so many in all.
    Window {
        /// How many.
        keys: usize,
    },
    /// Those up to its own in its document; a row is packed with documents of one length.
    Documents {
        /// Tokens of each.
        length: usize,
    },
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// The output, without gradients.
    Forward,
    /// The output, and for ones as its gradient those of all that is learned.
    Train,
}

/// What the time of PyTorch over ours must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// These ratios.
    Times {
        /// Less is a failure.
        floor: f64,
        /// What is wanted.
        goal: f64,
    },
    /// These parts of the ratio that the same setting reaches with heads of width 64.
    OfWidth64 {
        /// Less is a failure.
        floor: f64,
        /// What is wanted.
        goal: f64,
    },
}

impl Visible {
    /// The mask of our side.
    ///
    /// # Panics
    /// If documents do not fill the keys.
    pub fn mask(self, batch: usize, keys: usize) -> Mask {
        match self {
            Self::Full => Mask::open(),
            Self::Causal => Mask::causal(),
            Self::Window { keys } => Mask::window(Some(keys - 1), Some(0)),
            Self::Documents { length } => {
                assert!(keys.is_multiple_of(length), "{keys} keys are no documents of {length}");
                Mask::causal() & Mask::documents(vec![vec![length; keys / length]; batch])
            }
        }
    }

    /// Pairs of a query and a key that it sees.
    pub fn pairs(self, queries: usize, keys: usize) -> usize {
        let own = (0..queries).map(|query| query + keys - queries);
        match self {
            Self::Full => queries * keys,
            Self::Causal => own.map(|own| own + 1).sum(),
            Self::Window { keys } => own.map(|own| keys.min(own + 1)).sum(),
            Self::Documents { length } => own.map(|own| own % length + 1).sum(),
        }
    }
}

impl Setting {
    /// The pass over one row of `n` tokens, 8 heads × 64.
    fn new(pass: Pass, visible: Visible, n: usize, [floor, goal]: [f64; 2]) -> Self {
        Self {
            batch: 1,
            heads: 8,
            queries: n,
            keys: n,
            width: 64,
            visible,
            pass,
            dropout: None,
            bias: false,
            goal: Goal::Times { floor, goal },
        }
    }

    /// What the table calls it; unique in the list.
    pub fn name(&self) -> String {
        let Self { batch, queries, keys, width, visible, pass, dropout, bias, .. } = self;
        let pass = match pass {
            Pass::Forward => "forward",
            Pass::Train => "forward+backward",
        };
        let visible = match visible {
            Visible::Full => "full".to_string(),
            Visible::Causal => "causal".to_string(),
            Visible::Window { keys } => format!("window {keys}"),
            Visible::Documents { length } => format!("documents {length}"),
        };
        let mut name = format!("{pass} {visible} b{batch} ");
        if queries == keys {
            name += &format!("n{keys}");
        } else {
            name += &format!("q{queries} on {keys}");
        }
        if *width != 64 {
            name += &format!(" d{width}");
        }
        if let Some(dropout) = dropout {
            name += &format!(" dropout {dropout}");
        }
        if *bias {
            name += " bias";
        }
        name
    }

    /// Sizes as the mask wants them.
    pub fn shape(&self) -> AttentionShape {
        let Self { batch, heads, queries, keys, .. } = *self;
        AttentionShape { batch, heads, queries, keys }
    }

    /// The mask of our side.
    pub fn mask(&self) -> Mask {
        self.visible.mask(self.batch, self.keys)
    }

    /// The arithmetic that cannot be avoided: two products over the visible pairs forward, and five
    /// more backward (the scores once more, and two for each of the two products).
    pub fn flops(&self) -> f64 {
        let products = match self.pass {
            Pass::Forward => 2,
            Pass::Train => 7,
        };
        let pairs = self.batch * self.heads * self.visible.pairs(self.queries, self.keys);
        (2 * products * self.width * pairs) as f64
    }

    /// Bytes of one matrix of scores, which unfused peers keep several of.
    pub fn scores_bytes(&self) -> u64 {
        (self.batch * self.heads * self.queries * self.keys * size_of::<f32>()) as u64
    }

    /// The setting with lengths divided by sixteen and at most two rows: for a look at whether the
    /// bench runs, not for numbers.
    pub fn quick(mut self) -> Self {
        let less = |n: usize| n.div_ceil(16);
        self.batch = self.batch.min(2);
        // A few queries on many keys stay a few.
        self.queries = if self.queries == self.keys { less(self.queries) } else { self.queries };
        self.keys = less(self.keys);
        self.visible = match self.visible {
            Visible::Window { keys } => Visible::Window { keys: less(keys) },
            Visible::Documents { length } => Visible::Documents { length: less(length) },
            visible => visible,
        };
        self
    }
}

/// The table, row by row. A row that is judged by another comes after it.
pub fn settings() -> Vec<Setting> {
    use Pass::{Forward, Train};
    use Visible::{Causal, Documents, Full, Window};

    let mut rows = Vec::new();
    // Eight short rows instead of one, to be as much work as a batch is.
    let batch = |n| if n == 512 { 8 } else { 1 };
    for n in [1024, 2048, 4096] {
        rows.push(Setting::new(Forward, Full, n, [1.2, 1.35]));
    }
    for (pass, goal) in [(Forward, [1.4, 1.7]), (Train, [1.4, 1.8])] {
        for n in [512, 1024, 2048, 4096] {
            rows.push(Setting { batch: batch(n), ..Setting::new(pass, Causal, n, goal) });
        }
    }
    for pass in [Forward, Train] {
        for (batch, n) in [(64, 64), (32, 128), (16, 256)] {
            rows.push(Setting { batch, ..Setting::new(pass, Full, n, [1.2, 1.5]) });
        }
    }
    for n in [512, 1024, 2048] {
        let row = Setting::new(Train, Causal, n, [4.0, 8.0]);
        rows.push(Setting { batch: batch(n), dropout: Some(0.1), ..row });
    }
    rows.push(Setting { bias: true, ..Setting::new(Train, Full, 2048, [2.0, 3.0]) });
    rows.push(Setting::new(Train, Window { keys: 256 }, 8192, [8.0, 16.0]));
    rows.push(Setting::new(Train, Documents { length: 512 }, 4096, [4.0, 7.0]));
    for batch in [1, 8] {
        for keys in [2048, 8192] {
            for queries in [1, 4, 16] {
                // A single query, the last one, sees everything: no mask says so soonest.
                let visible = if queries == 1 { Full } else { Causal };
                let row = Setting::new(Forward, visible, keys, [1.0, 1.3]);
                rows.push(Setting { batch, queries, ..row });
            }
        }
    }
    for (pass, visible) in [(Forward, Full), (Train, Causal)] {
        for n in [1024, 2048] {
            for width in [32, 80, 96, 128] {
                let goal = Goal::OfWidth64 { floor: 0.9, goal: 1.0 };
                rows.push(Setting { width, goal, ..Setting::new(pass, visible, n, [0.0; 2]) });
            }
        }
    }
    rows
}

/// What both sides must reach where both are held to AVX2: the same ratios in every row.
pub const AVX2: Goal = Goal::Times { floor: 0.9, goal: 1.2 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_quick_or_not() {
        for rows in [settings(), settings().into_iter().map(Setting::quick).collect()] {
            let names: HashSet<String> = rows.iter().map(Setting::name).collect();
            assert_eq!(names.len(), rows.len(), "{names:?}");
        }
    }

    #[test]
    fn what_a_row_is_judged_by_comes_before_it() {
        let mut before = HashSet::new();
        for row in settings() {
            if let Goal::OfWidth64 { .. } = row.goal {
                let reference = Setting { width: 64, ..row.clone() };
                assert!(before.contains(&reference.name()), "{}", row.name());
            }
            before.insert(row.name());
        }
    }

    #[test]
    fn pairs_are_counted_as_the_mask_has_them() {
        let device = device::default().device;
        for (row, keys) in settings().into_iter().map(Setting::quick).map(|row| {
            let keys = row.visible.pairs(row.queries, row.keys);
            (row, keys)
        }) {
            let seen = row.mask().lower(&row.shape(), &device).expand([
                row.batch,
                1,
                row.queries,
                row.keys,
            ]);
            let seen = seen.int().sum().into_scalar::<i64>() as usize;
            assert_eq!(seen, row.batch * keys, "{}", row.name());
        }
    }
}
