//! The kernels against [`careful`], which visits pair by pair, in f64.

use super::simd::{Isa, Real};
use super::{Gradients, Problem, Saved, View, backward, careful, forward};
use crate::attention::Options;
use crate::{DropoutMask, Tile, Visibility, combine};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Uniform in `[-1, 1)`, exact in f32.
fn noise<T: Real>(size: usize, seed: u64) -> Vec<T> {
    let number = |i| (combine(seed, i as u64) >> 40) as f64 / f64::from(1 << 23) - 1.0;
    (0..size).map(|i| T::from_f64(number(i))).collect()
}

/// Which mask a case has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Open,
    Causal,
    /// The last so many keys up to the query's position.
    Window(usize),
    /// Bits without a pattern, in some batch rows and heads; every seventh query sees nothing.
    Noise(u64),
}

#[derive(Debug)]
struct Mask {
    kind: Kind,
    queries: usize,
    keys: usize,
}

impl Visibility for Mask {
    fn dims(&self) -> [usize; 4] {
        match self.kind {
            Kind::Noise(_) => [usize::MAX, usize::MAX, self.queries, self.keys].map(|n| n.min(9)),
            _ => [1, 1, self.queries, self.keys],
        }
    }

    fn tile(&self, b: usize, h: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        let sees = |i, j: usize| self.bits(b, h, i, j - j % 64) >> (j % 64) & 1 == 1;
        let mut pairs = rows.flat_map(|i| cols.clone().map(move |j| sees(i, j)));
        let first = pairs.next().expect("a tile is not empty");
        match (first, pairs.all(|other| other == first)) {
            (_, false) => Tile::Partial,
            (true, true) => Tile::Full,
            (false, true) => Tile::Empty,
        }
    }

    fn bits(&self, b: usize, h: usize, i: usize, first: usize) -> u64 {
        let position = (self.keys + i) as isize - self.queries as isize;
        let sees = |j: usize| match self.kind {
            Kind::Open => true,
            Kind::Causal => j as isize <= position,
            Kind::Window(left) => (position - left as isize..=position).contains(&(j as isize)),
            Kind::Noise(seed) => {
                let row = combine(combine(seed, (b * 31 + h) as u64), i as u64);
                i % 7 != 3 && combine(row, j as u64).is_multiple_of(3)
            }
        };
        (first..self.keys.min(first + 64)).filter(|&j| sees(j)).map(|j| 1 << (j - first)).sum()
    }
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    kv_heads: usize,
    group: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    kind: Kind,
    scale: f64,
    softcap: Option<f64>,
    /// Of which dimensions the bias has more than one element.
    bias: Option<[bool; 4]>,
    sink: bool,
    dropout: Option<DropoutMask>,
    /// Whether heads lie inside of steps in memory.
    heads_inside: bool,
}

/// Of a property.
const CASES: u32 = 48;

fn cases() -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        Just(Kind::Open),
        Just(Kind::Causal),
        (1_usize..200).prop_map(Kind::Window),
        any::<u64>().prop_map(Kind::Noise),
    ];
    // Around the sizes of tiles, panels, cells and blocks.
    let queries = prop_oneof![1_usize..=20, 40_usize..=56, Just(100)];
    let keys = prop_oneof![1_usize..=40, 60_usize..=70, 120_usize..=140, 505_usize..=520];
    let width = prop_oneof![1_usize..=20, 31_usize..=33, Just(64)];
    let sizes = (1_usize..=2, 1_usize..=2, 1_usize..=3, queries, keys, width.clone(), width);
    let softcap = proptest::option::of(0.5_f64..5.0);
    let bias = proptest::option::of(any::<[bool; 4]>());
    let dropout = proptest::option::of((0.05_f64..0.9, any::<u64>()));
    let options = (-2.0_f64..2.0, softcap, bias, any::<bool>(), dropout, any::<bool>());
    (sizes, kind, options).prop_map(|(sizes, kind, options)| {
        let (batch, kv_heads, group, queries, keys, width, value_width) = sizes;
        let (scale, softcap, bias, sink, dropout, heads_inside) = options;
        let scale = scale / (width as f64).sqrt();
        let dropout = dropout.map(|(prob, seed)| DropoutMask::new(prob, seed));
        Case {
            batch,
            kv_heads,
            group,
            queries,
            keys,
            width,
            value_width,
            kind,
            scale,
            softcap,
            bias,
            sink,
            dropout,
            heads_inside,
        }
    })
}

