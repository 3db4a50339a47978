//! Where batches come from: by epoch and index, so that a resumed run finds its place again.

use crate::batch::{
    BatchError, BatchPlan, BatchPlanConfig, BlockBatch, Blocks, PairBatch, TokenPair,
};

/// Batches by epoch and index.
///
/// A run resumes by asking for the batch it would have asked for next. So the same epoch and index
/// must give the same batch whenever they are asked for, and in a new process too.
///
/// A `Vec` of batches is a source that gives them in the same order in every epoch.
pub trait BatchSource {
    /// What an [`Objective`](crate::Objective) takes.
    type Batch;

    /// Number of batches in an epoch. None at all only makes sense for validation: there is none.
    fn batches(&mut self, epoch: u64) -> usize;

    /// Batch `index`, from 0, of an epoch.
    ///
    /// # Panics
    /// If `index` is not below [`batches(epoch)`](Self::batches).
    fn batch(&mut self, epoch: u64, index: usize) -> Self::Batch;

    /// Size and checksum of the data, in words, so that a run is not gone on with on other data; none if
    /// the source cannot say.
    fn fingerprint(&self) -> Option<String> {
        None
    }
}

impl<B: Clone> BatchSource for Vec<B> {
    type Batch = B;

    fn batches(&mut self, _epoch: u64) -> usize {
        self.len()
    }

    fn batch(&mut self, _epoch: u64, index: usize) -> B {
        self[index].clone()
    }
}

/// The plan of the epoch that was asked for last; examples have `SIDES` lengths each.
#[derive(Debug, Clone)]
struct Planner<const SIDES: usize> {
    lengths: Vec<[usize; SIDES]>,
    config: BatchPlanConfig,
    plan: BatchPlan,
    planned: u64,
}

impl<const SIDES: usize> Planner<SIDES> {
    fn new(lengths: Vec<[usize; SIDES]>, config: BatchPlanConfig) -> Result<Self, BatchError> {
        let plan = BatchPlan::new(&lengths, &config, 0)?;
        Ok(Self { lengths, config, plan, planned: 0 })
    }

    fn plan(&mut self, epoch: u64) -> &BatchPlan {
        if self.planned != epoch {
            self.plan = BatchPlan::new(&self.lengths, &self.config, epoch)
                .expect("what can be planned does not depend on the epoch");
            self.planned = epoch;
        }
        &self.plan
    }
}

/// Pairs of token sequences as a source: planned anew for every epoch, of like lengths together.
#[derive(Debug, Clone)]
pub struct PairSource {
    pairs: Vec<TokenPair>,
    planner: Planner<2>,
}

impl PairSource {
    /// Plans the first epoch.
    ///
    /// # Errors
    /// If there are no pairs, or one is longer than a batch has room for.
    pub fn new(pairs: Vec<TokenPair>, config: BatchPlanConfig) -> Result<Self, BatchError> {
        let planner = Planner::new(pairs.iter().map(TokenPair::steps).collect(), config)?;
        Ok(Self { pairs, planner })
    }
}

impl BatchSource for PairSource {
    type Batch = PairBatch;

    fn batches(&mut self, epoch: u64) -> usize {
        self.planner.plan(epoch).len()
    }

    fn batch(&mut self, epoch: u64, index: usize) -> PairBatch {
        let examples = self.planner.plan(epoch).batch(index);
        PairBatch::from_pairs(examples.iter().map(|&example| &self.pairs[example]))
    }

    fn fingerprint(&self) -> Option<String> {
        let sides = self.pairs.iter().flat_map(|pair| [&*pair.source, &*pair.target]);
        Some(format!("{} pairs of {}", self.pairs.len(), tokens_in_words(sides)))
    }
}

/// Windows of a token stream as a source, in another order in every epoch: what a language model
/// is trained on.
#[derive(Debug, Clone)]
pub struct BlockSource {
    blocks: Blocks,
    planner: Planner<1>,
}

impl BlockSource {
    /// Plans the first epoch.
    ///
    /// # Errors
    /// If the stream has no window, or one is longer than a batch has room for.
    pub fn new(blocks: Blocks, config: BatchPlanConfig) -> Result<Self, BatchError> {
        let planner = Planner::new(blocks.lengths(), config)?;
        Ok(Self { blocks, planner })
    }
}

impl BatchSource for BlockSource {
    type Batch = BlockBatch;

    fn batches(&mut self, epoch: u64) -> usize {
        self.planner.plan(epoch).len()
    }

    fn batch(&mut self, epoch: u64, index: usize) -> BlockBatch {
        self.blocks.batch(self.planner.plan(epoch).batch(index))
    }

    fn fingerprint(&self) -> Option<String> {
        let (windows, [width, stride]) = (self.blocks.len(), self.blocks.width_and_stride());
        let tokens = tokens_in_words([self.blocks.stream()]);
        Some(format!("{windows} windows of {width} tokens every {stride}, of {tokens}"))
    }
}

/// Number and checksum of the tokens of sequences, which also tells where each ends.
fn tokens_in_words<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> String {
    let mut checksum = crc32fast::Hasher::new();
    let mut tokens = 0;
    for sequence in sequences {
        checksum.update(&(sequence.len() as u64).to_le_bytes());
        sequence.iter().for_each(|token| checksum.update(&token.to_le_bytes()));
        tokens += sequence.len();
    }
    format!("{tokens} tokens with checksum {:08x}", checksum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> PairSource {
        let pair = |n: u32| TokenPair {
            source: vec![4 + n; 1 + n as usize % 5],
            target: vec![4 + n; n as usize % 3],
        };
        let config = BatchPlanConfig { tokens: 12, seed: Some(3), ..BatchPlanConfig::default() };
        PairSource::new((0..29).map(pair).collect(), config).unwrap()
    }

    #[test]
    fn every_pair_comes_once_an_epoch_and_in_another_order_in_the_next() {
        let mut source = source();
        let mut orders = Vec::new();
        for epoch in 0..2 {
            let rows = |batch: PairBatch| {
                (0..batch.rows()).map(|row| batch.source.row(row)[0]).collect::<Vec<_>>()
            };
            let seen: Vec<u32> = (0..source.batches(epoch))
                .flat_map(|index| rows(source.batch(epoch, index)))
                .collect();
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (4..33).collect::<Vec<_>>());
            orders.push(seen);
        }
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn every_window_of_a_stream_comes_once_an_epoch() {
        let config = BatchPlanConfig { tokens: 9, ..BatchPlanConfig::default() };
        let blocks = Blocks::new((4..33).collect(), 3, 3);
        let mut source = BlockSource::new(blocks, config).unwrap();
        for epoch in [1, 0, 2] {
            let targets = |batch: BlockBatch| {
                let rows = 0..batch.target.rows();
                rows.flat_map(|row| batch.target.row(row).to_vec()).collect::<Vec<_>>()
            };
            let mut predicted: Vec<u32> = (0..source.batches(epoch))
                .flat_map(|index| targets(source.batch(epoch, index)))
                .collect();
            predicted.sort_unstable();
            assert_eq!(predicted, (5..33).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_does_not_depend_on_what_was_asked_for_before() {
        let mut fresh = source();
        let mut used = source();
        used.batch(5, 0);
        used.batch(0, 1);
        assert_eq!(used.batch(2, 1), fresh.batch(2, 1));
        assert_eq!(used.batches(2), fresh.batches(2));
    }
}
