//! `&`, `|`, `!` are those of sets, and what needs no combination makes none.

use super::strategy::{mask, seen, shape, shaped_mask};
use attn_core::{AttentionShape, Mask};
use proptest::prelude::*;

fn two() -> impl Strategy<Value = (AttentionShape, Mask, Mask)> {
    shape().prop_flat_map(|shape| (Just(shape), mask(shape), mask(shape)))
}

fn three() -> impl Strategy<Value = (Mask, Mask, Mask)> {
    shape().prop_flat_map(|shape| (mask(shape), mask(shape), mask(shape)))
}

proptest! {
    #[test]
    fn operators_are_pair_by_pair((shape, a, b) in two()) {
        let (left, right) = (seen(&a, shape), seen(&b, shape));
        let each = |combine: fn(bool, bool) -> bool| -> Vec<bool> {
            left.iter().zip(&right).map(|(&a, &b)| combine(a, b)).collect()
        };
        prop_assert_eq!(seen(&(&a & &b), shape), each(|a, b| a && b));
        prop_assert_eq!(seen(&(&a | &b), shape), each(|a, b| a || b));
        prop_assert_eq!(seen(&!&a, shape), each(|a, _| !a));
    }

    #[test]
    fn de_morgan((shape, a, b) in two()) {
        prop_assert_eq!(seen(&!(&a & &b), shape), seen(&(!&a | !&b), shape));
        prop_assert_eq!(seen(&!(&a | &b), shape), seen(&(!&a & !&b), shape));
    }

    #[test]
    fn values_and_references_combine_alike((_, a, b) in two()) {
        let and = &a & &b;
        prop_assert_eq!(&(a.clone() & b.clone()), &and);
        prop_assert_eq!(&(a.clone() & &b), &and);
        prop_assert_eq!(&(&a & b.clone()), &and);
        let or = &a | &b;
        prop_assert_eq!(&(a.clone() | b.clone()), &or);
        prop_assert_eq!(&(a.clone() | &b), &or);
        prop_assert_eq!(&(&a | b.clone()), &or);
        prop_assert_eq!(!a.clone(), !&a);
    }

    #[test]
    fn brackets_do_not_matter((a, b, c) in three()) {
        prop_assert_eq!((&a & &b) & &c, &a & (&b & &c));
        prop_assert_eq!((&a | &b) | &c, &a | (&b | &c));
    }

    #[test]
    fn neutral_masks_vanish((_, m) in shaped_mask()) {
        let (open, nothing) = (Mask::open(), Mask::nothing());
        prop_assert_eq!(&(&open & &m), &m);
        prop_assert_eq!(&(&m & &open), &m);
        prop_assert_eq!(&(&nothing | &m), &m);
        prop_assert_eq!(&(&m | &nothing), &m);
        prop_assert_eq!(&(&nothing & &m), &nothing);
        prop_assert_eq!(&(&m | &open), &open);
        prop_assert_eq!(&(&m & &m), &m);
        prop_assert_eq!(&(&m | &m), &m);
        prop_assert_eq!(&!!&m, &m);
    }
}

#[test]
fn only_open_is_open_for_any_shape() {
    assert!(Mask::open().is_open());
    assert!(Mask::window(None, None).is_open());
    assert!((!Mask::nothing() & Mask::open()).is_open());
    for mask in [Mask::nothing(), Mask::causal(), Mask::padding([9]), Mask::dilated(1)] {
        assert!(!mask.is_open(), "{mask:?}");
    }
}