/// The numbers of a case.
struct Data<T> {
    case: Case,
    query: Vec<T>,
    key: Vec<T>,
    value: Vec<T>,
    bias: Option<Vec<T>>,
    sink: Option<Vec<T>>,
    gradient: Vec<T>,
    lse_gradient: Vec<T>,
    options: Options,
}

impl Case {
    fn heads(&self) -> usize {
        self.kv_heads * self.group
    }

    fn bias_shape(&self) -> Option<[usize; 4]> {
        let full = [self.batch, self.heads(), self.queries, self.keys];
        self.bias.map(|own| std::array::from_fn(|axis| if own[axis] { full[axis] } else { 1 }))
    }

    fn data<T: Real>(&self) -> Data<T> {
        let &Case { batch, kv_heads, queries, keys, width, value_width, .. } = self;
        let heads = self.heads();
        let mask = Mask { kind: self.kind, queries, keys };
        Data {
            case: self.clone(),
            query: noise(batch * heads * queries * width, 1),
            key: noise(batch * kv_heads * keys * width, 2),
            value: noise(batch * kv_heads * keys * value_width, 3),
            bias: self.bias_shape().map(|shape| noise(shape.iter().product(), 4)),
            sink: self.sink.then(|| noise(heads, 5)),
            gradient: noise(batch * heads * queries * value_width, 6),
            lse_gradient: noise(batch * heads * queries, 7),
            options: Options {
                scale: self.scale,
                softcap: self.softcap,
                dropout: self.dropout,
                mask: Some(Arc::new(mask)),
            },
        }
    }
}

fn view<T>(data: &[T], shape: [usize; 4], heads_inside: bool) -> View<'_, T> {
    let [_, heads, steps, width] = shape;
    let strides = if heads_inside {
        [heads * steps * width, width, heads * width, 1]
    } else {
        [heads * steps * width, steps * width, width, 1]
    };
    View {
        data,
        shape,
        strides: std::array::from_fn(|a| if shape[a] == 1 { 0 } else { strides[a] }),
    }
}

/// Context, log-sum-exp and all gradients, as numbers in the order of memory.
type Answer<T> = Vec<(&'static str, Vec<T>)>;

impl<T: Real> Data<T> {
    fn inputs(&mut self) -> Vec<&mut Vec<T>> {
        let always = [&mut self.query, &mut self.key, &mut self.value, &mut self.gradient];
        let others = [Some(&mut self.lse_gradient), self.bias.as_mut(), self.sink.as_mut()];
        always.into_iter().chain(others.into_iter().flatten()).collect()
    }

    fn problem(&self) -> Problem<'_, T> {
        let &Case { batch, kv_heads, queries, keys, width, value_width, heads_inside, .. } =
            &self.case;
        let view =
            |data, heads, steps, width| view(data, [batch, heads, steps, width], heads_inside);
        Problem {
            query: view(&self.query, self.case.heads(), queries, width),
            key: view(&self.key, kv_heads, keys, width),
            value: view(&self.value, kv_heads, keys, value_width),
            bias: self
                .case
                .bias_shape()
                .zip(self.bias.as_ref())
                .map(|(shape, bias)| self::view(bias, shape, false)),
            sink: self.sink.as_deref(),
            options: &self.options,
        }
    }

    /// By an instruction set, or pair by pair.
    fn answer(&self, isa: Option<Isa>) -> Answer<T> {
        let problem = self.problem();
        let expect = "nothing but numbers";
        let (context, statistics) = match isa {
            Some(isa) => forward::forward(isa, &problem).expect(expect),
            None => careful::forward(&problem),
        };
        let gradient =
            View { data: &self.gradient, ..view(&[], context.shape, context.heads_inside) };
        let saved = Saved {
            context: view(&context.data, context.shape, context.heads_inside),
            statistics: &statistics,
            grad_context: Some(gradient),
            grad_log_sum_exp: Some(&self.lse_gradient),
            bias_gradient: true,
        };
        let gradients = match isa {
            Some(isa) => backward::backward(isa, &problem, &saved).expect(expect),
            None => careful::backward(&problem, &saved),
        };
        let Gradients { query, key, value, bias, sink } = gradients;
        let mut answer = vec![
            ("context", context.data),
            ("log-sum-exp", statistics[..statistics.len() / 2].to_vec()),
            ("d query", query.data),
            ("d key", key.data),
            ("d value", value.data),
        ];
        answer.extend(bias.map(|bias| ("d bias", bias)));
        answer.extend(sink.map(|sink| ("d sink", sink)));
        answer
    }
}

