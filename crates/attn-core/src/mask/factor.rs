//! A mask as a causal part and a part that depends on keys only, where it is that.

use super::kind::Kind;
use super::window::Window;
use super::{AttentionShape, Mask};
use burn::tensor::{Bool, Device, Tensor};

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
    fn one_query_sees_keys_whatever_the_mask() {
        let shape = AttentionShape { queries: 1, ..SHAPE };
        let factored = Mask::window(Some(1), Some(0)).factor(&shape, &Device::flex());
        assert!(matches!(factored, Factored::Keys { causal: false, keys: Some(_) }));
    }
}
