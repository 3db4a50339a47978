//! Rule 2: the last query sees what the last position sees.

use crate::Mask;
use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::masks::blocks;
use crate::conformance::oracle::Problem;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;
use burn::tensor::Device;

/// The oracle is told what is visible by a formula for each kind of mask, not by the mask.
pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    let [_, _, queries, keys] = case.sizes.pairs();
    let signed = |n: usize| isize::try_from(n).expect("a size of a few");
    for (mask, sees) in kinds(case, &subject.device) {
        let visible = Array::from_fn(case.sizes.pairs(), |[batch, _, query, key]| {
            let (i, j) = (signed(query), signed(key));
            sees(Pair { batch, i, p: i + signed(keys) - signed(queries), j })
        });
        let problem = Problem { mask: mask.clone(), visible, ..problem.clone() };
        subject.check_answer(&problem).map_err(|error| format!("{mask:?}: {error}"))?;
    }
    Ok(())
}

/// A query and a key, of which a mask may speak.
struct Pair {
    batch: usize,
    /// The query's number.
    i: isize,
    /// Its position among the keys, negative if there are more queries than keys.
    p: isize,
    /// The key's position.
    j: isize,
}

type Sees = Box<dyn Fn(Pair) -> bool>;

/// A mask and what it means.
fn kind(mask: Mask, sees: impl Fn(Pair) -> bool + 'static) -> (Mask, Sees) {
    (mask, Box::new(sees))
}

/// Masks of each kind that speaks of positions or lengths.
fn kinds(case: &Case, device: &Device) -> Vec<(Mask, Sees)> {
    let shape = case.sizes.shape();
    let mut noise = case.noise("masks");
    let mut size = || 1 + noise.below(shape.keys);
    let (left, right, step, block) = (size(), size(), size(), size());
    let mut lengths = || -> Vec<usize> { (0..shape.batch).map(|_| size()).collect() };
    let (prefix, padding, pads) = (lengths(), lengths(), lengths());
    let (first, second) = (lengths(), lengths());

    let pairs = first.iter().zip(&second).map(|(&first, &second)| vec![first, second]);
    let documents = Mask::documents(pairs.collect());
    let document = move |batch: usize, position: isize| match usize::try_from(position) {
        Ok(position) if position < first[batch] => Some(1),
        Ok(position) if position < first[batch] + second[batch] => Some(2),
        _ => None,
    };
    let (blocks, grid) = blocks(&shape, block, case.seed);
    // The grid ends bottom-right, so that this is the position of its first row.
    let top = (grid[0].len() as isize - grid.len() as isize) * block as isize;
    // A matrix made for three queries more, before these, and two keys more, behind these.
    let matrix = Array::from_fn([1, 1, shape.queries + 5, shape.keys + 2], |_| noise.one_in(2));
    let explicit = Mask::visible(matrix.tensor(device));

    let (l, r, step_by) = (left as isize, right as isize, step as isize);
    vec![
        kind(Mask::causal(), |x| x.j <= x.p),
        kind(Mask::window(Some(left), Some(right)), move |x| x.p - l <= x.j && x.j <= x.p + r),
        kind(Mask::window(Some(left), None), move |x| x.p - l <= x.j),
        kind(Mask::window(None, Some(right)), move |x| x.j <= x.p + r),
        kind(Mask::prefix(prefix.clone()), move |x| x.j <= x.p || x.j < prefix[x.batch] as isize),
        kind(Mask::dilated(step), move |x| (x.p - x.j) % step_by == 0),
        kind(Mask::padding(padding.clone()), move |x| x.j < padding[x.batch] as isize),
        kind(Mask::left_padding(pads.clone()), move |x| x.j >= pads[x.batch] as isize),
        kind(documents, move |x| {
            let own = document(x.batch, x.p);
            own.is_some() && own == document(x.batch, x.j)
        }),
        kind(blocks, move |x| grid[(x.p - top) as usize / block][x.j as usize / block]),
        kind(explicit, move |x| matrix[[0, 0, x.i as usize + 3, x.j as usize]]),
    ]
}