/// Largest difference, relative to the largest of what is expected.
fn error<T: Real>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, x| a.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(found, &expected)| {
        let found = found.to_f64();
        if found == expected { 0.0 } else { (found - expected).abs() / largest.max(1e-30) }
    });
    // NaN, where one of them is or both are infinite, is the largest.
    differences.fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a })
}

/// How far plain loops are off in each part of the answer, where inputs wobble by an epsilon.
fn wobbly(case: &Case, expected: &Answer<f64>, wobble: u64) -> Vec<f64> {
    let mut data = case.data::<f32>();
    for (i, input) in data.inputs().into_iter().enumerate().filter(|_| wobble > 0) {
        let steps = noise::<f32>(input.len(), combine(wobble, i as u64));
        input.iter_mut().zip(steps).for_each(|(x, step)| *x *= 1.0 + step * f32::EPSILON);
    }
    let parts = data.answer(None).into_iter().zip(expected);
    parts.map(|((_, found), (_, expected))| error(&found, expected)).collect()
}

/// No further from f64 than three times what plain loops are, and a few roundings.
///
/// One sum may happen to come out exact by plain loops: what looks worse is held to the worst of
/// several, which says how well the case is conditioned. (Twice is what many cases together keep
/// to, below.)
fn check(case: &Case) -> Result<(), TestCaseError> {
    let expected = case.data::<f64>().answer(None);
    let data = case.data::<f32>();
    for isa in Isa::all() {
        let found = data.answer(Some(isa));
        for (i, ((part, found), (_, expected_part))) in found.iter().zip(&expected).enumerate() {
            let off = error(found, expected_part);
            let slack = 16.0 * f64::from(f32::EPSILON);
            let is_near = |wobble| off <= 3.0 * wobbly(case, &expected, wobble)[i] + slack;
            prop_assert!(
                off <= slack || (0..8).any(is_near),
                "{}: {part} is off by {off:e}, plainly computed by {:?}",
                isa.name(),
                (0..8).map(|wobble| wobbly(case, &expected, wobble)[i]).collect::<Vec<_>>()
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn kernels_are_as_exact_as_plain_loops(case in cases()) {
        check(&case)?;
    }

    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn kernels_of_f64_are_too(case in cases()) {
        // Here the loops are what is expected, and round as much as what is found: a sum of n terms
        // by up to n / 2 epsilons (Higham 2002, section 3.1), in each of two products.
        let terms = case.keys.max(case.queries * case.group) + case.width + case.value_width;
        let data = case.data::<f64>();
        let expected = data.answer(None);
        for isa in Isa::all() {
            for ((part, found), (_, expected)) in data.answer(Some(isa)).iter().zip(&expected) {
                let off = error(found, expected);
                let limit = 2.0 * terms as f64 * f64::EPSILON;
                prop_assert!(off <= limit, "{}: {part} is off by {off:e}", isa.name());
            }
        }
    }

    /// Whole heads or parts of them, in tasks of many or few queries: as the pool's size decides.
    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn the_bits_do_not_depend_on_the_threads(case in cases()) {
        let data = case.data::<f32>();
        let answer = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| data.answer(Some(Isa::all()[0])))
        };
        let one = answer(1);
        for threads in [2, 5] {
            for ((part, one), (_, several)) in one.iter().zip(&answer(threads)) {
                let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(one), bits(several), "{} with {} threads", part, threads);
            }
        }
    }
}

