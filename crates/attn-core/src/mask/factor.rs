//! A mask as a causal part and a part that depends on keys only, where it is that.

use super::kind::Kind;
use super::window::Window;
use super::{AttentionShape, Mask};
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// What decides how a mechanism that sums keys up may do so.
#[derive(Clone, Debug)]
pub(crate) enum Factored {
    /// Key `j` is visible to position `p` iff it is among `keys`, and `j <= p` if causal.
    Keys {
        causal: bool,
        /// `[batch | 1, heads | 1, 1, keys]`; `None`: all.
        keys: Option<Tensor<4, Bool>>,
    },
    /// Which pairs are visible, `[batch, heads, queries, keys]`, where nothing simpler says it.
    Pairs(Tensor<4, Bool>),
}

impl Mask {
    /// The mask of this shape in its simplest form; of size queries × keys only if it has no other.
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub(crate) fn factor(&self, shape: &AttentionShape, device: &Device) -> Factored {
        if self.is_open_for(shape) {
            return Factored::Keys { causal: false, keys: None };
        }
        let (causal, others): (Vec<&Mask>, Vec<&Mask>) =
            self.conjuncts().into_iter().partition(|mask| mask.is_causal());
        let AttentionShape { batch, heads, queries, keys } = *shape;
        if others.iter().any(|mask| mask.dims(shape)[2] != 1) {
            let visible = self.lower(shape, device).expand([batch, heads, queries, keys]);
            return Factored::Pairs(visible);
        }
        let rows = others.into_iter().cloned().reduce(|a, b| a & b).map(|mask| {
            let [b, h, _, _] = mask.dims(shape);
            mask.lower(shape, device).expand([b, h, 1, keys])
        });
        Factored::Keys { causal: !causal.is_empty(), keys: rows }
    }

    /// Whether it is causal, of keys, or both, of whatever number of queries and keys: then
    /// [`factor_after`](Self::factor_after) has factors.
    pub(crate) fn is_of_keys(&self) -> bool {
        // To one query alone any mask is a mask of keys.
        let shape = AttentionShape { batch: 2, heads: 2, queries: 2, keys: 2 };
        self.conjuncts().iter().all(|mask| mask.is_causal() || mask.dims(&shape)[2] == 1)
    }

    /// [`factor`](Self::factor) of the last `shape.keys` keys, which `before` others precede, and as
    /// many queries; of a mask that [is of keys](Self::is_of_keys). What it costs does not grow with
    /// `before`.
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit.
    #[track_caller]
    pub(crate) fn factor_after(
        &self,
        before: usize,
        shape: &AttentionShape,
        device: &Device,
    ) -> Factored {
        let whole = AttentionShape { keys: before + shape.keys, ..*shape };
        self.assert_fits(&whole);
        let conjuncts = self.conjuncts().into_iter().filter(|mask| !mask.is_open());
        let (causal, others): (Vec<&Mask>, Vec<&Mask>) =
            conjuncts.partition(|mask| mask.is_causal());
        let [batch, heads] = others
            .iter()
            .map(|mask| mask.dims(&whole))
            .fold([1; 2], |size, of| [size[0].max(of[0]), size[1].max(of[1])]);
        let keys = (!others.is_empty()).then(|| {
            let mut cells = Vec::with_capacity(batch * heads * shape.keys);
            for b in 0..batch {
                for h in 0..heads {
                    let seen = |j| others.iter().all(|mask| mask.sees(&whole, b, h, 0, j));
                    cells.extend((before..whole.keys).map(seen));
                }
            }
            Tensor::from_data(TensorData::new(cells, [batch, heads, 1, shape.keys]), device)
        });
        // A single query sees its own key, causal or not.
        Factored::Keys { causal: !causal.is_empty() && shape.queries > 1, keys }
    }

    /// The masks that all must agree.
    fn conjuncts(&self) -> Vec<&Mask> {
        match &self.0 {
            Kind::And(masks) => masks.as_slice().iter().flat_map(Self::conjuncts).collect(),
            _ => vec![self],
        }
    }

    fn is_causal(&self) -> bool {
        matches!(self.0, Kind::Causal | Kind::Window(Window { left: None, right: Some(0) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: AttentionShape = AttentionShape { batch: 2, heads: 3, queries: 4, keys: 5 };

    fn factor(mask: &Mask) -> Factored {
        mask.factor(&SHAPE, &Device::flex())
    }

    #[test]
    fn causal_and_padding_are_factors() {
        let mask = Mask::causal() & Mask::padding([2, 5]) & Mask::left_padding([1]);
        let Factored::Keys { causal: true, keys: Some(keys) } = factor(&mask) else {
            panic!("{mask:?} has factors")
        };
        let keys: Vec<bool> = keys.into_data().iter::<bool>().collect();
        assert_eq!(
            keys,
            [[false, true, false, false, false], [false, true, true, true, true]].concat()
        );
    }

    #[test]
    fn a_window_to_the_left_without_end_is_causal() {
        let mask = Mask::window(None, Some(0));
        assert!(matches!(factor(&mask), Factored::Keys { causal: true, keys: None }));
    }

    #[test]
    fn what_depends_on_pairs_is_lowered() {
        for mask in [Mask::window(Some(1), Some(0)), Mask::prefix([2]), !Mask::causal()] {
            let Factored::Pairs(pairs) = factor(&mask) else { panic!("{mask:?} has no factors") };
            assert_eq!(pairs.dims(), [2, 3, 4, 5]);
        }
    }

    #[test]
    fn the_last_keys_have_the_factors_of_all() {
        let device = Device::flex();
        let mask = Mask::causal() & Mask::left_padding([1, 4]) & Mask::padding([4, 5]);
        assert!(mask.is_of_keys());
        let whole = AttentionShape { queries: 2, ..SHAPE };
        let Factored::Keys { keys: Some(all), .. } = mask.factor(&whole, &device) else {
            panic!("{mask:?} has factors")
        };
        let last = AttentionShape { queries: 2, keys: 2, ..SHAPE };
        let Factored::Keys { causal: true, keys: Some(last) } =
            mask.factor_after(3, &last, &device)
        else {
            panic!("{mask:?} has factors")
        };
        assert_eq!(last.dims(), [2, 1, 1, 2]);
        assert_eq!(last.into_data(), all.slice_dim(3, 3..5).into_data());
    }

    #[test]
    fn what_depends_on_pairs_is_not_of_keys_even_to_one_query() {
        let of_pairs = Tensor::<4, Bool>::full([1, 1, 1, 1], true, &Device::flex());
        assert!(Mask::visible(of_pairs.clone()).is_of_keys());
        assert!(!Mask::visible(of_pairs.expand([1, 1, 3, 3])).is_of_keys());
        for mask in [
            Mask::window(Some(9), Some(0)),
            Mask::prefix([2]),
            Mask::documents(vec![vec![9]]),
            Mask::dilated(2) & Mask::causal(),
        ] {
            assert!(!mask.is_of_keys(), "{mask:?}");
        }
    }

    #[test]
    fn one_query_sees_keys_whatever_the_mask() {
        let shape = AttentionShape { queries: 1, ..SHAPE };
        let factored = Mask::window(Some(1), Some(0)).factor(&shape, &Device::flex());
        assert!(matches!(factored, Factored::Keys { causal: false, keys: Some(_) }));
    }
}