/// One case for each way through the kernels, so small that Miri can run them.
#[test]
fn small_cases_of_every_kind_are_too() {
    let plain = Case {
        batch: 1,
        kv_heads: 1,
        group: 1,
        queries: 4,
        keys: 9,
        width: 3,
        value_width: 2,
        kind: Kind::Open,
        scale: 0.7,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let dropout = Some(DropoutMask::new(0.4, 3));
    let all = [true; 4];
    let of_keys = [false, false, false, true];
    for case in [
        Case { kind: Kind::Causal, group: 2, ..plain.clone() },
        Case { kind: Kind::Window(2), batch: 2, sink: true, ..plain.clone() },
        Case { kind: Kind::Noise(5), bias: Some(all), dropout, ..plain.clone() },
        Case { bias: Some(of_keys), softcap: Some(1.5), heads_inside: true, ..plain.clone() },
        // A whole cell and a part of one, a whole tile and a part of one; and a decoder's step.
        Case { kind: Kind::Causal, keys: 67, queries: 7, ..plain.clone() },
        Case { queries: 1, keys: 67, kv_heads: 2, dropout, ..plain.clone() },
    ] {
        check(&case).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    }
}

/// Over many cases, the same in every run: errors at most twice those of plain loops, by their
/// geometric mean.
#[test]
#[cfg_attr(miri, ignore = "few cases say nothing of a mean")]
fn errors_are_at_most_twice_those_of_plain_loops() {
    let mut runner = TestRunner::deterministic();
    let mut logarithms = BTreeMap::<_, Vec<f64>>::new();
    for _ in 0..CASES {
        let case = cases().new_tree(&mut runner).expect("nothing is rejected").current();
        let expected = case.data::<f64>().answer(None);
        let data = case.data::<f32>();
        let plain = data.answer(None);
        for isa in Isa::all() {
            for ((found, plain), (_, expected)) in
                data.answer(Some(isa)).iter().zip(&plain).zip(&expected)
            {
                let off = |found| error(found, expected).max(0.1 * f64::from(f32::EPSILON));
                let ratio = off(&found.1) / off(&plain.1);
                logarithms.entry((isa.name(), found.0)).or_default().push(ratio.ln());
            }
        }
    }
    for ((isa, part), logarithms) in logarithms {
        let ratio = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        println!("{isa}: {part} is off by {ratio:.2} of what plain loops are");
        assert!(ratio <= 2.0, "{isa}: {part} is off by {ratio} times what plain loops are");
    }
}

/// A row's neighbours in its tile are others where queries are cut elsewhere.
#[test]
#[cfg_attr(miri, ignore = "too many pairs")]
fn a_row_does_not_depend_on_its_neighbours() {
    for kind in [Kind::Window(30), Kind::Causal, Kind::Noise(3)] {
        let case = Case {
            batch: 2,
            kv_heads: 1,
            group: 2,
            queries: 100,
            keys: 128,
            width: 1,
            value_width: 3,
            kind,
            scale: 1.0,
            softcap: None,
            bias: None,
            sink: false,
            dropout: None,
            heads_inside: false,
        };
        let answer = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| case.data::<f32>().answer(Some(Isa::all()[0])))
        };
        assert_eq!(answer(1), answer(2));
        assert_eq!(answer(1), answer(16));
    }
}

/// Keys in several parts, each of several blocks, and queries that are few.
#[test]
#[cfg_attr(miri, ignore = "too many keys; the parts of the next test are as many")]
fn parts_of_many_keys_merge() {
    for (queries, group, kind) in
        [(1, 1, Kind::Open), (2, 3, Kind::Causal), (5, 1, Kind::Window(3))]
    {
        let case = Case {
            batch: 1,
            kv_heads: 2,
            group,
            queries,
            keys: 4500,
            width: 24,
            value_width: 20,
            kind,
            scale: 0.3,
            softcap: None,
            bias: None,
            sink: true,
            dropout: Some(DropoutMask::new(0.3, 9)),
            heads_inside: true,
        };
        check(&case).expect("as exact as plain loops");
    }
}

/// A query of NaN sees nothing but NaN, in each part of its keys.
#[test]
fn not_a_number_is_not_lost_between_parts() {
    let case = Case {
        batch: 1,
        kv_heads: 1,
        group: 1,
        queries: 1,
        keys: 4500,
        width: 3,
        value_width: 2,
        kind: Kind::Open,
        scale: 1.0,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let mut data = case.data::<f32>();
    data.query.fill(f32::NAN);
    let (context, statistics) = super::forward(&data.problem());
    assert!(context.data.iter().all(|x| x.is_nan()) && statistics[0].is_nan());
}

#[test]
fn what_is_not_a_number_stays_where_it_is_seen() {
    let case = Case {
        batch: 1,
        kv_heads: 1,
        group: 2,
        queries: 13,
        keys: 70,
        width: 5,
        value_width: 6,
        kind: Kind::Causal,
        scale: 1.0,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let clean = case.data::<f32>();
    let mut bad = case.data::<f32>();
    // The last key, which the last query alone sees.
    bad.value[69 * 6..].fill(f32::NAN);
    let (found, expected) = (super::forward(&bad.problem()), super::forward(&clean.problem()));
    for (row, (found, expected)) in
        found.0.data.chunks(6).zip(expected.0.data.chunks(6)).enumerate()
    {
        if row % 13 == 12 {
            assert!(found.iter().all(|x| x.is_nan()), "row {row} sees it");
        } else {
            assert!(error(found, &expected.iter().map(|&x| x.into()).collect::<Vec<_>>()) < 1e-6);
        }
    }
}
